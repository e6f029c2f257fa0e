"""The hostile schema of hostile_mysql.sql arrives identical between two MySQL servers."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.access import Reader
from core.checks import Status
from core.errors import Refused
from tasks.databases.mysql.quoting import name, pattern
from tasks.databases.steps import CreateSchema, Move
from tests.databases import test_hostile
from tests.databases.mysql_servers import MYSQLD
from tests.databases.servers import LocalServer, pair
from tests.databases.test_hostile import (
    ELSEWHERE,
    HOSTILE,
    Hostile,
    check_definitions,
    check_rows,
    exact,
    listed,
    steps_of,
    tables_to_move,
)
from tests.worlds.mysql import done

pytestmark = pytest.mark.skipif(not os.environ.get(MYSQLD), reason=f"set {MYSQLD} (scripts/mysql-server)")
ACCOUNTS = ("hostile_role@%", "hostile_other@%", "hostile'app@10.0.%")
NOT_MOVABLE = {
    "table merged": "storage engine MRG_MYISAM",
    "table outward": f"foreign key into schema {ELSEWHERE}",
    "view broken 坏": "broken at the source",
}
OBJECTS = {k: v for k, v in test_hostile.OBJECTS.items() if k not in ("SEQUENCE", "PACKAGE", "PACKAGE BODY")}


def clean(server: LocalServer) -> None:
    server.run(
        "SET GLOBAL read_only = 0",
        "SET SESSION foreign_key_checks = 0",
        *(f"DROP DATABASE {name(schema)}" for schema in server.schemas()),
        "DROP USER IF EXISTS `hostile'app`@`10.0.%`, hostile_role, hostile_other",
        "SET SESSION foreign_key_checks = 1",
    )


def load(source: LocalServer) -> None:
    text = (Path(__file__).parent / "hostile_mysql.sql").read_text(encoding="utf-8")
    text = text.replace("$schema", pattern(HOSTILE)).replace("$name", name(HOSTILE))
    with source.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name(ELSEWHERE)}")
        cursor.execute(f"CREATE TABLE {name(ELSEWHERE)}.parents (id INT PRIMARY KEY)")
        cursor.execute(f"CREATE DATABASE {name(HOSTILE)} CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci")
        cursor.execute(f"USE {name(HOSTILE)}")
        for statement in re.split(r";;\n", text.replace("$elsewhere", name(ELSEWHERE))):
            if bare := re.sub(r"(?m)^--.*\n", "", statement).strip():
                cursor.execute(bare)
                cursor.fetchall()


@pytest.fixture(scope="module")
def arrived() -> Iterator[Hostile]:
    source, target = pair("mysql", "mysql")
    for server in (source, target):
        clean(server)
    # As a managed service may have it: what the source holds arrives all the same.
    target.run("SET GLOBAL sql_generate_invisible_primary_key = 1")
    load(source)
    move = Move(
        source=source.endpoint(), source_schema=HOSTILE, target=target.endpoint(), target_schema=HOSTILE,
        accounts=ACCOUNTS, left_out=tuple(NOT_MOVABLE),
    )  # fmt: skip
    for step in steps_of(move):
        done(step)
    yield source, target, move
    target.run("SET GLOBAL sql_generate_invisible_primary_key = 0")
    for server in (source, target):
        clean(server)


def test_what_cannot_move_is_refused_by_name(arrived: Hostile) -> None:
    step = CreateSchema(key="databases/hostile/schema", move=replace(arrived[2], left_out=()))
    reader = Reader()
    with pytest.raises(Refused) as caught:
        step.inspect(reader)
    reader.close()
    for label, reason in NOT_MOVABLE.items():
        assert re.search(re.escape(label) + ": [^;]*" + re.escape(reason), str(caught.value))
    assert str(caught.value).count(": ") - 1 <= 2 * len(NOT_MOVABLE), "and nothing else"


def test_every_step_proves_itself_and_finds_nothing_left_to_do(arrived: Hostile) -> None:
    for step in steps_of(arrived[2]):
        reader = Reader()
        wrong = [
            f"{c.name}: {c.planned} / {c.actual}" for c in step.verify(reader) if c.status is not Status.PASS
        ]
        assert not wrong, step.key
        assert step.plan(step.inspect(reader)).is_empty
        reader.close()


def normalised(kind: str, row: tuple[Any, ...]) -> tuple[bytes, ...]:
    """But for what test_hostile lets differ, a character set that the collation after it says already."""
    return tuple(
        re.sub(rb" CHARACTER SET \w+(?= COLLATE)", b"", part) for part in test_hostile.normalised(kind, row)
    )


@pytest.mark.parametrize("kind", OBJECTS)
def test_definitions_are_identical(arrived: Hostile, kind: str) -> None:
    check_definitions(arrived, kind, NOT_MOVABLE, normalised)


def exactly(column: str, kind: str) -> str:
    """A server that is asked for no other form gives a JSON or DOUBLE exactly."""
    return name(column) if kind in ("json", "double") else exact(column, kind)


def test_all_rows_are_equal(arrived: Hostile) -> None:
    """Not by our own digest: every value in an exact form."""
    tables = tables_to_move(arrived[0], NOT_MOVABLE)
    assert sum(check_rows(arrived, table, exactly) for table in tables) > 1000


def test_there_are_enough_objects(arrived: Hostile) -> None:
    counted = {kind: len(listed(arrived[1], sql)) for kind, sql in OBJECTS.items()}
    assert sum(counted.values()) >= 45 and min(counted.values()) >= 1, counted


def test_accounts_arrive_with_their_rights(arrived: Hostile) -> None:
    source, target, _ = arrived
    for account in ("`hostile'app`@`10.0.%`", "hostile_role"):
        grants = [sorted(listed(server, f"SHOW GRANTS FOR {account}")) for server in (source, target)]
        assert grants[0] == grants[1]
    for server in (source, target):
        (made,) = listed(server, "SHOW CREATE USER `hostile'app`@`10.0.%`")[0]
        assert "DEFAULT ROLE `hostile_other`@`%`,`hostile_role`@`%`" in made and "云" in made
