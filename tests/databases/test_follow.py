"""Following: the relay's batches, catching up, what cannot be followed, and the command that goes on."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import pymysql
import pytest

from core.access import Reader
from core.checks import Status, overall
from core.errors import MigrationError, Refused
from flows.follow import Stream
from tasks.databases.follow import FollowSource
from tasks.databases.model import (
    Changes,
    Marks,
    RowChange,
    Table,
)
from tasks.databases.move import Move
from tasks.databases.port import ReadPort, WritePort
from tasks.databases.relay import Applied, Side, relay
from tests.databases.following import after, before, carried, checked, over, planned
from tests.worlds.mysql import MOVED_ON, OBJECTS, SCHEMA, MysqlWorld, done
from tests.worlds.mysql_follow import TRIGGER, copied, followed, until

Made = tuple[MysqlWorld, Move]


class Log:
    """A source's log, and a target that remembers what was applied together."""

    def __init__(self, *entries: Changes) -> None:
        self.entries, self.position_now = entries, "0"
        self.together: list[list[str]] = []

    def marks(self, schema: str) -> Marks:
        return Marks(position=self.position_now)

    def tables(self, schema: str) -> tuple[Table, ...]:
        return ()

    def with_triggers(self, schema: str) -> tuple[str, ...]:
        return ()

    def lag_bytes(self, position: str) -> int:
        return 1

    def changes(self, schema: str, after: str, upto: str = "") -> Iterator[Changes]:
        yield from self.entries

    def apply_changes(self, schema: str, tables: Mapping[str, Table], batch: Sequence[Changes]) -> int:
        self.together.append([changes.position for changes in batch])
        self.position_now = batch[-1].position
        return sum(len(changes.rows) for changes in batch)

    def set_position(self, schema: str, position: str) -> None:
        self.together.append([f"={position}"])
        self.position_now = position


def of(position: int, rows: int, size_bytes: int = 100) -> Changes:
    return Changes(str(position), 1.0, size_bytes, tuple(RowChange("t", "insert") for _ in range(rows)))


BATCHES = [
    ("small ones share a transaction", [of(1, 1), of(2, 3)], [["1", "2"]]),
    ("one that is too large is never split", [of(1, 1), of(2, 5_000), of(3, 1)], [["1", "2"], ["3"]]),
    ("so it is by its bytes", [of(1, 1, 5 << 20), of(2, 1)], [["1"], ["2"]]),
    ("a pause in the log ends the waiting", [of(1, 1), of(2, 0), of(3, 1)], [["1"], ["3"]]),
    ("foreign changes move the position on", [of(1, 1), of(2, 0), of(3, 0)], [["1"], ["=3"]]),
    ("nothing is written for nothing", [of(0, 0)], []),
]


@pytest.mark.parametrize(("entries", "together"), [b[1:] for b in BATCHES], ids=[b[0] for b in BATCHES])
def test_transactions_are_whole_and_in_order(entries: list[Changes], together: list[list[str]]) -> None:
    log = Log(*entries)
    side = Side(cast(ReadPort, log), "s", "a server/s")
    told: list[Applied] = []
    rows = relay(side, side, cast(WritePort, log), "end", told=told.append)
    assert log.together == together
    assert rows == sum(len(changes.rows) for changes in entries)
    assert told[-1].position == entries[-1].position


def test_without_a_position_nothing_is_relayed() -> None:
    log = Log(of(1, 1))
    log.position_now = ""
    side = Side(cast(ReadPort, log), "s", "a server/s")
    with pytest.raises(Refused, match="no position is recorded"):
        relay(side, side, cast(WritePort, log))
    assert log.together == []


@pytest.fixture
def made() -> Iterator[Made]:
    world, move = copied(*OBJECTS, *TRIGGER)
    yield world, move
    world.source.run("SET GLOBAL binlog_row_image = 'FULL'")
    world.target.run("SET GLOBAL binlog_row_image = 'FULL'")
    world.close()


def same(world: MysqlWorld, *tables: str) -> bool:
    query = "SELECT * FROM {}.{} ORDER BY 1, 2"
    return all(
        world.source.run(query.format(SCHEMA, t)) == world.target.run(query.format(SCHEMA, t)) for t in tables
    )


def test_it_catches_up_and_again(made: Made) -> None:
    world, move = made
    step = FollowSource(key="databases/shop/follow", move=move, most_lag_bytes=0)
    for _ in range(2):
        world.source.run(*MOVED_ON[:1], MOVED_ON[2])
        assert not same(world, "orders")
        carried([step])
        assert same(world, "orders", "log", "audit") and planned(step).is_empty
    world.source.run(f"INSERT INTO {SCHEMA}.orders (customer, region, price) VALUES ('c1', 1, 5)")
    carried([step])
    assert same(world, "orders", "audit"), "what the source's trigger wrote came once, by the log"


def test_once_it_followed_a_lag_within_bounds_is_no_drift(made: Made) -> None:
    world, move = made
    step = before(move)["follow"]
    rehearsed = planned(step)
    done(step)
    world.source.run(*MOVED_ON)
    assert not rehearsed.is_empty and planned(step).is_empty
    assert overall(checked(step)) is Status.PASS


