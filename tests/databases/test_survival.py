"""What the campaign of kills has found, one by one: each as small as it can be made to happen."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from core.access import Reader
from core.checks import Status, overall
from core.errors import ApplyFailed, Refused, Unreadable
from core.graph import Graph
from core.plan import Change, Plan
from core.step import ReadingStep
from flows.guards import refuse_unless_still_ready, switch_guard
from tasks.databases import content
from tasks.databases.content import _Rows, _tried
from tasks.databases.model import RowBatch
from tasks.databases.mysql import orphans
from tasks.databases.steps import FollowSource, Move
from tests.databases.following import after, before, carried, over, planned, taken_back, written
from tests.databases.servers import MIGRATOR, PASSWORD, only_mariadb
from tests.worlds.mysql import MOVED_ON, OBJECTS, SCHEMA, MysqlWorld, _everything, data_of, done, schema_of
from tests.worlds.mysql_follow import NEW_SIDE, TRIGGER, copied, followed

pytestmark = pytest.mark.skipif(not only_mariadb(), reason="written for MariaDB at both ends")
Made = tuple[MysqlWorld, Move]
TABLES = ("orders", "log", "audit")
TCP_REPAIR = 19
"""In this state a socket closes without a word to the other side: what a cut cable leaves."""


@pytest.fixture
def made() -> Iterator[Made]:
    world, move = followed()
    yield world, move
    world.close()


@pytest.fixture
def with_triggers() -> Iterator[Made]:
    world, move = followed(*OBJECTS, *TRIGGER)
    yield world, move
    world.close()


def rows(world: MysqlWorld) -> tuple[Any, Any]:
    query = f"SELECT * FROM {SCHEMA}.{{}} ORDER BY 1, 2"
    source, target = ([s.run(query.format(t)) for t in TABLES] for s in (world.source, world.target))
    return source, target


class Switch(ReadingStep[None]):
    """A name that leads to the new side from here on."""

    key, needs, item = "cutover/dns/shop", ("cutover/shop/return",), ""

    def inspect(self, reader: Reader) -> None:
        return None

    def verify(self, reader: Reader) -> tuple[Any, ...]:
        return ()


def test_a_source_that_restarted_is_noticed_before_the_switch(made: Made) -> None:
    """MariaDB forgets that it was read-only, and takes writes that nobody would bring over."""
    world, move = made
    needs = list(over(move).values())
    chain = [replace(s, needs=(b.key,)) for b, s in pairwise(needs)]  # type: ignore[type-var]
    graph = Graph([replace(needs[0], needs=()), *chain, Switch()])  # type: ignore[type-var]
    guard = switch_guard(graph, lambda key: key.startswith("cutover/dns/"))
    carried(needs)
    guard(Switch())
    world.source.restart()
    guard(needs[0])
    with pytest.raises(Refused, match="freeze does not hold any more") as caught:
        guard(Switch())
    assert caught.value.next_command.startswith("qianyun cutover")
    # Written to, and closed again by somebody: what was written is still missing on the new side.
    world.source.run(f"INSERT INTO {SCHEMA}.log VALUES ('unseen', 1)")
    world.source.run("SET GLOBAL read_only = 1", user=MIGRATOR, password=PASSWORD)
    with pytest.raises(Refused, match="transactions of the log not applied: planned 0, actual 1"):
        guard(Switch())
    carried(over(move).values())
    refuse_unless_still_ready(over(move).values())
    assert rows(world)[0] == rows(world)[1]


def test_nothing_is_applied_where_triggers_would_fire(with_triggers: Made) -> None:
    """A cutover that was killed after it made them, and a source that restarted, open, and was written to."""
    world, move = with_triggers
    plans = carried(over(move).values())
    world.source.run("SET GLOBAL read_only = 0", *MOVED_ON)
    before_it = rows(world)[1]
    with pytest.raises(Refused, match="there are triggers on orders") as caught:
        done(FollowSource(key="databases/shop/follow", move=move, most_lag_bytes=0))
    assert "rollback" in caught.value.next_command
    assert rows(world)[1] == before_it
    with pytest.raises(Refused, match="there are triggers on orders"):
        done(over(move)["freeze"])
    taken_back(over(move).values(), plans)
    carried(over(move).values())
    assert rows(world)[0] == rows(world)[1]


def test_the_way_back_begins_where_the_last_change_came_over(made: Made) -> None:
    """Killed after it was noted, written to since, drained again: those rows must not come back."""
    world, move = made
    carried(over(move).values())
    assert planned(over(move)["return"]).is_empty
    world.source.run("SET GLOBAL read_only = 0", *MOVED_ON)
    carried(over(move).values())
    plans = carried(after(move).values())
    world.target.run(*NEW_SIDE)
    taken_back(after(move).values(), plans)
    assert rows(world)[0] == rows(world)[1]


def silent_end(port: Any) -> int:
    """Leave a session as a cut cable does; gives its number at the server."""
    if os.geteuid() != 0:
        pytest.skip("closing a connection without a word needs root")
    (number,) = port._session.one("SELECT CONNECTION_ID()")
    sock: socket.socket = port._session.connection._sock
    time.sleep(0.2)  # what is not acknowledged yet would be sent once more, and then answered
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    os.close(sock.detach())
    return int(number)


def sessions(world: MysqlWorld) -> set[int]:
    return {row[0] for row in world.target.run("SELECT ID FROM information_schema.PROCESSLIST")}


def test_what_a_cut_cable_left_at_the_server_holds_nothing_up(made: Made) -> None:
    world, _ = made
    endpoint = world.target.endpoint()
    alive = endpoint.open_writer(lambda text: None)
    (ours,) = alive._session.one("SELECT CONNECTION_ID()")
    gone = endpoint.open_writer(lambda text: None)
    gone._session.send("lock", "START TRANSACTION")
    gone._session.send("lock", f"UPDATE qianyun_copy_{SCHEMA}.position SET position = CONCAT(position, '')")
    gone._session.send("lock", f"SELECT * FROM qianyun_copy_{SCHEMA}.position FOR UPDATE")
    left = silent_end(gone)
    time.sleep(orphans._QUIET_S + 1.1)
    assert {left, int(ours)} <= sessions(world), "the server has not noticed"
    began, journal = time.monotonic(), list[str]()
    again = endpoint.open_writer(journal.append)
    again.set_position(SCHEMA, "log.000001:4")
    assert time.monotonic() - began < 5
    assert f"end session {left}, which a run of ours left behind" in journal[0]
    assert len(journal) == 2, "and no other session of ours"
    assert left not in sessions(world) and int(ours) in sessions(world)
    alive.close()
    again.close()


def test_where_addresses_are_translated_no_session_is_ended(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = made
    writer = world.target.endpoint().open_writer(lambda text: None)
    gone = world.target.endpoint().open_writer(lambda text: None)
    silent_end(gone)
    time.sleep(orphans._QUIET_S + 1.1)
    assert len(orphans.left_behind(writer._session)) == 1
    driver: Any = writer._session.connection
    monkeypatch.setattr(type(driver._sock), "getsockname", lambda self: ("10.0.0.9", 1), raising=False)
    assert orphans.left_behind(writer._session) == []
    monkeypatch.undo()
    writer.end_left_behind()
    writer.close()


def test_a_commit_that_is_not_answered_is_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a full disk of the binary log, for room on which MariaDB waits without an error."""
    monkeypatch.setattr("tasks.databases.mysql.session.ANSWERED_IN_S", 1)
    world, _ = made
    writer = world.target.endpoint().open_writer(lambda text: None)
    with world.target.connect() as holding, holding.cursor() as cursor:
        for stage in ("START", "BLOCK_DDL", "BLOCK_COMMIT"):
            cursor.execute(f"BACKUP STAGE {stage}")
        with pytest.raises(ApplyFailed, match="has not answered for 1 s") as caught:
            writer.set_position(SCHEMA, "log.000001:4")
        cursor.execute("BACKUP STAGE END")
    assert caught.value.next_command.startswith("df -h") and not caught.value.transient
    writer.close()


