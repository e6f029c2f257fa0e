"""The hostile schema of hostile.sql: it arrives identical, and what cannot move is listed by name."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from core.access import Reader
from core.checks import Status
from core.errors import MigrationError, Refused
from core.step import Step
from tasks.databases.mysql.quoting import name, pattern
from tasks.databases.mysql.reader import MysqlReader
from tasks.databases.steps import (
    CompareDatabase,
    CopyAccounts,
    CopyData,
    CreateObjects,
    CreateSchema,
    Move,
)
from tests.databases.servers import LocalServer, servers
from tests.worlds.mysql import done

Hostile: TypeAlias = tuple[LocalServer, LocalServer, Move]

HOSTILE = "ho_st%ile `云` 'x' \"y\""
ELSEWHERE = "else where"
ACCOUNTS = ("hostile_role@", "hostile'app@10.0.%", "hostile_locked@%")
NOT_MOVABLE = {
    "table versioned": "system-versioned",
    "table merged": "storage engine MRG_MyISAM",
    "table outward": f"foreign key into schema {ELSEWHERE}",
    "view broken 坏": "broken at the source",
    "function made before": "made while the schema's collation was utf8mb4_bin",
}


def load(source: LocalServer) -> None:
    text = (Path(__file__).parent / "hostile.sql").read_text(encoding="utf-8")
    text = text.replace("$schema", pattern(HOSTILE)).replace("$name", name(HOSTILE))
    text = text.replace("$elsewhere", name(ELSEWHERE))
    with source.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name(ELSEWHERE)}")
        cursor.execute(f"CREATE TABLE {name(ELSEWHERE)}.parents (id INT PRIMARY KEY)")
        cursor.execute(
            f"CREATE DATABASE {name(HOSTILE)} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci"
        )
        cursor.execute(f"USE {name(HOSTILE)}")
        for statement in re.split(r";;\n", text):
            bare = re.sub(r"(?m)^--.*\n", "", statement).strip()
            if bare:
                cursor.execute(bare)
                cursor.fetchall()


def asked(server: LocalServer, sql: str) -> list[tuple[Any, ...]]:
    """By plain means, as bytes: what is compared here is not read by our own code."""
    settings = {
        "database": HOSTILE,
        "use_unicode": False,
        "conv": {},
        "init_command": "SET time_zone = '+00:00'",
    }
    return server.run(sql, **settings)


def listed(server: LocalServer, sql: str) -> list[tuple[str, ...]]:
    return [tuple(v.decode() if isinstance(v, bytes) else str(v) for v in row) for row in asked(server, sql)]


def clean(server: LocalServer) -> None:
    server.run(
        "SET GLOBAL read_only = 0",
        "SET SESSION foreign_key_checks = 0",
        *(f"DROP DATABASE {name(schema)}" for schema in server.schemas()),
        "DROP USER IF EXISTS `hostile'app`@`10.0.%`, hostile_locked@`%`",
        "DROP ROLE IF EXISTS hostile_role",
        "SET SESSION foreign_key_checks = 1",
    )


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    source, target = servers()
    for server in (source, target):
        clean(server)
        server.run("SET GLOBAL log_bin_trust_function_creators = 1")
    load(source)
    move = Move(
        source=source.endpoint(),
        source_schema=HOSTILE,
        target=target.endpoint(),
        target_schema=HOSTILE,
        accounts=ACCOUNTS,
        left_out=tuple(NOT_MOVABLE),
    )
    yield source, target, move
    for server in (source, target):
        clean(server)
        server.run("SET GLOBAL log_bin_trust_function_creators = 0")


def steps_of(move: Move) -> list[Step[Any]]:
    return [
        CreateSchema(key="databases/hostile/schema", move=move),
        CopyData(key="databases/hostile/data", move=move, rows_per_range=7, late_indexes_bytes=1),
        CreateObjects(key="databases/hostile/objects", move=move),
        CopyAccounts(key="databases/hostile/accounts", move=move),
        CompareDatabase(key="databases/hostile/comparison", move=move, frozen=True),
    ]


@pytest.fixture(scope="module")
def arrived(hostile: Hostile) -> Hostile:
    for step in steps_of(hostile[2]):
        _patiently(step)
    return hostile


def _patiently(step: Step[Any]) -> None:
    """As the runner does: neighbours in a key WITHOUT OVERLAPS may wait for each other's locks."""
    for left in (2, 1, 0):
        try:
            done(step)
            return
        except MigrationError as error:
            if not error.transient or not left:
                raise


