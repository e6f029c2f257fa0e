"""One changed byte is noticed, whatever its kind; equal content raises no alarm."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from core.access import Reader
from core.checks import Status
from tasks.databases.comparison import Pace
from tasks.databases.model import Column, Table
from tasks.databases.mysql.columns import exact_real, row_hash
from tasks.databases.steps import CompareDatabase
from tests.databases.servers import flavours, only_mariadb
from tests.worlds.mysql import SCHEMA, MysqlWorld, fresh

# MySQL knows no addresses, and keeps JSON in a form of its own: as both know it, it is a text.
ADDRESSES = only_mariadb()
TEXT = "JSON" if ADDRESSES else "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin CHECK (json_valid(j))"

SIGN = "-" if len(set(flavours())) == 1 else ""  # of a zero, which MySQL alone keeps
ADDRESS = ", '::1', '123e4567-e89b-12d3-a456-426655440000'"
HOSTILE = (
    f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
    f"USE {SCHEMA}",
    "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00'",
    f"""CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, f FLOAT, d DOUBLE, dd DECIMAL(65,30), b BIT(5),
       b64 BIT(64), s64 SET('a','b','c'), e ENUM('x','y'), a VARCHAR(40), c CHAR(10), l1 VARCHAR(20)
       CHARACTER SET latin1, u2 VARCHAR(20) CHARACTER SET utf16, vb VARBINARY(40), bin BINARY(4), bl BLOB,
       lt LONGTEXT, lb LONGBLOB, j {TEXT}, g GEOMETRY, dt DATETIME(6), da DATE, ti TIME(3), ts TIMESTAMP(6)
       NULL, y YEAR, bu BIGINT UNSIGNED, z INT(6) ZEROFILL{", i6 INET6, uu UUID" * ADDRESSES},
       v INT AS (z + 1) VIRTUAL, hidden INT INVISIBLE DEFAULT 7)""",
    f"""INSERT INTO t (id, f, d, dd, b, b64, s64, e, a, c, l1, u2, vb, bin, bl, lt, lb, j, g, dt, da, ti, ts,
       y, bu, z{", i6, uu" * ADDRESSES}, hidden) VALUES (0, 16777216, 0.30000000000000004,
       12345678901234567890123456789012345.123456789012345678901234567891, b'10101',
       0xFFFFFFFFFFFFFFFF, 'a,c', 'y', 'a#b', 'x', x'E9FF', '王', x'FF00FE27', x'01000000', x'00',
       REPEAT('长', 1000), x'5C27', '{{"k": [1.0, null]}}', ST_GeomFromText('POINT(1 2)', 3857),
       '2024-01-01 00:00:00.000001', '0000-00-00', '-838:59:58.999', '1970-01-01 00:00:01.000001', '0000',
       18446744073709551615, 42{ADDRESS * ADDRESSES}, 9)""",
    f"INSERT INTO t (id, e, a, c, da, dt, d) VALUES"
    f" (1, '', 'NULL', '', '2023-02-31', '0000-00-00', {SIGN}0e0)",
    "INSERT INTO t (id, a, d, f) VALUES (2, NULL, 1.7976931348623157e308, 1.17549e-38),"
    " (3, '', 5e-324, 3.40282e38), (4, 'trail', 0.1, 0.1), (5, 'Case', 1e22, 1)",
    """UPDATE t SET j = '{"a": 2, "b": 1}' WHERE id = 5""",
    "INSERT INTO t (id, a) VALUES (-7, '\\\\'), (2147483647, 'last')",
    "CREATE TABLE pair (id INT PRIMARY KEY, x VARCHAR(20), y VARCHAR(20))",
    "INSERT INTO pair VALUES (1, 'a#b', 'c'), (2, 'a|b', 'c'), (3, NULL, 'N'), (4, '3:a', '')",
    "CREATE TABLE bag (x VARCHAR(20), n INT)",
    "INSERT INTO bag VALUES ('same', 1), ('same', 1), ('other', 1), ('other', 1), (NULL, NULL)",
    "CREATE TABLE keyed (k VARCHAR(20) COLLATE utf8mb4_general_ci, d DATE, f DOUBLE, v INT,"
    " PRIMARY KEY (k, d, f))",
    "INSERT INTO keyed SELECT CONCAT(IF(seq % 2, 'K', 'é'), seq), '2024-01-01' + INTERVAL seq DAY, seq / 3e0,"
    " seq FROM seq_1_to_100",
    "CREATE TABLE vkey (k VARBINARY(20), n INT, PRIMARY KEY (k))",
    "INSERT INTO vkey SELECT UNHEX(LEFT(SHA2(seq, 256), 40)), seq FROM seq_1_to_50",
    "CREATE TABLE nothing (id INT PRIMARY KEY)",
)

# Name, statement run on the target, what the failing check must say.
CORRUPTIONS = [
    ("float beyond six digits", "UPDATE t SET f = 16777214 WHERE id = 0", "id=0 differs"),
    ("double in its last bit", "UPDATE t SET d = 0.3 WHERE id = 0", "id=0 differs"),
    ("the last bit of a FLOAT", "UPDATE t SET f = 0.10000001 WHERE id = 4", "id=4 differs"),
    ("denormal double", "UPDATE t SET d = 0 WHERE id = 3", "id=3 differs"),
    ("a decimal place", "UPDATE t SET dd = dd - 0.000000000000000000000000000001 WHERE id = 0", "id=0"),
    ("a value shifted over a separator", "UPDATE pair SET x = 'a', y = 'b#c' WHERE id = 1", "id=1 differs"),
    ("a value shifted over a bar", "UPDATE pair SET x = 'a', y = 'b|c' WHERE id = 2", "id=2 differs"),
    ("NULL and the tag of NULL", "UPDATE pair SET x = 'N', y = NULL WHERE id = 3", "id=3 differs"),
    ("a value like a length prefix", "UPDATE pair SET x = '3', y = ':a' WHERE id = 4", "id=4 differs"),
    ("'<null>' for NULL", "UPDATE t SET a = '<null>' WHERE id = 2", "id=2 differs"),
    ("two columns swapped", "UPDATE pair SET x = 'c', y = 'a#b' WHERE id = 1", "id=1 differs"),
    ("two rows swapped", "REPLACE INTO pair VALUES (1, 'a|b', 'c'), (2, 'a#b', 'c')", "2 differs: id=1"),
    ("a JSON's order of keys", """UPDATE t SET j = '{"b": 1, "a": 2}' WHERE id = 5""", "id=5 differs"),
    ("a leading zero byte", "UPDATE t SET vb = CONCAT(x'00', vb) WHERE id = 0", "id=0 differs"),
    ("an ENUM by its number", "UPDATE t SET e = 'x' WHERE id = 0", "id=0 differs"),
    ("a negative TIME's fraction", "UPDATE t SET ti = '-838:59:58.998' WHERE id = 0", "id=0 differs"),
    ("a second date that does not exist", "UPDATE t SET da = '2023-02-30' WHERE id = 1", "id=1 differs"),
    ("one byte in a key's case", "UPDATE keyed SET k = LOWER(k) WHERE v = 11", "k=K11"),
    ("a UUID", "UPDATE t SET uu = '123e4567-e89b-12d3-a456-426655440001' WHERE id = 0", "id=0 differs"),
    ("an IPv6 address", "UPDATE t SET i6 = '::2' WHERE id = 0", "id=0 differs"),
    ("'NULL' for NULL", "UPDATE t SET a = 'NULL' WHERE id = 2", "id=2 differs"),
    ("NULL for ''", "UPDATE t SET a = NULL WHERE id = 3", "id=3 differs"),
    ("a trailing space", "UPDATE t SET a = 'trail ' WHERE id = 4", "id=4 differs"),
    ("case under a _ci collation", "UPDATE t SET a = 'case' WHERE id = 5", "id=5 differs"),
    ("accent under a _ci collation", "UPDATE keyed SET k = 'e10' WHERE v = 10", "k=é10"),
    ("invalid UTF-8 in VARBINARY", "UPDATE t SET vb = x'FF01FE27' WHERE id = 0", "id=0 differs"),
    ("a zero byte at the end of VARBINARY", "UPDATE t SET vb = CONCAT(vb, x'00') WHERE id = 0", "id=0"),
    ("a BLOB of one zero byte", "UPDATE t SET bl = '' WHERE id = 0", "id=0 differs"),
    ("a BIT", "UPDATE t SET b = b'10100' WHERE id = 0", "id=0 differs"),
    ("a BIT(64) in its lowest bit", "UPDATE t SET b64 = 0xFFFFFFFFFFFFFFFE WHERE id = 0", "id=0 differs"),
    ("a SET", "UPDATE t SET s64 = 'a,b,c' WHERE id = 0", "id=0 differs"),
    ("an ENUM's invalid ''", "UPDATE t SET e = NULL WHERE id = 1", "id=1 differs"),
    ("a latin1 byte", "UPDATE t SET l1 = x'E9FE' WHERE id = 0", "id=0 differs"),
    ("a UTF-16 character", "UPDATE t SET u2 = '玉' WHERE id = 0", "id=0 differs"),
    ("a character in LONGTEXT", "UPDATE t SET lt = INSERT(lt, 999, 1, '短') WHERE id = 0", "id=0 differs"),
    ("spacing in JSON", """UPDATE t SET j = '{"k":[1.0, null]}' WHERE id = 0""", "id=0 differs"),
    ("a geometry's reference", "UPDATE t SET g = ST_GeomFromText('POINT(1 2)', 0) WHERE id=0", "id=0"),
    ("a microsecond", "UPDATE t SET dt = '2024-01-01 00:00:00.000002' WHERE id = 0", "id=0 differs"),
    ("a zero date", "UPDATE t SET da = NULL WHERE id = 0", "id=0 differs"),
    ("a timestamp's microsecond", "UPDATE t SET ts = '1970-01-01 00:00:01' WHERE id = 0", "id=0 differs"),
    ("YEAR 0000", "UPDATE t SET y = '2000' WHERE id = 0", "id=0 differs"),
    ("an unsigned BIGINT", "UPDATE t SET bu = 18446744073709551614 WHERE id = 0", "id=0 differs"),
    ("an invisible column", "UPDATE t SET hidden = 7 WHERE id = 0", "id=0 differs"),
    ("a missing row", "DELETE FROM t WHERE id = 2147483647", "id=2147483647 missing"),
    ("an extra row", "INSERT INTO nothing VALUES (1)", "id=1 not at the source"),
    ("one of two equal rows", "UPDATE bag SET n = 2 WHERE x = 'same' LIMIT 1", "1 missing, 1 not at"),
    ("a pair of equal rows for another", "UPDATE bag SET x = 'other' WHERE x = 'same'", "2 missing, 2 not"),
    ("a key's bytes", "UPDATE vkey SET k = x'00' WHERE n = 7", "k=00 not at the source"),
]  # fmt: skip
if not ADDRESSES:
    CORRUPTIONS = [c for c in CORRUPTIONS if not c[1].startswith(("UPDATE t SET uu", "UPDATE t SET i6"))]


QUICK = Pace(wait_s=0.01)
LENIENT = "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00'"
TABLES = ("t", "pair", "bag", "keyed", "vkey", "nothing")


@dataclass
class Copied:
    """A clean copy, and an untouched one on the target's side to restore damaged tables from."""

    world: MysqlWorld
    step: CompareDatabase
    columns: dict[str, str]

    def restore(self, table: str) -> None:
        listed = self.columns[table]
        self.world.target.run(
            f"DELETE FROM {SCHEMA}.{table}",
            f"INSERT INTO {SCHEMA}.{table} ({listed}) SELECT {listed} FROM kept.{table}",
        )

    def failures(self) -> list[str]:
        reader = Reader()
        try:
            return [f"{c.name}: {c.actual}" for c in self.step.verify(reader) if c.status is not Status.PASS]
        finally:
            reader.close()