@pytest.mark.parametrize(
    ("side", "name"),
    [("source", "follow"), ("source", "readiness"), ("target", "return"), ("target", "reverse")],
)
def test_what_cannot_be_followed_is_refused_in_the_rehearsal(made: Made, side: str, name: str) -> None:
    world, move = made
    getattr(world, side).run("SET GLOBAL binlog_row_image = 'MINIMAL'")
    step = {**before(move), **over(move), **after(move)}[name]
    with pytest.raises(Refused, match="SET GLOBAL binlog_row_image = 'FULL'"):
        planned(step)


def test_the_comparison_excuses_only_what_is_on_its_way(made: Made) -> None:
    world, move = made
    steps = before(move)
    done(steps["follow"])
    assert overall(checked(steps["comparison"])) is Status.PASS
    world.source.run(*MOVED_ON)
    assert overall(checked(steps["comparison"])) is Status.PASS, "pending"
    done(FollowSource(key="databases/shop/follow", move=move, most_lag_bytes=0))
    assert overall(checked(steps["comparison"])) is Status.PASS, "applied"
    world.target.run(f"UPDATE {SCHEMA}.orders SET price = price + 1 WHERE id = 5")
    wrong = [c for c in checked(steps["comparison"]) if c.status is not Status.PASS]
    assert [c.name for c in wrong] == ["table orders: rows"] and "5" in wrong[0].actual


def test_readiness_proves_what_was_changed_and_the_freeze_tells_what_is_wrong() -> None:
    world, move = followed()
    try:
        done(over(move)["readiness"])
        left = f"SELECT table_name FROM qianyun_copy_{SCHEMA}.dirty"
        assert world.target.run(left) == [("log",)], "a table without key has no rows to be named"
        world.source.run(f"UPDATE {SCHEMA}.orders SET price = 9 WHERE id = 5")
        dirty = until(world, move, "dirty")
        assert overall(checked(dirty)) is Status.PASS
        world.target.run(f"UPDATE {SCHEMA}.orders SET price = 8 WHERE id = 5")
        assert "orders: 5" in str([c.actual for c in checked(dirty) if c.status is Status.FAIL])
        world.target.run(f"INSERT INTO {SCHEMA}.log VALUES ('nobody at the source wrote this', 1)")
        assert "table log: rows" in str([c.name for c in checked(dirty) if c.status is Status.FAIL])
    finally:
        world.close()


def test_long_transactions_hold_up_the_readiness(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    world, move = made
    done(before(move)["follow"])
    monkeypatch.setattr("tasks.databases.readiness._LONG_S", 0)
    with world.source.connect() as writing, writing.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"INSERT INTO {SCHEMA}.log VALUES ('half a transaction', 1)")
        time.sleep(1.1)
        with pytest.raises(Refused, match="open for"):
            carried([over(move)["readiness"]])
        writing.rollback()


def running(stream: Stream, work: Callable[[], Any]) -> MigrationError | None:
    """Follow in a thread while `work` is done, then end it."""
    ends, errors = threading.Event(), list[MigrationError]()

    def follow() -> None:
        try:
            stream.follow(ends)
        except MigrationError as error:
            errors.append(error)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        work()
    finally:
        ends.set()
        thread.join(20)
    assert not thread.is_alive()
    return errors[0] if errors else None


def awaited(true: Callable[[], bool], most_s: float = 15.0) -> None:
    end = time.monotonic() + most_s
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_the_command_goes_on_after_a_passing_error(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    world, move = made
    monkeypatch.setattr("flows.follow._PAUSES_S", (0.1,))
    done(before(move)["follow"])
    stream = Stream("shop", move, back=False)

    def work() -> None:
        world.source.run(MOVED_ON[0])
        awaited(lambda: same(world, "orders"))
        for server in (world.source, world.target):
            ours = server.run("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'migrator'")
            for (number,) in ours:
                with suppress(pymysql.err.OperationalError):  # it has ended meanwhile
                    server.run(f"KILL {number}")
        world.source.run(MOVED_ON[2])
        awaited(lambda: same(world, "log"))
        awaited(lambda: stream.lag_bytes == 0)

    assert running(stream, work) is None
    assert stream.rows >= 3 and "0.0 s, 0 bytes behind" in str(stream)


def test_the_command_ends_where_the_target_has_diverged(made: Made) -> None:
    world, move = made
    done(before(move)["follow"])
    stream = Stream("shop", move, back=False)
    world.target.run(f"DELETE FROM {SCHEMA}.orders WHERE id = 2")

    def work() -> None:
        world.source.run(MOVED_ON[0])
        time.sleep(1.5)

    error = running(stream, work)
    assert error is not None and "orders" in str(error) and "2" in str(error)


def test_the_command_waits_for_the_copy_to_be_compared(made: Made) -> None:
    _, move = made
    error = running(Stream("shop", move, back=False), lambda: time.sleep(0.5))
    assert isinstance(error, Refused) and "does not follow" in str(error)


def test_looking_needs_no_writer(made: Made) -> None:
    _, move = made
    reader = Reader()
    try:
        steps = {**before(move), **over(move), **after(move)}
        del steps["accounts"]  # the schema of this test has none
        for step in steps.values():
            step.plan(step.inspect(reader))
    finally:
        reader.close()
