"""Comparing two real servers while clients write to the source and a relay brings the target along."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from core.access import Reader
from core.errors import ApplyFailed
from tasks.databases.comparison import Comparison, Pace, TableResult, Verdict
from tasks.databases.model import Marks
from tasks.databases.move import Move
from tasks.databases.relay import Side, relay
from tests.databases.relayed import Relayed
from tests.worlds.mysql import SCHEMA, MysqlWorld, fresh

TABLES = (
    f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
    f"USE {SCHEMA}",
    "CREATE TABLE hot (id INT PRIMARY KEY AUTO_INCREMENT, n INT NOT NULL, v VARCHAR(40))",
    "CREATE TABLE cold (id INT PRIMARY KEY, v VARCHAR(40))",
    "INSERT INTO hot (n, v) SELECT seq, CONCAT('v', seq) FROM seq_1_to_30000",
    "INSERT INTO cold SELECT seq, CONCAT('v', seq) FROM seq_1_to_5000",
)


@pytest.fixture
def live() -> Iterator[tuple[MysqlWorld, Move, Relayed]]:
    world, move = fresh(*TABLES)
    world.target.run(*TABLES)
    followed = Relayed(world)
    yield world, move, followed
    followed.close_ports()
    world.close()


@contextmanager
def at_work(world: MysqlWorld, followed: Relayed) -> Iterator[threading.Event]:
    """A client that writes all over `hot`, and the relay; the event stops the client."""
    quiet, over = threading.Event(), threading.Event()

    def write() -> None:
        chance = random.Random(7)
        with world.source.connect(database=SCHEMA) as connection, connection.cursor() as cursor:
            while not quiet.wait(0.002):
                row = chance.randrange(1, 30_000)
                cursor.execute("UPDATE hot SET n = n + 1 WHERE id BETWEEN %s AND %s", (row, row + 3))
                cursor.execute("INSERT INTO hot (n, v) VALUES (0, 'new')")
                cursor.execute("DELETE FROM hot WHERE id = %s", (chance.randrange(1, 30_000),))

    def follow() -> None:
        source, target = Side(followed.source, SCHEMA, "s"), Side(followed.look, SCHEMA, "t")
        while not over.is_set():
            try:
                relay(source, target, followed.write, ends=over.is_set)
            except ApplyFailed as error:
                assert error.transient, "a deadlock with the damage done below; as `qianyun follow` does"

    threads = [threading.Thread(target=write), threading.Thread(target=follow)]
    for thread in threads:
        thread.start()
    try:
        yield quiet
    finally:
        quiet.set()
        over.set()
        for thread in threads:
            thread.join(20)


def compared(move: Move) -> dict[str, TableResult]:
    reader = Reader()
    pace = Pace(workers=2, rows=2_000, wait_s=0.3, patience_s=10.0)
    try:
        source, target = move.open_source(reader), move.open_target(reader)
        pairs = list(zip(source.tables(SCHEMA), target.tables(SCHEMA), strict=True))
        found = Comparison(move=move, pace=pace, followed=True).run(reader, pairs, Marks(), lambda *_: None)
        return {result.name: result for result in found}
    finally:
        reader.close()


def test_what_moves_is_no_false_alarm_and_damage_is_found(live: tuple[MysqlWorld, Move, Relayed]) -> None:
    world, move, followed = live
    with at_work(world, followed) as quiet:
        first = compared(move)
        assert first["hot"].counts == {} and first["cold"].verdict is Verdict.EQUAL
        # Behind the relay's back, so that it does not notice: rows that it will not touch again.
        world.target.run(
            f"UPDATE {SCHEMA}.cold SET v = 'damaged' WHERE id = 777",
            f"UPDATE {SCHEMA}.hot SET v = 'damaged' WHERE id > 30000 ORDER BY id LIMIT 1",
        )
        second = compared(move)
        assert second["cold"].rows == ["id=777 differs"]
        assert second["hot"].counts == {"differs": 1} and second["hot"].verdict is Verdict.DIFFERENT
        quiet.set()
        world.target.run(f"UPDATE {SCHEMA}.cold SET v = 'v777' WHERE id = 777")
        world.target.run(f"UPDATE {SCHEMA}.hot SET v = 'new' WHERE v = 'damaged'")
        third = compared(move)
    assert {r.verdict for r in third.values()} == {Verdict.EQUAL}
    assert world.source.run(f"SELECT MAX(id) > 30100 FROM {SCHEMA}.hot") == [(1,)], "there was work"