@pytest.fixture(scope="module")
def copied() -> Iterator[Copied]:
    world, move = fresh(*HOSTILE)
    world.target.run(*HOSTILE)
    columns = {
        table: ", ".join(
            row[0]
            for row in world.target.run(
                f"SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{SCHEMA}'"
                f" AND TABLE_NAME = '{table}' AND EXTRA NOT LIKE '%GENERATED%'"
            )
        )
        for table in TABLES
    }
    world.target.run(LENIENT, f"USE {SCHEMA}", "CREATE DATABASE kept")
    for table, listed in columns.items():
        world.target.run(
            f"CREATE TABLE kept.{table} LIKE {table}",
            f"INSERT INTO kept.{table} ({listed}) SELECT {listed} FROM {table}",
        )
    step = CompareDatabase(key="databases/shop/comparison", item="shop", move=move, pace=QUICK)
    yield Copied(world, step, columns)
    world.close()


def test_a_clean_copy_raises_no_alarm(copied: Copied) -> None:
    assert copied.failures() == []
    for table in TABLES:
        rows = f"SELECT * FROM {SCHEMA}.{table}"
        there, here = (sorted(s.run(rows), key=repr) for s in (copied.world.source, copied.world.target))
        assert here == there, "by plain means too"


@pytest.mark.parametrize(("statement", "said"), [c[1:] for c in CORRUPTIONS], ids=[c[0] for c in CORRUPTIONS])
def test_one_corrupted_row_is_found(copied: Copied, statement: str, said: str) -> None:
    table = next(word for word in statement.split() if word in TABLES)
    copied.world.target.run(f"USE {SCHEMA}", statement)
    try:
        found = copied.failures()
        assert [line.split(":")[0] for line in found] == [f"table {table}"], "that table alone"
        assert said in found[0]
    finally:
        copied.restore(table)


