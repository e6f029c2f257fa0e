"""The copy: exact values by either way, one moment for all readers, indexes made late, bounds that hold."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from core.access import Reader, Writer
from core.checks import Status
from core.errors import Refused
from core.step import Step
from tasks.databases.crew import Crew, Hand, Limits, Pace
from tasks.databases.mysql import indexes
from tasks.databases.mysql.session import refuse_unless_reading
from tasks.databases.steps import CopyData, Move
from tests.contract.test_lifecycle import status as verified
from tests.databases.servers import PASSWORD, known
from tests.worlds.mysql import SCHEMA, STATEMENTS, MysqlWorld, data_of, done, fresh, schema_of

Made = tuple[MysqlWorld, Move]

# A type, and values of it that some way of carrying rows is known to change.
VALUES: list[tuple[str, tuple[str, ...]]] = [
    (
        "VARCHAR(60)",
        ("NULL", "'NULL'", "'\\\\N'", "''", "'\\\\'", "'it''s'", "'a,b\\tc\\nd\\re\\0f'", "'  x  '"),
    ),
    ("VARCHAR(60) CHARACTER SET gbk", ("'客户'", "x'815C'", "x'C15C27'")),
    ("VARCHAR(60) CHARACTER SET utf16", ("'客户 😀'", "x'005C0027'", "x'0000002C'")),
    ("VARCHAR(60) CHARACTER SET latin1", ("'é'", "x'80FF27'")),
    ("CHAR(9)", ("NULL", "''", "'a '", "'😀'")),
    ("BINARY(4)", ("x'00'", "x'00000000'", "x'5C27'", "x'20202020'")),
    ("VARBINARY(60)", ("x'FFFE275C0A2C00'", "x'1A'", "'NULL'", "x'5C4E'", "x''")),
    ("TINYTEXT", ("NULL", "'\\n'", "'\\\\n'")),
    ("TEXT", ("NULL", "REPEAT('''\\\\', 30000)", "''")),
    ("BLOB", ("x'00'", "REPEAT(x'5C', 65535)", "REPEAT(x'0A', 251)", "REPEAT(x'27', 125)")),
    ("MEDIUMBLOB", ("NULL", "''", "'NULL'", "REPEAT(x'275C', 600000)", "REPEAT(x'0D0A', 131072)")),
    ("LONGTEXT", ("NULL", "'NULL'", "REPEAT('长', 200000)", "'\\n'")),
    ("JSON", ("NULL", "'null'", """'{"a": "\\\\\\\\n, ''"}'""", "'[1.0, 10000000000000000000000]'")),
    ("FLOAT", ("16777216", "16777217", "0.1", "-0.0", "3.4028235e38", "1.17549435e-38", "123456.7")),
    ("DOUBLE", ("0.1", "0.30000000000000004", "1.7976931348623157e308", "5e-324", "-0.0", "1e22")),
    ("DECIMAL(65,30)", ("-12345678901234567890123456789012345.123456789012345678901234567891", "0", "NULL")),
    ("BIGINT UNSIGNED", ("18446744073709551615", "9223372036854775808", "0")),
    ("BIGINT", ("-9223372036854775808", "NULL")),
    ("INT(6) ZEROFILL", ("7", "NULL")),
    ("BIT(1)", ("b'0'", "b'1'", "NULL")),
    ("BIT(10)", ("b'0'", "b'1000110001'", "48", "39")),
    ("BIT(64)", ("18446744073709551615", "92", "NULL")),
    ("ENUM('2','1','it''s,','')", ("'2'", "'1'", "3", "''", "0", "NULL")),
    ("SET('b','a','2','1')", ("''", "'2,b'", "15", "NULL")),
    ("DATE", ("'0000-00-00'", "'2024-00-31'", "'2023-02-31'", "'9999-12-31'", "NULL")),
    ("DATETIME(6)", ("'0000-00-00 00:00:00'", "'2024-02-29 23:59:59.000001'", "NULL")),
    ("TIMESTAMP(3) NULL", ("0", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07.999'", "NULL")),
    ("TIME(2)", ("'-838:59:59.99'", "'-00:00:00.01'", "'838:59:59'", "NULL")),
    ("YEAR", ("0", "'2155'", "1901", "NULL")),
    (
        "GEOMETRY",
        ("ST_GeomFromText('POINT(1 2)', 4326)", "ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))')", "NULL"),
    ),
    ("UUID", ("'12345678-1234-1234-1234-123456789abc'", "NULL")),
    ("INET6", ("'::'", "'2001:db8::2c'", "NULL")),
]


@pytest.fixture
def made() -> Iterator[Made]:
    world, move = fresh(*STATEMENTS)
    yield world, move
    world.target.run("SET GLOBAL local_infile = 1")
    world.close()


def applied(step: Step[Any], journal: list[str] | None = None) -> Any:
    reader = Reader()
    writer = Writer(reader, ([] if journal is None else journal).append)
    try:
        plan = step.plan(step.inspect(reader))
        step.apply(plan, writer)
        return plan
    finally:
        writer.close()
        reader.close()


def _exact(server: Any, table: str, kind: str) -> list[Any]:
    """All that a value is, by plain means: the bytes, the number behind it, whether it is NULL."""
    number = "v*1e0" if kind in ("FLOAT", "DOUBLE") else "v+0" if kind.startswith(("ENUM", "SET")) else "1"
    rows: list[Any] = server.run(
        f"SELECT id, v IS NULL, HEX(v), LENGTH(v), HEX(CAST(v AS BINARY)), {number}"
        f" FROM {SCHEMA}.`{table}` ORDER BY id"
    )
    return rows


@pytest.mark.parametrize("local_infile", [1, 0])
def test_every_value_arrives_exactly(made: Made, local_infile: int) -> None:
    world, move = made
    lenient = "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00'"
    statements = [lenient]
    kinds = [(kind, values) for kind, values in VALUES if known(kind)]
    for number, (kind, values) in enumerate(kinds):
        statements.append(f"CREATE TABLE {SCHEMA}.v{number} (id INT PRIMARY KEY, v {kind})")
        rows = ", ".join(f"({n}, {value})" for n, value in enumerate(values))
        statements.append(f"INSERT INTO {SCHEMA}.v{number} VALUES {rows}")
    strict = world.source.run("SELECT @@sql_mode")[0][0]
    world.source.run(*statements, f"SET SESSION sql_mode = '{strict}'")
    world.target.run(f"SET GLOBAL local_infile = {local_infile}", lenient)
    done(schema_of(move), data_of(move))
    for number, (kind, _) in enumerate(kinds):
        assert _exact(world.target, f"v{number}", kind) == _exact(world.source, f"v{number}", kind), kind
    assert verified(data_of(move)) is Status.PASS
    world.target.run(f"SET SESSION sql_mode = '{strict}'")


NAMES = (
    "CREATE TABLE shop.`a,'b\\\\` (`c``,1` INT, `x'\\\\y` BLOB, `表` BIT(3), g INT AS (`c``,1` + 1) STORED)",
    "INSERT INTO shop.`a,'b\\\\` (`c``,1`, `x'\\\\y`, `表`) VALUES "
    "(1, 'NULL', 5), (1, 'NULL', 5), (NULL, NULL, 0)",
    "CREATE TABLE shop.only_long (b LONGBLOB)",
    "INSERT INTO shop.only_long VALUES (NULL), (''), ('a'), (NULL)",
    "CREATE TABLE shop.many_long (a LONGBLOB, id INT, b JSON, c GEOMETRY)",
    "INSERT INTO shop.many_long VALUES (NULL, 1, NULL, NULL), (x'27', 2, '[]', POINT(1,2)),"
    " ('', NULL, '1', NULL)",
    "CREATE TABLE shop.parted (id INT, d INT, KEY (d)) PARTITION BY HASH(id) PARTITIONS 3",
    "INSERT INTO shop.parted SELECT seq, seq FROM seq_1_to_50",
    "CREATE TABLE shop.isam (id INT PRIMARY KEY, d INT, KEY (d), FULLTEXT KEY f (t), t TEXT) ENGINE=MyISAM",
    "INSERT INTO shop.isam SELECT seq, seq, 'words' FROM seq_1_to_50",
)


@pytest.mark.parametrize("local_infile", [1, 0])
def test_odd_names_and_shapes(made: Made, local_infile: int) -> None:
    world, move = made
    world.source.run(*NAMES)
    world.target.run(f"SET GLOBAL local_infile = {local_infile}")
    done(schema_of(move), data_of(move))
    assert verified(data_of(move)) is Status.PASS
    assert verified(schema_of(move)) is Status.PASS
    both = [s.run("SELECT COUNT(*), SUM(`表`) FROM shop.`a,'b\\\\`")[0] for s in (world.source, world.target)]
    assert both[0] == both[1] == (3, 10)


def test_all_readers_see_one_moment_and_its_place_in_the_log(made: Made) -> None:
    world, _ = made
    world.source.run(f"CREATE TABLE {SCHEMA}.purse (id INT PRIMARY KEY, money INT)")
    world.source.run(f"INSERT INTO {SCHEMA}.purse SELECT seq, 100 FROM seq_1_to_20")
    ended, waits = threading.Event(), []

    def pay() -> None:
        with world.source.connect() as paying, paying.cursor() as cursor:
            n = 0
            while not ended.is_set():
                n += 1
                began = time.monotonic()
                cursor.execute(f"UPDATE {SCHEMA}.purse SET money = money + 1 WHERE id = {1 + n % 20}")
                waits.append(time.monotonic() - began)

    paying = threading.Thread(target=pay)
    paying.start()
    readers: list[Any] = [world.source.endpoint().open_reader() for _ in range(4)]
    try:
        for _ in range(5):
            with readers[0].snapshot_with(readers[1:]) as position:
                seen = {
                    (
                        r._session.one(f"SELECT SUM(money) FROM {SCHEMA}.purse")[0],
                        tuple(value for _, value in r._session.query("SHOW STATUS LIKE 'Binlog_snapshot%'")),
                    )
                    for r in readers
                }
                assert len(seen) == 1
                if found := next(iter(seen))[1]:  # which MariaDB alone tells
                    assert position.split("@")[0] == ":".join(found)
    finally:
        ended.set()
        paying.join()
        for reader in readers:
            reader.close()
    assert max(waits) < 2, "writers are held up for moments only"


def test_without_reload_one_reader_copies_and_the_plan_says_so(made: Made) -> None:
    world, move = made
    world.source.run(
        f"CREATE OR REPLACE USER few@'%' IDENTIFIED BY '{PASSWORD}'",
        f"GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON {SCHEMA}.* TO few@'%'",
    )
    if world.source.flavour == "mysql":
        world.source.run("GRANT REPLICATION CLIENT ON *.* TO few@'%'")  # to read the place of a snapshot
    few = replace(move, source=world.source.endpoint(user="few"))
    done(schema_of(few))
    plan = applied(replace(data_of(few), one_moment=True))
    assert "lacks RELOAD" in str(plan.changes[1].measures["readers"])
    assert verified(data_of(few)) is Status.PASS
    reader = world.target.endpoint().open_reader()
    marks = reader.marks(SCHEMA)
    assert marks and marks.position and {m.position for m in marks.tables.values()} == {marks.position}
    reader.close()
    world.source.run("DROP USER few@'%'")


def test_a_resumed_copy_of_one_moment_begins_all_tables_anew(made: Made) -> None:
    world, move = made
    step = replace(data_of(move), one_moment=True)
    done(schema_of(move), data_of(move))
    world.source.run(f"UPDATE {SCHEMA}.orders SET price = 5 WHERE id = 3")
    journal: list[str] = []
    applied(step, journal)
    assert sum("copy a range" in line for line in journal) == 1
    assert verified(step) is Status.PASS
    reader = Reader()
    assert step.plan(step.inspect(reader)).is_empty
    reader.close()
    both = [s.run(f"SELECT price FROM {SCHEMA}.orders WHERE id = 3") for s in (world.source, world.target)]
    assert both[0] == both[1]


def test_a_table_made_after_a_copy_of_one_moment_is_refused(made: Made) -> None:
    world, move = made
    step = replace(data_of(move), one_moment=True)
    done(schema_of(move), step)
    world.source.run(f"CREATE TABLE {SCHEMA}.later (id INT PRIMARY KEY)")
    reader = Reader()
    with pytest.raises(Refused, match="is not part of what was copied"):
        step.plan(step.inspect(reader))
    reader.close()


def test_unique_values_that_changed_places_between_ranges(made: Made) -> None:
    world, move = made
    world.source.run(
        f"CREATE TABLE {SCHEMA}.seats (id INT PRIMARY KEY, seat INT UNIQUE)",
        f"INSERT INTO {SCHEMA}.seats SELECT seq, seq FROM seq_1_to_40",
    )
    done(schema_of(move), data_of(move))
    world.source.run(
        f"UPDATE {SCHEMA}.seats SET seat = 100 - id", f"UPDATE {SCHEMA}.seats SET seat = 41 - id"
    )
    done(replace(data_of(move), one_moment=True))
    assert verified(data_of(move)) is Status.PASS
    assert world.target.run(f"SELECT seat FROM {SCHEMA}.seats WHERE id = 1") == [(40,)]


LATE = [
    "KEY a (a), KEY b (b, a)",
    "UNIQUE KEY u (a, id), KEY b (b DESC) COMMENT 'say '' ` KEY', KEY c (c(5))",
    "KEY b (b), CONSTRAINT f FOREIGN KEY (a) REFERENCES parent (id), KEY c (c(3), b)",
    "KEY n (n), KEY b (b)",
    "FULLTEXT KEY w (c), KEY b (b)",
]


@pytest.mark.parametrize("keys", LATE)
def test_indexes_put_off_come_back_as_they_were(made: Made, keys: str) -> None:
    world, move = made
    numbered = "n INT AUTO_INCREMENT," if "n (n)" in keys else "n INT,"
    world.source.run(
        f"CREATE TABLE {SCHEMA}.parent (id INT PRIMARY KEY, other INT, KEY other (other), KEY z (id, other))",
        f"CREATE TABLE {SCHEMA}.child (id INT PRIMARY KEY, {numbered} a INT, b INT, c TEXT, {keys})",
        f"CREATE TABLE {SCHEMA}.leaf (p INT, CONSTRAINT l FOREIGN KEY (p) REFERENCES parent (other))",
        f"INSERT INTO {SCHEMA}.parent SELECT seq, seq FROM seq_1_to_30",
        f"INSERT INTO {SCHEMA}.child (id, n, a, b, c) SELECT seq, seq, seq, seq % 3, 'x' FROM seq_1_to_30",
    )
    done(schema_of(move))
    journal: list[str] = []
    applied(data_of(move), journal)
    expected = "FULLTEXT" not in keys
    assert any("drop indexes of shop.child" in line for line in journal) == expected
    assert verified(schema_of(move)) is Status.PASS
    assert verified(data_of(move)) is Status.PASS


def test_a_copy_killed_while_indexes_are_put_off_is_no_foreign_table(made: Made) -> None:
    class Killed(BaseException):
        pass

    def killed(text: str) -> None:
        if "make the indexes" in text:
            raise Killed

    world, move = made
    done(schema_of(move))
    reader = Reader()
    writer = Writer(reader, killed)
    step = data_of(move)
    plan = step.plan(step.inspect(reader))
    with pytest.raises(Killed):
        step.apply(plan, writer)
    writer.close()
    reader.close()
    assert "`placed`" not in _indexes(world, "orders")
    reader = Reader()
    assert schema_of(move).plan(schema_of(move).inspect(reader)).is_empty
    reader.close()
    done(step)
    assert "`placed`" in _indexes(world, "orders")
    assert verified(schema_of(move)) is Status.PASS


def _indexes(world: MysqlWorld, table: str) -> str:
    definition = str(world.target.run(f"SHOW CREATE TABLE {SCHEMA}.{table}")[0][1])
    return "\n".join(line for line in definition.splitlines() if line.startswith("  KEY"))


def test_a_definition_without_indexes_is_what_the_server_gives() -> None:
    whole = "CREATE TABLE `t` (\n  `a` int,\n  PRIMARY KEY (`a`),\n  KEY `k` (`a`)\n) ENGINE=InnoDB"
    assert indexes.without(whole, ["k"]) == whole.replace(",\n  KEY `k` (`a`)", "")
    assert indexes.make(whole, indexes.without(whole, ["k"])) == "ADD KEY `k` (`a`)"
    assert indexes.make(whole, whole) == ""


HUGE = """
import sys
from tests.live.test_mysql import copy_by_ports
copy_by_ports(int(sys.argv[1]), int(sys.argv[2]))
# Not ru_maxrss: that begins with the memory of the process that started this one.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


