"""A target that replicates by itself: divergence, lost connections, killed servers, foreign things."""

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from core.access import Reader
from core.checks import Status, overall
from core.errors import ApplyFailed, MigrationError, Refused
from flows.follow import Stream
from tasks.databases.move import Move
from tests.databases.following import before, carried, checked, over, planned, written
from tests.databases.replicating import (
    MARKS,
    NAME,
    REPLICATOR,
    Cable,
    ReplicatingWorld,
    account_statements,
    dirty,
    followed,
    level,
    marks,
    origin_of,
    status,
    without_wish,
)
from tests.databases.test_follow import awaited, running
from tests.worlds.mysql import MOVED_ON, OBJECTS, SCHEMA, done
from tests.worlds.mysql_follow import TRIGGER
from tests.worlds.mysql_replication import copied_to_replicate, replicated

Made = tuple[ReplicatingWorld, Move]


@pytest.fixture
def made() -> Iterator[Made]:
    world, move = replicated(*OBJECTS, *TRIGGER)
    yield world, move
    world.close()


@pytest.fixture
def copied() -> Iterator[Made]:
    world, move = copied_to_replicate()
    yield world, move
    world.close()


DIVERGED = [
    (
        "a row is there already",
        f"INSERT INTO {SCHEMA}.audit (id, what) VALUES (900, 'secret of theirs')",
        f"INSERT INTO {SCHEMA}.audit (id, what) VALUES (900, 'ours')",
        "table shop.audit.*is there already .error 1062",
    ),
    (
        "a row is missing",
        f"DELETE FROM {SCHEMA}.orders WHERE id = 3",
        f"UPDATE {SCHEMA}.orders SET price = 4242 WHERE id = 3",
        "table shop.orders.*not there .error 1032",
    ),
    (
        "a table is missing",
        f"DROP TABLE {SCHEMA}.audit",
        f"INSERT INTO {SCHEMA}.audit (id, what) VALUES (901, 'x')",
        "error 1146",
    ),
]


@pytest.mark.parametrize("case", DIVERGED, ids=lambda case: case[0])
def test_divergence_stops_with_words_and_without_values(made: Made, case: Any) -> None:
    world, move = made
    _, there, here, says = case
    followed(move)
    world.target.run(there)
    world.source.run(here)
    position = marks(move).position
    with pytest.raises(MigrationError, match=says) as caught:
        followed(move)
    assert not caught.value.transient
    assert "secret" not in str(caught.value) and "4242" not in str(caught.value)
    assert marks(move).position == position


