"""A target that replicates by itself: who carries what, the cutover, the way back, and taking it away."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bench.mysql_cutover import measure
from core.access import Writer
from core.checks import Status, overall
from core.errors import ApplyFailed, Refused, UndoFailed
from flows.follow import Stream
from tasks.databases.dirty import sides
from tasks.databases.move import Move
from tasks.databases.mysql.quoting import name as quoted
from tasks.databases.relay import relay
from tests.databases.following import after, before, carried, checked, over, planned, taken_back, written
from tests.databases.replicating import (
    MARKS,
    NAME,
    REPLICATOR,
    ReplicatingWorld,
    account_statements,
    dirty,
    followed,
    gtids,
    level,
    marks,
    origin_of,
    replicating,
    status,
    stopped,
    taken_away,
    without_wish,
)
from tests.databases.servers import PASSWORD
from tests.databases.test_follow import awaited, running
from tests.worlds.mysql import MOVED_ON, OBJECTS, SCHEMA, done, fresh
from tests.worlds.mysql_follow import NEW_SIDE, TRIGGER
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


def test_under_load_nothing_is_lost_either_way() -> None:
    found = measure(2, load_s=0.5, pause_s=0.02, native=True)
    assert found.faults == []
    assert max(found.forward_s) < 5 and max(found.back_s) < 5


def test_the_server_carries_the_rows_and_the_relay_notes_them(made: Made) -> None:
    world, move = made
    awaited(lambda: level(world))
    before_it = marks(move)
    assert before_it.replicated and dirty(world) == [], "nobody has read the log yet"
    journal = written(
        lambda writer: relay(*sides(move, writer.reader), writer.open(move.target), _end(move, writer))
    )
    assert [line.split(": ", 1)[1] for line in journal if "apply changes" not in line] == []
    assert marks(move).position != before_it.position
    noted = dirty(world)
    assert ("log", "") in noted and ("orders", "7") in noted, noted
    assert level(world), "once, not twice"


def _end(move: Move, writer: Writer) -> str:
    return sides(move, writer.reader)[0].port.position()


def test_the_rehearsed_plan_is_the_live_plan(copied: Made) -> None:
    _, move = copied
    steps = {f"1 {k}": s for k, s in before(move).items() if k in ("replication", "follow")}
    steps |= {**over(move), **after(move)}
    rehearsed = {key: planned(step).to_json()["changes"] for key, step in steps.items()}
    assert planned(steps["ended"]).changes[0].action == "delete", "although there is none yet"
    for key, step in steps.items():
        now = planned(step).to_json()["changes"]
        assert [c | {"measures": 0} for c in now] == [c | {"measures": 0} for c in rehearsed[key]], key
        carried([step])
        assert planned(step).is_empty and planned(step).nothing_because
    assert planned(steps["1 replication"]).is_empty, "it is not set up again for a drained target"
    assert overall(checked(steps["1 replication"])) is Status.PASS


def test_no_password_in_plans_and_journals(copied: Made) -> None:
    _, move = copied
    step = before(move)["replication"]
    plan = planned(step)
    journal = written(lambda writer: step.apply(plan, writer))
    assert "own word" not in str(plan.to_json()) + str(journal)
    assert plan.changes[0].after["user"] == REPLICATOR and plan.changes[0].after["source"].startswith(
        "127.0.0.1"
    )


def test_going_back_loses_nothing_and_the_next_cutover_goes_on_from_there(made: Made) -> None:
    world, move = made
    plans = carried([*over(move).values(), *after(move).values()])
    assert status(world.target) == {} and not marks(move).replicated, "nothing can come from the old side"
    world.target.run(*NEW_SIDE)
    taken_back(after(move).values(), plans)
    assert level(world)
    taken_back(over(move).values(), plans)
    assert status(world.target)[NAME]["Slave_SQL_Running"] == "Yes"
    assert world.target.schemas() == [MARKS, SCHEMA], (
        "what was noted at the source for the way back did not come"
    )
    world.source.run(f"INSERT INTO {SCHEMA}.orders (customer, region, price) VALUES ('c2', 2, 5)")
    awaited(lambda: level(world))
    world.target.run("SET GLOBAL read_only = 0")
    carried([*over(move).values(), *after(move).values()])
    assert level(world)


def test_a_cutover_that_failed_before_its_switch_is_taken_back_whole(made: Made) -> None:
    world, move = made
    done(over(move)["readiness"])
    plans = carried(over(move).values())
    taken_back(over(move).values(), plans)
    assert marks(move).replicated and world.target.schemas() == [MARKS, SCHEMA]
    world.source.run(f"INSERT INTO {SCHEMA}.orders (customer, region, price) VALUES ('c2', 2, 5)")
    awaited(lambda: level(world))
    carried(over(move).values())
    assert level(world)


def test_the_way_back_does_not_depend_on_the_replication(made: Made) -> None:
    world, move = made
    plans = carried(over(move).values())
    world.source.run(f"DROP USER {REPLICATOR}@'%'")
    taken_back(over(move).values(), plans)
    assert status(world.target) == {} and world.source.run("SELECT @@global.read_only") == [(0,)]
    world.source.run(f"INSERT INTO {SCHEMA}.orders (customer, region, price) VALUES ('c2', 2, 5)")
    assert followed(move) and level(world), "by our relay"
    with pytest.raises(Refused, match="the account replicator cannot"):
        planned(before(move)["replication"])
    world.source.run(*account_statements())
    carried([before(move)["replication"]])
    world.source.run(f"INSERT INTO {SCHEMA}.orders (customer, region, price) VALUES ('c3', 0, 6)")
    awaited(lambda: level(world))


def test_nor_on_its_password(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    world, move = made
    plans = carried(over(move).values())
    monkeypatch.delenv("QIANYUN_TEST_REPLICATOR_PASSWORD")
    taken_back(over(move).values(), plans)
    assert status(world.target) == {} and not marks(move).replicated
    assert world.source.run("SELECT @@global.read_only") == [(0,)]


def test_marks_of_the_way_back_must_be_gone_before_it_is_set_up_again(made: Made) -> None:
    _, move = made
    plans = carried(over(move).values())
    with pytest.raises(UndoFailed, match="marks of the way back"):
        taken_back([over(move)["ended"]], plans)
    assert not marks(move).replicated


def test_our_relay_takes_over_where_it_stood(made: Made) -> None:
    world, move = made
    awaited(lambda: level(world))
    carried([without_wish(move)])
    assert status(world.target) == {} and gtids(world) == ""
    assert ("orders", "7") in dirty(world), "what it brought is noted"
    for _ in range(2):
        world.source.run(f"INSERT INTO {SCHEMA}.orders (customer, region, price) VALUES ('c2', 2, 5)")
        assert followed(move) == 2 and level(world)
    assert planned(without_wish(move)).is_empty
    carried([before(move)["replication"]])
    world.source.run(*MOVED_ON[:1])
    awaited(lambda: level(world))


def test_undo_gives_back_what_was_there(copied: Made) -> None:
    world, move = copied
    mariadb = world.target.flavour == "mariadb"
    if mariadb:
        world.target.run("SET GLOBAL gtid_slave_pos = '7-7-77'")
    step = before(move)["replication"]
    plans = carried([step])
    world.source.run(*MOVED_ON)
    awaited(lambda: level(world))
    for _ in range(2):
        taken_back([step], plans)
        assert status(world.target) == {} and not marks(move).replicated
        assert gtids(world) == ("7-7-77" if mariadb else "")
    world.source.run(f"UPDATE {SCHEMA}.orders SET price = 77 WHERE id = 3")
    assert followed(move) == 1 and level(world)


def test_a_run_that_was_killed_between_start_and_first_look_goes_on(copied: Made) -> None:
    world, move = copied
    done(before(move)["replication"])
    world.source.run(*MOVED_ON)
    awaited(lambda: level(world))
    steps = before(move)
    for name in ("data", "comparison", "replication", "follow"):
        assert overall(checked(steps[name])) is (Status.FAIL if name == "follow" else Status.PASS), name
    carried([steps["follow"]])
    assert ("orders", "7") in dirty(world)


def test_another_address_is_a_change(made: Made) -> None:
    world, move = made
    followed(move)
    world.source.run(f"CREATE OR REPLACE USER second@'%' IDENTIFIED BY '{PASSWORD}'")
    world.source.run("GRANT REPLICATION SLAVE ON *.* TO second@'%'")
    try:
        password = move.source.password  # type: ignore[attr-defined]
        other = replace(move, replicate_from=replace(origin_of(move), user="second", password=password))
        assert [c.action for c in planned(before(other)["replication"]).changes] == ["change"]
        carried([before(other)["replication"]])
        world.source.run(*NEW_SIDE)
        awaited(lambda: level(world))
    finally:
        world.source.run("DROP USER second@'%'")


def test_a_stopped_one_is_started_again(made: Made) -> None:
    world, move = made
    followed(move)
    stopped(world.target)
    world.source.run(*NEW_SIDE)
    assert overall(checked(before(move)["replication"])) is Status.FAIL
    assert [c.action for c in planned(before(move)["replication"]).changes] == ["change"]
    assert followed(move) == 5 and level(world)
    taken_away(world.target)
    world.source.run(f"UPDATE {SCHEMA}.orders SET price = 4242 WHERE id = 3")
    with pytest.raises(ApplyFailed, match="is not there"):
        followed(move)
    carried([before(move)["replication"]])
    assert followed(move) == 1 and level(world)


ODD = ["ho_st%ile `云` 'x' \"y\"", "Shop-2.x", "back\\slash_"]


@pytest.mark.parametrize("schema", [*ODD, "a,b"])
def test_odd_names(schema: str) -> None:
    table = f"{quoted(schema)}.`t 1`"
    plain, move = fresh(
        f"CREATE DATABASE {quoted(schema)} CHARACTER SET utf8mb4",
        f"CREATE TABLE {table} (id INT PRIMARY KEY, v TEXT)",
    )
    world = ReplicatingWorld(plain.source, plain.target)
    move = replicating(world.source, replace(move, source_schema=schema, target_schema=schema, accounts=()))
    steps = before(move)
    del steps["accounts"]
    try:
        if schema not in ODD:
            with pytest.raises(Refused, match="for its comma"):
                planned(steps["replication"])
            return
        carried(steps.values())
        world.source.run(f"INSERT INTO {table} VALUES (1, 'one')")
        awaited(lambda: world.target.run(f"SELECT * FROM {table}") == [(1, "one")])
        carried(over(move).values())
        assert status(world.target) == {}
    finally:
        world.close()
        for server in (world.source, world.target):
            server.run("SELECT 1", *(f"DROP DATABASE {quoted(found)}" for found in server.schemas()))


def test_the_stream_shows_its_lag(made: Made) -> None:
    world, move = made
    stream = Stream("shop", move, back=False)

    def work() -> None:
        world.source.run(*NEW_SIDE)
        awaited(lambda: stream.lag_bytes == 0 and stream.rows >= 8)

    assert running(stream, work) is None
    assert "0.0 s, 0 bytes behind" in str(stream) and level(world)