def test_a_value_of_64_megabytes_in_little_memory(made: Made) -> None:
    world, move = made
    packet = world.source.run("SELECT @@global.max_allowed_packet")[0][0]
    try:
        world.source.run("SET GLOBAL max_allowed_packet = 1 << 28")
        with world.source.connect() as large, large.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {SCHEMA}.huge (id INT PRIMARY KEY, b LONGBLOB)")
            cursor.execute(
                f"INSERT INTO {SCHEMA}.huge VALUES (1, REPEAT(x'00275C0A61626364', 8 << 20)), (2, NULL)"
            )
        done(schema_of(move))
        ports = [str(world.source.port), str(world.target.port)]
        ran = subprocess.run(
            [sys.executable, "-c", HUGE, *ports],
            capture_output=True,
            text=True,
            env={**os.environ},
            timeout=100,
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        assert int(ran.stdout) <= 300
        found = [
            s.run(f"SELECT LENGTH(b), MD5(b) FROM {SCHEMA}.huge WHERE id = 1")
            for s in (world.source, world.target)
        ]
        assert found[0] == found[1] and found[0][0][0] == 64 << 20
    finally:
        world.source.run(f"SET GLOBAL max_allowed_packet = {packet}")


OTHER_DOORS = [
    "BACKUP STAGE FLUSH",
    "BACKUP STAGE START; DROP TABLE t",
    "BACKUP LOCK t",
    "FLUSH TABLES",
    "FLUSH TABLES t WITH READ LOCK",
    "LOCK TABLES t READ",
    "UNLOCK TABLES; COMMIT",
    "SET SESSION wait_timeout = 5, sql_log_bin = 0",
    "SET GLOBAL wait_timeout = 5",
    "LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
]


@pytest.mark.parametrize("statement", OTHER_DOORS)
def test_holding_commits_opens_no_other_door(statement: str) -> None:
    with pytest.raises(Refused):
        refuse_unless_reading(statement)


def test_a_cut_cable_is_noticed_in_minutes(made: Made) -> None:
    import socket

    reader: Any = made[0].source.endpoint().open_reader()
    sock = reader._session.connection._sock
    option = sock.getsockopt
    assert option(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert option(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= 30
    assert option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 120_000
    reader.close()


def test_the_pace_is_kept(made: Made) -> None:
    _, move = made
    done(schema_of(move))
    began = time.monotonic()
    done(replace(data_of(move), limits=Limits(rows_per_s=100)))
    assert time.monotonic() - began > 0.5
    assert verified(data_of(move)) is Status.PASS


def test_a_busy_source_is_left_alone() -> None:
    running = iter([20, 12, 9])
    began = time.monotonic()
    Pace(Limits(most_running=5), SimpleNamespace(running=lambda: next(running))).await_turn(1, 1, ours=4)  # type: ignore[arg-type]
    assert 0.3 < time.monotonic() - began < 2
    assert not list(running)


def test_one_failure_stops_the_crew_and_reaches_the_caller() -> None:
    hands = [Hand(None, None, None)] * 3  # type: ignore[arg-type]
    done_pieces: list[int] = []

    def piece(n: int) -> Any:
        def work(hand: Hand) -> None:
            if n == 5:
                raise Refused("stop here")
            time.sleep(0.01)
            done_pieces.append(n)

        return work

    with pytest.raises(Refused, match="stop here"), Crew(hands) as crew:
        for n in range(1000):
            crew.do(piece(n))
    assert len(done_pieces) < 30


def test_a_default_copy_step_has_several_readers(made: Made) -> None:
    _, move = made
    done(schema_of(move))
    plan = applied(CopyData(key="databases/shop/data", move=move))
    assert {c.measures.get("readers") for c in plan.changes if c.action == "copy"} == {4}
    assert verified(data_of(move)) is Status.PASS