def test_a_lost_connection_passes_and_a_lost_account_does_not(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, move = made
    monkeypatch.setattr("tasks.databases.mysql.replica._CONNECT_S", 1.0)
    followed(move)
    world.source.run(f"DROP USER {REPLICATOR}@'%'")
    for (number,) in world.source.run(
        f"SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{REPLICATOR}'"
    ):
        world.source.run(f"KILL {number}")
    world.source.run(f"UPDATE {SCHEMA}.orders SET price = 4242 WHERE id = 3")
    awaited(lambda: status(world.target)[NAME]["Last_IO_Errno"] == 1045)
    with pytest.raises(ApplyFailed, match=r"has lost 127\.0\.0\.1.*Access denied") as caught:
        followed(move)
    assert not caught.value.transient and "GRANT REPLICATION SLAVE" in caught.value.next_command
    world.source.run(*account_statements())
    awaited(lambda: followed(move) == 1 if level(world) else False)
    assert level(world)


@pytest.fixture
def cable(copied: Made) -> Iterator[tuple[Cable, Move]]:
    world, move = copied
    between = Cable(world.source.port)
    cabled = replace(move, replicate_from=replace(origin_of(move), port=between.port))
    done(*(before(cabled)[name] for name in ("replication", "follow")))
    yield between, cabled
    between.close()


def test_a_cut_cable_is_noticed(
    copied: Made, cable: tuple[Cable, Move], monkeypatch: pytest.MonkeyPatch
) -> None:
    (world, _), (between, move) = copied, cable
    monkeypatch.setattr("tasks.databases.mysql.replica._SILENCE_S", 1.0)
    between.cut()
    world.source.run(*MOVED_ON)
    began = time.monotonic()
    assert followed(move) and level(world)
    assert time.monotonic() - began < 30, "the server itself waits for a minute"


def test_a_source_out_of_reach_passes(
    copied: Made, cable: tuple[Cable, Move], monkeypatch: pytest.MonkeyPatch
) -> None:
    (world, _), (between, move) = copied, cable
    monkeypatch.setattr("tasks.databases.mysql.replica._CONNECT_S", 1.0)
    between.close()
    world.source.run(*MOVED_ON)
    with pytest.raises(ApplyFailed, match="has lost 127") as caught:
        followed(move)
    assert caught.value.transient and "goes on where it stands" in caught.value.why


def test_a_purged_log_is_told(made: Made) -> None:
    world, move = made
    followed(move)
    written(lambda writer: writer.open(move.target).halt_replication(SCHEMA))
    world.source.run(f"UPDATE {SCHEMA}.orders SET price = 4242 WHERE id = 3", "FLUSH LOGS")
    newest = world.source.run("SHOW BINARY LOGS")[-1][0]

    def purged() -> bool:
        # A log is kept while a session that was reading it has not noticed its end.
        world.source.run(f"PURGE BINARY LOGS TO '{newest}'")
        return bool(world.source.run("SHOW BINARY LOGS")[0][0] == newest)

    awaited(purged)
    reader = Reader()
    end = reader.open(move.source).position()
    reader.close()
    written(lambda writer: writer.open(move.target).set_position(SCHEMA, end))
    world.source.run(f"UPDATE {SCHEMA}.orders SET price = 4243 WHERE id = 3")
    with pytest.raises(ApplyFailed, match="error 1236") as caught:
        followed(move)
    assert "copied again" in caught.value.why and not caught.value.transient


@pytest.mark.parametrize("side", ["target", "source"])
def test_a_killed_server_goes_on_where_it_was(made: Made, side: str) -> None:
    world, move = made
    followed(move)
    insert = f"INSERT INTO {SCHEMA}.orders (customer, region, price) VALUES ('c2', 2, %d)"
    stream = Stream("shop", move, back=False)

    def work() -> None:
        for n in range(40):
            world.source.run(insert % n)
            if n in (10, 25):
                getattr(world, side).restart(signal.SIGKILL)
        awaited(lambda: level(world) and stream.lag_bytes == 0)

    assert running(stream, work) is None
    assert "0 bytes behind" in str(stream)
    row = status(world.target)[NAME]
    assert row["Replicate_Wild_Do_Table"] == f"{SCHEMA}.%", "set again: a restart forgets it"
    assert overall(checked(before(move)["replication"])) is Status.PASS
    carried(over(move).values())
    assert level(world)


def test_what_is_not_ours_does_not_arrive(made: Made) -> None:
    world, move = made
    foreign = (
        "CREATE DATABASE other",
        "CREATE TABLE other.t (id INT PRIMARY KEY)",
        "INSERT INTO other.t VALUES (1)",
        "CREATE USER stranger@'%' IDENTIFIED BY 'a stranger here'",
        "GRANT SELECT ON *.* TO stranger@'%'",
    )
    try:
        world.source.run(*foreign, f"UPDATE {SCHEMA}.orders SET price = 4242 WHERE id = 3")
        followed(move)
        assert level(world) and world.target.schemas() == [MARKS, SCHEMA]
        assert world.target.run("SELECT 1 FROM mysql.user WHERE User = 'stranger'") == []
    finally:
        world.source.run("DROP USER stranger@'%'", "DROP DATABASE other")


def test_changed_definitions_stop_the_replication_too(made: Made) -> None:
    world, move = made
    followed(move)
    world.source.run(f"ALTER TABLE {SCHEMA}.audit ADD COLUMN more INT")
    with pytest.raises(Refused, match="ALTER TABLE"):
        followed(move)
    assert status(world.target)[NAME]["Slave_SQL_Running"] == "No"
    plan = planned(without_wish(move))
    assert [change.action for change in plan.changes] == ["delete"]
    carried([without_wish(move)])
    assert marks(move).position == "" and status(world.target) == {}, "nobody goes on from a wrong place"


def test_rows_that_foreign_keys_take_along_are_proved_by_their_table(made: Made) -> None:
    world, move = made
    followed(move)
    world.target.run(f"DELETE FROM {MARKS}.dirty")
    customer = "`客户 \"a``b'c`"
    world.source.run(f"DELETE FROM {SCHEMA}.{customer} WHERE `no #1` = 'c4'")
    followed(move)
    assert ("orders", "") in dirty(world)
    assert level(world)
    world.target.run(f"UPDATE {SCHEMA}.orders SET price = 1 WHERE id = 2")
    steps = over(move)
    carried([steps[name] for name in ("readiness", "freeze", "drain", "ended")])
    wrong = [c for c in checked(steps["dirty"]) if c.status is not Status.PASS]
    assert [c.status for c in wrong] == [Status.FAIL] and "orders" in wrong[0].name + wrong[0].actual