def test_a_commit_of_much_may_take_its_time(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written to the binary log as a whole."""
    monkeypatch.setattr("tasks.databases.mysql.session.ANSWERED_IN_S", 1)
    world, _ = made
    writer: Any = world.target.endpoint().open_writer(lambda text: None)
    with world.target.connect() as holding, holding.cursor() as cursor:
        for stage in ("START", "BLOCK_DDL", "BLOCK_COMMIT"):
            cursor.execute(f"BACKUP STAGE {stage}")
        ends = threading.Timer(2.5, cursor.execute, ("BACKUP STAGE END",))
        ends.start()
        writer._session.send("change much", "START TRANSACTION")
        writer._session.send("change much", f"DELETE FROM {SCHEMA}.log")
        writer._session.send("change much", "COMMIT", 50_000_000)
        ends.join()
    writer.close()


def test_a_resumed_copy_does_not_end_in_its_own_deadlocks() -> None:
    """The indexes are there, and every row has changed: neighbours wait for each other's unique values."""
    world, move = copied()
    try:
        world.source.run(
            f"CREATE TABLE {SCHEMA}.t (id INT PRIMARY KEY, u CHAR(40) NOT NULL, n INT, UNIQUE KEY (u))",
            f"INSERT INTO {SCHEMA}.t SELECT seq, SHA1(seq), 0 FROM seq_1_to_12000",
        )
        taken_back([before(move)["data"]], {"databases/shop/data": planned_of_copy(world, move)})
        copying = replace(data_of(move), one_moment=True, rows_per_range=500)
        done(schema_of(move), copying)
        for number in range(3):
            world.source.run(f"UPDATE {SCHEMA}.t SET n = {number + 1}")
            # As a copy that was killed just before its last write.
            written(lambda writer: writer.open(move.target).set_position(SCHEMA, ""))
            done(copying)
            assert verified(copying)
    finally:
        world.close()


def planned_of_copy(world: MysqlWorld, move: Move) -> Plan:
    done(schema_of(move))
    there = [t for (t,) in world.target.run(f"SHOW TABLES FROM {SCHEMA}") if t != "t"]
    marks = Change("create", f"marks beside schema {SCHEMA}")
    return Plan((marks, *(Change("copy", f"table {t}") for t in there)))


def verified(step: Any) -> bool:
    reader = Reader()
    try:
        return overall(step.verify(reader)) is Status.PASS
    finally:
        reader.close()


def test_a_range_that_lost_is_begun_again_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "_PAUSE_S", 0.0)
    failing = [ApplyFailed("lost", transient=True), ApplyFailed("lost", transient=True)]

    def work() -> None:
        if failing:
            raise failing.pop()

    _tried(work)
    assert failing == []
    failing[:] = [ApplyFailed("never asked for"), ApplyFailed("the disk is full")]  # from its end
    with pytest.raises(ApplyFailed, match="the disk is full"):
        _tried(work)
    assert len(failing) == 1
    failing[:] = [ApplyFailed("lost", transient=True)] * 100
    with pytest.raises(ApplyFailed, match="lost"):
        _tried(work)
    assert len(failing) == 100 - content._TRIES