def test_what_cannot_move_is_refused_by_name(hostile: Hostile) -> None:
    _, _, move = hostile
    step = CreateSchema(key="databases/hostile/schema", move=replace(move, left_out=()))
    reader = Reader()
    with pytest.raises(Refused) as caught:
        step.inspect(reader)
    reader.close()
    for label, reason in NOT_MOVABLE.items():
        assert re.search(re.escape(label) + ": [^;]*" + re.escape(reason), str(caught.value))
        assert f'"{label}"' in caught.value.next_command
    assert str(caught.value).count(": ") - 1 <= 2 * len(NOT_MOVABLE), "and nothing else"
    reader = Reader()
    CreateSchema(key="databases/hostile/schema", move=move).inspect(reader)
    reader.close()


def test_every_step_proves_itself_and_finds_nothing_left_to_do(arrived: Hostile) -> None:
    for step in steps_of(arrived[2]):
        reader = Reader()
        wrong = [
            f"{c.name}: {c.planned} / {c.actual}" for c in step.verify(reader) if c.status is not Status.PASS
        ]
        assert not wrong, step.key
        assert step.plan(step.inspect(reader)).is_empty
        reader.close()


def test_what_mysql_has_no_equal_of_is_refused_by_name(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, target, move = hostile
    asked_of = MysqlReader.flavour

    def flavour(reader: MysqlReader) -> str:
        return "mysql" if reader._session.address == target.endpoint().address else asked_of(reader)

    monkeypatch.setattr(MysqlReader, "flavour", flavour)
    reader = Reader()
    with pytest.raises(Refused) as caught:
        CreateSchema(key="databases/hostile/schema", move=move).inspect(reader)
    reader.close()
    for said in (
        "table in_uca1400: column k: utf8mb4_uca1400_ai_ci: no collation of MySQL sorts alike",
        "table net_key: column a inet6: ",
        "table lasting: PERIOD FOR",
        "table pressed_column: column v: COMPRESSED",
        "sequence numbers: no equal",
        "package body pack 包: no equal",
        "function ora_fun: sql_mode ",
        "function total: AGGREGATE",
        "view counting: ",
    ):
        assert said in str(caught.value), said
    for moved in ("table duplicates", "table by_range", "table in_gbk", "table hidden", "table tree"):
        assert f"{moved}:" not in str(caught.value)


TABLES = (
    "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
    " AND TABLE_TYPE = 'BASE TABLE'"
)
VIRTUAL = (
    "SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND BINARY TABLE_NAME = {}"
    " AND EXTRA LIKE '%VIRTUAL%'"
)
OBJECTS = {
    "TABLE": TABLES,
    "SEQUENCE": TABLES.replace("BASE TABLE", "SEQUENCE"),
    "VIEW": TABLES.replace("BASE TABLE", "VIEW"),
    **{
        kind: "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()"
        f" AND ROUTINE_TYPE = '{kind}'"
        for kind in ("FUNCTION", "PROCEDURE", "PACKAGE", "PACKAGE BODY")
    },
    "TRIGGER": "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()",
    "EVENT": "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()",
}


def normalised(kind: str, row: tuple[Any, ...]) -> tuple[bytes, ...]:
    """Only what is meant to differ: the next number, events disabled, a definer who is not there."""
    columns = row[:7] if kind == "TRIGGER" else row  # then comes when it was made
    text = [column or b"" for column in columns[:6] if not hasattr(column, "year")]
    text = [re.sub(rb" AUTO_INCREMENT=\d+", b"", t) for t in text]
    text = [re.sub(rb"(ON COMPLETION (?:NOT )?PRESERVE) (ENABLE|DISABLE)", rb"\1", t) for t in text]
    return tuple(t.replace(b"`nobody'x`@`10.0.%`", b"`migrator`@`%`") for t in text)


@pytest.mark.parametrize("kind", OBJECTS)
def test_definitions_are_identical(arrived: Hostile, kind: str) -> None:
    check_definitions(arrived, kind, NOT_MOVABLE, normalised)


def check_definitions(
    arrived: Hostile,
    kind: str,
    not_movable: Collection[str],
    normalised: Callable[[str, tuple[Any, ...]], tuple[bytes, ...]],
) -> None:
    source, target, _ = arrived
    found = sorted(row[0] for row in listed(source, OBJECTS[kind]))
    movable = [n for n in found if f"{kind.lower()} {n}" not in not_movable]
    assert sorted(row[0] for row in listed(target, OBJECTS[kind])) == movable
    for label in movable:
        ours, theirs = (
            normalised(kind, asked(server, f"SHOW CREATE {kind} {name(label)}")[0])
            for server in (source, target)
        )
        assert theirs == ours


def exact(column: str, kind: str) -> str:
    quoted = name(column)
    if kind in ("float", "double"):
        return f"{quoted} * 1e0"
    return f"{quoted} + 0" if kind in ("bit", "enum", "set", "year") else f"HEX({quoted})"


def test_all_rows_are_equal(arrived: Hostile) -> None:
    """Twice, neither by our own digest: every value in an exact form, and the engine's row checksums."""
    source, target, _ = arrived
    rows = 0
    for table in tables_to_move(source, NOT_MOVABLE):
        rows += check_rows(arrived, table, exact)
        if listed(source, VIRTUAL.format(source.connect().escape(table))):
            continue  # the server's checksum takes in what happens to lie in a virtual column's place
        sums = [asked(server, f"CHECKSUM TABLE {name(table)} EXTENDED") for server in (source, target)]
        assert sums[0] == sums[1], table
    assert rows > 1000


def tables_to_move(source: LocalServer, not_movable: Collection[str]) -> list[str]:
    return [table for (table,) in listed(source, TABLES) if f"table {table}" not in not_movable]


def check_rows(arrived: Hostile, table: str, exact: Callable[[str, str], str]) -> int:
    """How many rows there are, equal by the exact form of each value."""
    source, target, _ = arrived
    columns = listed(
        source,
        "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
        f" AND BINARY TABLE_NAME = {source.connect().escape(table)}",
    )
    select = f"SELECT {', '.join(exact(*c) for c in columns)} FROM {name(table)}"
    ours, theirs = (sorted(asked(server, select), key=repr) for server in (source, target))
    assert theirs == ours, table
    return len(ours)


def test_there_are_enough_objects(arrived: Hostile) -> None:
    counted = {kind: len(listed(arrived[1], sql)) for kind, sql in OBJECTS.items()}
    assert sum(counted.values()) >= 60 and min(counted.values()) >= 1, counted


def test_triggers_act_in_their_order_and_events_sleep(arrived: Hostile) -> None:
    source, target, _ = arrived
    order = (
        "SELECT TRIGGER_NAME, ACTION_ORDER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"
        " ORDER BY EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER"
    )
    assert listed(source, order) == listed(target, order)
    states = "SELECT DISTINCT STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()"
    assert listed(target, states) == [("DISABLED",)]


def test_no_sequence_gives_a_number_twice(arrived: Hostile) -> None:
    _, target, _ = arrived
    for sequence, given in (("numbers", range(1, 1001)), ('倒 数 "seq"', (100, 93))):
        (first,), (again,) = (listed(target, f"SELECT NEXTVAL({name(sequence)})")[0] for _ in range(2))
        assert int(first) not in given and int(again) not in given
    with pytest.raises(Exception, match="run out"):
        listed(target, "SELECT NEXTVAL(`used up`)")


def _in_any_order(server: LocalServer, account: str) -> list[str]:
    """Servers keep the columns of a grant in a hash."""
    return ["".join(sorted(line)) for (line,) in listed(server, f"SHOW GRANTS FOR {account}")]


def test_accounts_arrive_with_their_rights(arrived: Hostile) -> None:
    source, target, _ = arrived
    for account in ("`hostile'app`@`10.0.%`", "hostile_locked@`%`", "hostile_role"):
        grants = [sorted(_in_any_order(server, account)) for server in (source, target)]
        assert grants[0] == grants[1]
    roles = "SELECT User, Host, default_role, is_role FROM mysql.user WHERE User LIKE 'hostile%' ORDER BY 1"
    assert listed(source, roles) == listed(target, roles)