def test_reals_survive_as_text(copied: Copied) -> None:
    """Copy and digest carry FLOAT and DOUBLE as texts: those must read back as the very same number."""
    for server in (copied.world.source, copied.world.target):
        lost = server.run(
            "SELECT COUNT(*) FROM (SELECT (RAND(seq) - 0.5) * POW(10, seq % 600 - 300e0) AS d"
            f" FROM seq_1_to_20000) r WHERE CAST(CONCAT({exact_real('d')}) AS DOUBLE) <> d"
        )
        assert lost == [(0,)]


def test_a_negative_zero_is_not_stored_or_told_from_zero(copied: Copied) -> None:
    """MariaDB does not keep its sign, and would not show it in a text; MySQL does both."""
    for server in (copied.world.source, copied.world.target):
        kept, shown = server.run(
            f"SELECT ATAN2(d, -1) < 0, LEFT(CONCAT({exact_real('d')}), 1) FROM {SCHEMA}.t WHERE id = 1"
        )[0]
        assert (kept, shown) in ((0, b"0"), (0, "0"), (1, b"-"))


def test_restored_it_is_clean_again(copied: Copied) -> None:
    assert copied.failures() == []


def test_keys_only_and_at_most_twenty(copied: Copied) -> None:
    copied.world.target.run(f"UPDATE {SCHEMA}.keyed SET v = v + 1")
    try:
        (line,) = copied.failures()
        assert line.count(" differs;") == 20 and line.endswith("; and 80 more")
    finally:
        copied.restore("keyed")