def test_rows_that_nobody_takes_any_more_are_read_to_their_end() -> None:
    left = [RowBatch(1, b"x")] * 3
    rows = _Rows(left.pop() for _ in range(3))
    next(rows)
    rows.read_to_their_end()
    assert left == []
    untouched = [RowBatch(1, b"x")]
    _Rows(untouched.pop() for _ in range(1)).read_to_their_end()
    assert untouched, "what was not begun is not asked for"


def test_a_follower_killed_in_its_first_pass_leaves_no_copy_that_is_never_equal_again() -> None:
    """Rows were applied, that it follows was not written down yet; and users write on."""
    world, move = copied()
    try:
        steps = before(move)
        carried([steps["comparison"]])
        world.source.run(*MOVED_ON)
        done(FollowSource(key="databases/shop/follow", move=move))
        written(lambda writer: writer.open(move.target).set_stage(SCHEMA, ""))
        world.source.run(f"INSERT INTO {SCHEMA}.log VALUES ('not applied yet', 1)")
        carried([steps["comparison"], steps["follow"]])
        world.target.run(f"UPDATE {SCHEMA}.orders SET price = price + 1 WHERE id = 3")
        written(lambda writer: writer.open(move.target).set_stage(SCHEMA, ""))
        with pytest.raises(AssertionError, match="table orders: rows"):
            carried([steps["comparison"]])
    finally:
        world.close()


def test_a_log_purged_between_copy_and_follow_is_told_and_copied_again() -> None:
    world, move = copied()
    try:
        world.source.run(*MOVED_ON, "FLUSH BINARY LOGS")
        last = world.source.run("SHOW MASTER STATUS")[0][0]
        while len(world.source.run(f"PURGE BINARY LOGS TO '{last}'", "SHOW BINARY LOGS")) > 1:
            time.sleep(0.05)  # the server has not yet seen that an earlier reading ended
        source = _everything(world.source)
        for step in (before(move)["follow"], over(move)["readiness"]):
            with pytest.raises(Unreadable, match=r"does not hold .* any more") as caught:
                planned(step)
            assert "must be copied again" in caught.value.why and not caught.value.transient
            assert caught.value.next_command == "SHOW BINARY LOGS;"
        assert _everything(world.source) == source
        taken_back([before(move)["data"]], {"databases/shop/data": _as_copied(world)})
        done(*(before(move)[name] for name in ("schema", "data", "objects", "follow")))
        carried(over(move).values())
        assert rows(world)[0] == rows(world)[1]
    finally:
        world.close()


def _as_copied(world: MysqlWorld) -> Plan:
    tables = [t for (t,) in world.target.run(f"SHOW TABLES FROM {SCHEMA}")]
    changes = [Change("copy", f"table {t}") for t in tables]
    return Plan((Change("create", f"marks beside schema {SCHEMA}"), *changes))
