"""What goes wrong at a customer's: the documented error and next command, nothing touched, resumable."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from core.access import Reader, Writer
from core.checks import Status, overall
from core.errors import ApplyFailed, MigrationError, Refused, Unreadable
from core.step import Step
from tasks.databases.steps import CompareDatabase, Move
from tests.databases.servers import MIGRATOR, PASSWORD
from tests.worlds.mysql import (
    ACCOUNTS,
    OBJECTS,
    SCHEMA,
    STATEMENTS,
    MysqlWorld,
    _everything,
    accounts_of,
    data_of,
    done,
    fresh,
    objects_of,
    schema_of,
)

WRONG = f"ALTER USER {MIGRATOR}@'%' IDENTIFIED BY 'changed meanwhile'"
RIGHT = f"ALTER USER {MIGRATOR}@'%' IDENTIFIED BY '{PASSWORD}'"
LEAST = "SELECT, SHOW VIEW, TRIGGER, EVENT"


@dataclass(frozen=True)
class Fault:
    """`breaking` runs on `side` before the step named in `at`; `mending` is what the operator then does."""

    name: str
    side: str
    at: str
    breaking: tuple[str, ...]
    error: type[MigrationError]
    says: str
    next_command: str
    mending: tuple[str, ...]


ALL_AGAIN = (f"GRANT ALL ON *.* TO {MIGRATOR}@'%' WITH GRANT OPTION",)
FAULTS = [
    Fault(
        "source: a privilege is missing",
        "source",
        "schema",
        (
            f"REVOKE ALL, GRANT OPTION FROM {MIGRATOR}@'%'",
            f"GRANT SELECT, TRIGGER ON {SCHEMA}.* TO {MIGRATOR}@'%'",
        ),
        Unreadable,
        "privileges are missing",
        f"GRANT SHOW VIEW, EVENT ON `{SCHEMA}`.* TO '{MIGRATOR}'@'%';",
        ALL_AGAIN,
    ),
    Fault(
        "target: a privilege is missing",
        "target",
        "data",
        (f"REVOKE ALL, GRANT OPTION FROM {MIGRATOR}@'%'", f"GRANT {LEAST} ON {SCHEMA}.* TO {MIGRATOR}@'%'"),
        Unreadable,
        "privileges are missing",
        "GRANT INSERT, UPDATE, DELETE, CREATE",
        ALL_AGAIN,
    ),
    Fault(
        "source: wrong password",
        "source",
        "data",
        (WRONG,),
        Unreadable,
        "was refused",
        "mariadb --host=",
        (RIGHT,),
    ),
    Fault(
        "target: wrong password",
        "target",
        "objects",
        (WRONG,),
        Unreadable,
        "was refused",
        "mariadb --host=",
        (RIGHT,),
    ),
    Fault(
        "target: read-only",
        "target",
        "schema",
        ("SET GLOBAL read_only = 1",),
        Refused,
        "is set read-only",
        "SET GLOBAL read_only = 0;",
        ("SET GLOBAL read_only = 0",),
    ),
    Fault(
        "target: a table of another's",
        "target",
        "schema",
        (f"CREATE DATABASE {SCHEMA} COLLATE utf8mb4_unicode_ci", f"CREATE TABLE {SCHEMA}.log (theirs INT)"),
        Refused,
        "is there with another definition",
        "",
        (f"DROP TABLE {SCHEMA}.log",),
    ),
    Fault(
        "target: rows of another's",
        "target",
        "data",
        (f"INSERT INTO {SCHEMA}.log VALUES ('theirs', 1)",),
        Refused,
        "holds rows that are not our copy",
        "SELECT * FROM `log`",
        (f"DELETE FROM {SCHEMA}.log",),
    ),
    Fault(
        "target: an account with another password",
        "target",
        "accounts",
        ("CREATE USER shop_app@'%' IDENTIFIED BY 'theirs'",),
        Refused,
        "with another password",
        "SHOW GRANTS FOR shop_app@%",
        ("DROP USER shop_app@'%'",),
    ),
    Fault(
        "source: what cannot move",
        "source",
        "schema",
        (f"CREATE TABLE {SCHEMA}.v (id INT) WITH SYSTEM VERSIONING",),
        Refused,
        "table v: system-versioned",
        'leave_out: ["table v"]',
        (f"DROP TABLE {SCHEMA}.v",),
    ),
]


@pytest.fixture
def made() -> Iterator[tuple[MysqlWorld, Move]]:
    world, move = fresh(*STATEMENTS, *OBJECTS, *ACCOUNTS)
    yield world, move
    for server in (world.source, world.target):
        server.run(*ALL_AGAIN)
    world.close()


def _steps(move: Move) -> dict[str, Step[Any]]:
    return {
        "schema": schema_of(move),
        "data": data_of(move),
        "objects": objects_of(move),
        "accounts": accounts_of(move),
    }


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_a_fault_is_named_and_mended(made: tuple[MysqlWorld, Move], fault: Fault) -> None:
    world, move = made
    steps = _steps(move)
    before = list(steps)[: list(steps).index(fault.at)]
    done(*(steps[name] for name in before))
    server = getattr(world, fault.side)
    server.run(*fault.breaking)
    there = world.snapshot()
    with pytest.raises(fault.error) as caught:
        done(steps[fault.at])
    assert type(caught.value) is fault.error and not caught.value.transient
    assert fault.says in str(caught.value) and fault.next_command in caught.value.next_command
    assert PASSWORD not in str(caught.value)
    assert world.snapshot() == there, "nothing was touched"
    server.run(*fault.mending)
    _goes_on(move)


def _goes_on(move: Move) -> None:
    done(*_steps(move).values())
    comparison = CompareDatabase(key="databases/shop/comparison", move=move, frozen=True)
    reader = Reader()
    try:
        assert overall(comparison.verify(reader)) is Status.PASS
    finally:
        reader.close()


# While rows are copied: what an operator does to the target in between, and how the write fails.
IN_FLIGHT = [
    ("SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0", "read-only", "SELECT @@global.read_only;"),
    (
        f"REVOKE INSERT, DELETE ON {SCHEMA}.* FROM {MIGRATOR}@'%'",
        f"GRANT INSERT, DELETE ON {SCHEMA}.* TO {MIGRATOR}@'%'",
        "denied",
        "SHOW GRANTS FOR CURRENT_USER;",
    ),
]


@pytest.mark.parametrize(
    ("breaking", "mending", "says", "next_command"), IN_FLIGHT, ids=["read-only", "revoked"]
)
def test_a_target_that_turns_away_in_mid_copy(
    made: tuple[MysqlWorld, Move], breaking: str, mending: str, says: str, next_command: str
) -> None:
    world, move = made
    # Rights for the whole server hold until the session ends, and READ_ONLY ADMIN writes all the same.
    world.target.run(
        f"REVOKE ALL, GRANT OPTION FROM {MIGRATOR}@'%'",
        f"GRANT SELECT, CREATE USER, RELOAD ON *.* TO {MIGRATOR}@'%' WITH GRANT OPTION",
        *(
            f"GRANT ALL ON `{s}`.* TO {MIGRATOR}@'%' WITH GRANT OPTION"
            for s in (SCHEMA, "qianyun\\_copy\\_shop")
        ),
    )
    done(schema_of(move))
    source = _everything(world.source)
    step = replace(data_of(move), workers=1)
    journal: list[str] = []

    def breaks_at_third(text: str) -> None:
        journal.append(text)
        if sum("copy a range" in line for line in journal) == 3:
            world.target.run(breaking)

    reader = Reader()
    writer = Writer(reader, breaks_at_third)
    with pytest.raises(ApplyFailed) as caught:
        step.apply(step.plan(step.inspect(reader)), writer)
    writer.close()
    reader.close()
    assert says in str(caught.value) and caught.value.next_command == next_command
    assert not caught.value.transient
    assert _everything(world.source) == source, "the source is as it was"
    world.target.run(mending, *ALL_AGAIN)
    _goes_on(move)