def test_a_lower_next_number_is_noticed(copied: Copied) -> None:
    copied.world.source.run(f"CREATE OR REPLACE TABLE {SCHEMA}.nothing (id INT PRIMARY KEY AUTO_INCREMENT)")
    copied.world.source.run(f"ALTER TABLE {SCHEMA}.nothing AUTO_INCREMENT = 50")
    copied.world.target.run(f"CREATE OR REPLACE TABLE {SCHEMA}.nothing (id INT PRIMARY KEY AUTO_INCREMENT)")
    assert copied.failures()[0] in ("table nothing: next number: 1", "table nothing: next number: 0")


def test_the_short_way_of_a_hash_is_the_same(copied: Copied) -> None:
    """Where CONCAT_WS needs no CAST it is left out; a column that forces it must change no other byte."""
    run, columns = copied.world.source.run, (Column("x", "varchar", "utf8mb4", "a"), Column("n", "int"))
    short = row_hash(Table("bag", "", columns, (), "", 0, 0))
    other = Column("y", "varchar", "latin1", "b")
    long = row_hash(Table("bag", "", (*columns, other), (), "", 0, 0))
    for part in (",IFNULL(LENGTH(`y`),'N')", ",CAST(`y` AS BINARY)"):
        assert part in long
        long = long.replace(part, "")
    assert "CAST" not in short and "CAST" in long
    assert run(f"SELECT {short} FROM {SCHEMA}.bag") == run(f"SELECT {long} FROM {SCHEMA}.bag")
