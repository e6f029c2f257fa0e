"""Change, no-op and refusal of each step; what a rehearsal plans is what the live run does."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from core.access import Reader, Writer
from core.checks import Status
from core.errors import ApplyFailed, Refused, UndoFailed
from core.plan import step_drift
from core.step import Step
from inventory.targets import TargetDatabase
from tasks.databases.engines import ENGINES, server_of
from tasks.databases.steps import CompareDatabase, FreezeSource, Move, RefreshData
from tests.contract.test_lifecycle import apply
from tests.contract.test_lifecycle import look_and_plan as planned
from tests.contract.test_lifecycle import status as verified
from tests.contract.test_lifecycle import undo as undone
from tests.worlds.mysql import (
    ACCOUNTS,
    MOVED_ON,
    OBJECTS,
    SCHEMA,
    STATEMENTS,
    MysqlWorld,
    accounts_of,
    data_of,
    done,
    fresh,
    objects_of,
    schema_of,
)

Made = tuple[MysqlWorld, Move]


@pytest.fixture
def made() -> Iterator[Made]:
    world, move = fresh(*STATEMENTS, *OBJECTS, *ACCOUNTS)
    yield world, move
    world.close()


def applied(step: Step[Any]) -> list[str]:
    """Apply as the runner does; gives the journal."""
    return apply(step)[1]


def refresh_of(move: Move) -> RefreshData:
    return RefreshData(key="cutover/shop/refresh", item="shop", move=move)


def comparison_of(move: Move, *, frozen: bool) -> CompareDatabase:
    return CompareDatabase(key="cutover/shop/comparison", item="shop", move=move, frozen=frozen)


def moved(made: Made) -> Made:
    _, move = made
    done(schema_of(move), data_of(move), objects_of(move), accounts_of(move))
    return made


def test_the_rehearsed_plan_is_the_live_plan(made: Made) -> None:
    _, move = made
    steps: list[Step[Any]] = [
        schema_of(move),
        data_of(move),
        objects_of(move),
        accounts_of(move),
        comparison_of(move, frozen=False),
        FreezeSource(key="cutover/shop/freeze", move=move),
        refresh_of(move),
        comparison_of(move, frozen=True),
    ]
    rehearsed = [planned(step) for step in steps]
    for step, before in zip(steps, rehearsed, strict=True):
        assert list(step_drift(before, planned(step), begun=False)) == []
        done(step)
        assert verified(step) is Status.PASS
        assert planned(step).is_empty and planned(step).nothing_because
    texts = str([plan.to_json() for plan in rehearsed])
    assert "*" not in texts.replace("* 0.06", "").replace("'on': '*'", "").replace("SELECT *", "")
    assert "size_bytes" not in str([c.logical() for plan in rehearsed for c in plan.changes])


def test_objects_arrive_whole(made: Made) -> None:
    world, _ = moved(made)
    target = world.target
    assert target.run(f"SELECT STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{SCHEMA}'") == [
        ("DISABLED",)
    ]
    assert target.run("SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_NAME = 'orders_ai'") == [
        ("migrator@%",)
    ]
    hashes = [
        s.run("SELECT authentication_string FROM mysql.user WHERE User = 'shop_app'") for s in _both(world)
    ]
    assert hashes[0] == hashes[1]
    assert target.run(f"CALL {SCHEMA}.note('x')", f"SELECT what FROM {SCHEMA}.audit") == [("记x",)]
    assert target.run("SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_NAME = 'orders'") == [
        (16,)
    ]


def _both(world: MysqlWorld) -> tuple[Any, Any]:
    return world.source, world.target


def test_definers_not_on_the_target_are_noted(made: Made) -> None:
    _, move = made
    measures = {c.object: c.measures["definer_at_source"] for c in planned(objects_of(move)).changes}
    assert measures["trigger orders_ai"] == "gone@nowhere"
    assert measures["view b_all"] == "root@localhost"


def test_hashes_stay_out_of_plans_and_journals(made: Made) -> None:
    world, move = made
    done(schema_of(move), objects_of(move))
    (stored,) = world.source.run("SELECT authentication_string FROM mysql.user WHERE User = 'shop_app'")
    world.source.run("GRANT PROCESS ON *.* TO shop_app@'%'")
    step = accounts_of(move)
    facts = str(step.inspect(Reader()))
    assert "GRANT PROCESS ON *.*" in facts, "what is left behind is named"
    texts = facts + str(planned(step).to_json()) + str(applied(step))
    assert stored[0][0] in "*$" and stored[0] not in texts and stored[0][1:] not in texts
    assert stored[0].encode().hex().upper() not in texts.upper()


# What stands in the way, on which server, the step that refuses, and what it says.
REFUSALS = [
    ("target", f"CREATE TABLE {SCHEMA}.log (line VARCHAR(51))", schema_of, "line"),
    ("target", "SET GLOBAL read_only = 1", schema_of, "read-only"),
    ("source", f"CREATE TABLE {SCHEMA}.v (id INT) WITH SYSTEM VERSIONING", schema_of, "table v: system-"),
    ("source", f"DROP DATABASE {SCHEMA}", schema_of, "no such schema"),
    ("target", f"INSERT INTO {SCHEMA}.log VALUES ('theirs', 1)", data_of, "rows that are not our copy"),
    (
        "target",
        f"CREATE TRIGGER {SCHEMA}.x AFTER INSERT ON {SCHEMA}.log FOR EACH ROW SET @a = 1",
        data_of,
        "triggers",
    ),
    ("target", f"CREATE VIEW {SCHEMA}.b_all AS SELECT 1", objects_of, "b_all"),
    ("target", "CREATE USER shop_app@'%' IDENTIFIED BY 'another word'", accounts_of, "another password"),
    ("source", "DROP USER shop_app@'%'", accounts_of, "no account shop_app@%"),
]


@pytest.mark.parametrize(
    ("side", "statement", "step_of", "said"), REFUSALS, ids=[f"{r[2].__name__}: {r[3]}" for r in REFUSALS]
)
def test_refusals_touch_nothing(made: Made, side: str, statement: str, step_of: Any, said: str) -> None:
    world, move = made
    if step_of is not schema_of:
        done(schema_of(move))
    elif side == "target" and "TABLE" in statement:
        world.target.run(f"CREATE DATABASE {SCHEMA} COLLATE utf8mb4_unicode_ci")
    getattr(world, side).run(statement)
    before = world.snapshot()
    with pytest.raises(Refused) as caught:
        planned(step_of(move))
    assert said in str(caught.value)
    assert world.snapshot() == before


def test_a_move_within_one_server_is_refused(made: Made) -> None:
    _, move = made
    with pytest.raises(Refused, match="on the same server"):
        planned(schema_of(replace(move, target=move.source, target_schema="copy")))


def test_undo_keeps_what_others_wrote(made: Made) -> None:
    world, move = made
    step = schema_of(move)
    plan = planned(step)
    done(step)
    world.target.run(f"INSERT INTO {SCHEMA}.log VALUES ('theirs', 1)")
    before = world.snapshot()
    with pytest.raises(UndoFailed):
        undone(step, plan)
    assert world.snapshot() == before


def test_a_schema_under_another_name(made: Made) -> None:
    world, move = made
    other = replace(move, target_schema="sh_op 2")
    for step in (schema_of(other), data_of(other), objects_of(other), accounts_of(other)):
        done(step)
        assert verified(step) is Status.PASS
    assert world.target.run("SELECT COUNT(*) FROM `sh_op 2`.a_some") == [(11,)]
    world.source.run(f"CREATE VIEW {SCHEMA}.ok AS SELECT 1", f"USE {SCHEMA}")
    world.source.run(f"CREATE PROCEDURE named() SELECT * FROM {SCHEMA}.orders")
    with pytest.raises(Refused, match="procedure named"):
        planned(objects_of(other))


def test_a_copy_resumed_redoes_the_range_in_flight_alone(made: Made) -> None:
    class Killed(BaseException):
        pass

    world, move = made
    done(schema_of(move))
    step = data_of(move)
    whole = [line for line in applied(step) if "copy a range" in line]
    world.target.run(f"DROP DATABASE {SCHEMA}", "DROP DATABASE qianyun_copy_shop")
    done(schema_of(move))
    first: list[str] = []

    def killed_at_fourth(text: str) -> None:
        if "copy a range" in text and sum("copy a range" in line for line in first) == 3:
            raise Killed
        first.append(text)

    reader = Reader()
    writer = Writer(reader, killed_at_fourth)
    with pytest.raises(Killed):
        step.apply(planned(step), writer)
    writer.close()
    reader.close()
    second = [line for line in applied(step) if "copy a range" in line]
    # The open-ended range after the last full one may be empty on both sides, and then needs no write.
    assert len(whole) - 3 - 1 <= len(second) <= len(whole) - 3
    assert verified(step) is Status.PASS


LARGE = [
    (
        f"CREATE TABLE {SCHEMA}.large (id INT DEFAULT 1 PRIMARY KEY, b LONGBLOB) ENGINE=InnoDB",
        "REPEAT(x'00FF27', 4000000)",
    ),
    (f"CREATE TABLE {SCHEMA}.large (b LONGBLOB, id INT)", "REPEAT('\\\\', 5000000)"),
    (f"CREATE TABLE {SCHEMA}.large (b LONGTEXT) ENGINE=MyISAM", "REPEAT('长', 3000000)"),
]


@pytest.mark.parametrize(("definition", "value"), LARGE)
def test_values_near_the_packet_limit(made: Made, definition: str, value: str) -> None:
    world, move = made
    world.source.run(definition, f"INSERT INTO {SCHEMA}.large (b) VALUES ({value})")
    done(schema_of(move), data_of(move))
    assert verified(data_of(move)) is Status.PASS
    lengths = [s.run(f"SELECT LENGTH(b), MD5(b) FROM {SCHEMA}.large") for s in _both(world)]
    assert lengths[0] == lengths[1]


def test_a_row_beyond_the_packet_limit_is_refused_with_words(made: Made) -> None:
    world, move = made
    world.source.run(
        f"CREATE TABLE {SCHEMA}.large (id INT PRIMARY KEY, b LONGBLOB)",
        f'INSERT INTO {SCHEMA}.large VALUES (1, REPEAT("\'", 9000000))',
    )
    done(schema_of(move))
    world.target.run("SET GLOBAL local_infile = 0")  # LOAD DATA would take it
    try:
        with pytest.raises(ApplyFailed, match="max_allowed_packet is 16777216") as caught:
            applied(data_of(move))
    finally:
        world.target.run("SET GLOBAL local_infile = 1")
    assert caught.value.next_command.startswith("SET GLOBAL max_allowed_packet")
    world.source.run(f"DELETE FROM {SCHEMA}.large")
    done(data_of(move))
    assert verified(data_of(move)) is Status.PASS


def test_a_full_target_stops_with_words_and_can_be_resumed(made: Made) -> None:
    world, move = made
    world.source.run(
        f"CREATE TABLE {SCHEMA}.heap (id INT PRIMARY KEY, c CHAR(200)) ENGINE=MEMORY",
        f"INSERT INTO {SCHEMA}.heap SELECT seq, 'x' FROM seq_1_to_400",
    )
    world.target.run("SET GLOBAL max_heap_table_size = 16384")
    try:
        done(schema_of(move))
        with pytest.raises(ApplyFailed, match="is full") as caught:
            applied(data_of(move))
        assert not caught.value.transient and "df -h" in caught.value.next_command
        assert "heap" in caught.value.detail
    finally:
        world.target.run(
            "SET GLOBAL max_heap_table_size = 16777216", f"ALTER TABLE {SCHEMA}.heap ENGINE=MEMORY"
        )
    world.target.run(f"ALTER TABLE {SCHEMA}.heap MAX_ROWS=0")
    done(data_of(move))
    assert verified(data_of(move)) is Status.PASS


def test_while_the_source_moves_on_the_snapshot_is_proved(made: Made) -> None:
    world, move = moved(made)
    world.source.run(*MOVED_ON)
    assert verified(data_of(move)) is Status.PASS
    assert verified(comparison_of(move, frozen=False)) is Status.PASS
    assert verified(comparison_of(move, frozen=True)) is Status.FAIL
    world.target.run(f"UPDATE {SCHEMA}.log SET n = 3 WHERE n = 2 LIMIT 1")
    assert verified(comparison_of(move, frozen=False)) is Status.FAIL


def test_refresh_brings_only_what_moved_and_fires_no_trigger(made: Made) -> None:
    world, move = moved(made)
    world.source.run(*MOVED_ON)
    with pytest.raises(Refused, match="can be written to"):
        applied(refresh_of(move))
    done(FreezeSource(key="cutover/shop/freeze", move=move))
    journal = applied(refresh_of(move))
    touched = {line.split(f"{SCHEMA}.")[1] for line in journal if "copy a range" in line}
    assert touched == {"orders", "log"}
    assert verified(refresh_of(move)) is Status.PASS
    assert verified(comparison_of(move, frozen=True)) is Status.PASS, "no trigger wrote into audit"
    assert verified(objects_of(move)) is Status.PASS


def test_after_the_switch_the_target_is_left_alone(made: Made) -> None:
    world, move = moved(made)
    done(FreezeSource(key="cutover/shop/freeze", move=move), refresh_of(move))
    world.target.run(f"INSERT INTO {SCHEMA}.log VALUES ('first order on the new side', 1)")
    assert planned(refresh_of(move)).is_empty
    assert planned(data_of(move)).is_empty


REFRESH_REFUSALS = [
    ("target", f"UPDATE {SCHEMA}.log SET n = 77", "no longer what was copied"),
    ("source", f"ALTER TABLE {SCHEMA}.log ADD extra INT", "table log: definition"),
    ("source", f"CREATE TABLE {SCHEMA}.later (id INT)", "table later: definition: absent"),
]


@pytest.mark.parametrize(("side", "statement", "said"), REFRESH_REFUSALS)
def test_refresh_refuses(made: Made, side: str, statement: str, said: str) -> None:
    world, move = moved(made)
    world.source.run(*MOVED_ON)
    getattr(world, side).run(statement)
    done(FreezeSource(key="cutover/shop/freeze", move=move))
    before = world.snapshot()
    with pytest.raises(Refused) as caught:
        applied(refresh_of(move))
    assert said in str(caught.value)
    assert world.snapshot() == before


def test_the_freeze_waits_for_writers_and_gives_up_in_bounds(made: Made) -> None:
    world, move = made
    step = FreezeSource(key="cutover/shop/freeze", move=move, wait_s=1)
    with world.source.connect() as writing, writing.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"INSERT INTO {SCHEMA}.log VALUES ('half a transaction', 1)")
        assert "of session" in str(planned(step).changes[0].measures["writing_now"])
        with pytest.raises(ApplyFailed, match="still writing after 1 s: transaction") as caught:
            applied(step)
        assert caught.value.transient
        assert world.source.run("SELECT @@global.read_only") == [(0,)], "writing goes on"
        writing.rollback()
    done(step)
    assert verified(step) is Status.PASS


def test_sessions_that_bypass_the_freeze_are_refused(made: Made) -> None:
    world, move = made
    world.source.run(
        "CREATE OR REPLACE USER boss@'%' IDENTIFIED BY 'boss-word'", "GRANT ALL ON *.* TO boss@'%'"
    )
    step = FreezeSource(key="cutover/shop/freeze", move=move)
    with world.source.connect(user="boss", password="boss-word"):
        with pytest.raises(Refused, match="of boss@"):
            applied(step)
        assert world.source.run("SELECT @@global.read_only") == [(0,)]
    world.source.run("DROP USER boss@'%'")
    done(step)
    assert verified(step) is Status.PASS


@pytest.mark.parametrize("engine", [e for e, make in ENGINES.items() if isinstance(make, str)])
def test_engines_not_carried_out_are_refused_by_name(engine: str, tmp_path: Any) -> None:
    database = TargetDatabase.model_validate(
        {"name": "books", "engine": engine, "address": "db", "schema": "b", "user": "u", "password": "env:X"}
    )
    with pytest.raises(Refused, match=f"'books': engine {engine} is not yet carried out"):
        server_of(database, tmp_path)
