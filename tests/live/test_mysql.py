"""Whole moves between real servers: killed again and again, under load, and MySQL 8 where one is given."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pymysql
import pytest

from core.access import Reader
from core.checks import Status
from core.step import Step
from inventory.secrets import SecretSource
from tasks.databases.mysql.endpoint import MysqlServer
from tasks.databases.steps import (
    CompareDatabase,
    CopyData,
    CreateObjects,
    CreateSchema,
    FreezeSource,
    Move,
    RefreshData,
)
from tests.worlds.mysql import OBJECTS, SCHEMA, STATEMENTS, MysqlWorld, done, fresh

MYSQL8 = ("QIANYUN_TEST_MYSQL8_SOURCE_URL", "QIANYUN_TEST_MYSQL8_TARGET_URL")
"""mysql://user:password@host:port of two servers whose schema `shop` may be dropped."""

MORE_ROWS = (
    f"INSERT INTO {SCHEMA}.audit (what) SELECT REPEAT(MD5(seq), 5) FROM seq_1_to_60000",
    f"INSERT INTO {SCHEMA}.orders (price, placed) SELECT seq, NOW(6) FROM seq_1_to_20000",
)
COPY = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.live.test_mysql import copy_by_ports
copy_by_ports(int(sys.argv[2]), int(sys.argv[3]))
"""


def server_at(port: int) -> MysqlServer:
    source = SecretSource("env:QIANYUN_TEST_MYSQL_PASSWORD", Path())
    return MysqlServer(host="127.0.0.1", port=port, user="migrator", password=source)


def move_between(source: MysqlServer, target: MysqlServer) -> Move:
    return Move(source=source, source_schema=SCHEMA, target=target, target_schema=SCHEMA)


def data_step(move: Move) -> CopyData:
    return CopyData(key="databases/shop/data", move=move, rows_per_range=1000)


def copy_by_ports(source: int, target: int) -> None:
    done(data_step(move_between(server_at(source), server_at(target))))


def failures(step: Step[object]) -> list[str]:
    reader = Reader()
    try:
        return [f"{c.name}: {c.actual}" for c in step.verify(reader) if c.status is not Status.PASS]
    finally:
        reader.close()


@pytest.fixture
def large() -> Iterator[tuple[MysqlWorld, Move]]:
    world, move = fresh(*STATEMENTS, *MORE_ROWS)
    done(CreateSchema(key="databases/shop/schema", move=move))
    yield world, move
    world.close()


def test_a_copy_killed_again_and_again_ends_equal(large: tuple[MysqlWorld, Move]) -> None:
    world, move = large
    moments = random.Random(7)
    kills = 0
    while kills < 6:
        child = subprocess.Popen(
            [sys.executable, "-c", COPY, str(Path.cwd()), str(world.source.port), str(world.target.port)]
        )
        try:
            assert child.wait(timeout=moments.uniform(0.6, 1.6)) == 0
            break
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            kills += 1
    assert kills, "it was killed at least once"
    done(data_step(move))
    assert failures(data_step(move)) == []
    assert failures(CompareDatabase(key="databases/shop/comparison", move=move, frozen=True)) == []


def test_a_copy_under_load_is_one_moment_and_is_refreshed(large: tuple[MysqlWorld, Move]) -> None:
    """A client moves money between two rows all the while: every copy holds a constant sum."""
    world, move = large
    world.source.run(*OBJECTS[:5])
    stop, refused = threading.Event(), threading.Event()

    def write() -> None:
        with world.source.connect() as connection, connection.cursor() as cursor:
            number = 0
            while not stop.is_set():
                number += 1
                one, other = 100 + number % 5000, 19_000 - number % 5000
                try:
                    cursor.execute("BEGIN")
                    cursor.execute(f"UPDATE {SCHEMA}.orders SET price = price + 1 WHERE id = {one}")
                    cursor.execute(f"UPDATE {SCHEMA}.orders SET price = price - 1 WHERE id = {other}")
                    cursor.execute("COMMIT")
                except pymysql.err.OperationalError:
                    refused.set()
                    return

    total = f"SELECT SUM(price), COUNT(*) FROM {SCHEMA}.orders"
    wanted = world.source.run(total)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        time.sleep(0.1)
        done(data_step(move), CreateObjects(key="databases/shop/objects", move=move))
        assert world.target.run(total) == wanted
        assert failures(CompareDatabase(key="databases/shop/comparison", move=move)) == []
        assert failures(CompareDatabase(key="cutover/shop/comparison", move=move, frozen=True))
        started = time.monotonic()
        done(FreezeSource(key="cutover/shop/freeze", move=move), RefreshData(key="x/shop/refresh", move=move))
        assert time.monotonic() - started < 30
    finally:
        stop.set()
        writer.join()
    assert refused.is_set(), "the client was refused by the frozen source"
    assert world.target.run(total) == wanted
    assert failures(CompareDatabase(key="cutover/shop/comparison", move=move, frozen=True)) == []


@pytest.mark.skipif(
    not all(variable in os.environ for variable in MYSQL8),
    reason=f"set {' and '.join(MYSQL8)} to run on MySQL 8",
)
def test_a_whole_move_between_mysql_8_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints = []
    for variable in MYSQL8:
        url = urlsplit(os.environ[variable])
        monkeypatch.setenv(f"{variable}_PASSWORD", unquote(url.password or ""))
        source = SecretSource(f"env:{variable}_PASSWORD", Path())
        host, port, user = url.hostname or "", url.port or 3306, unquote(url.username or "")
        endpoints.append(MysqlServer(host=host, port=port, user=user, password=source))
        plain = pymysql.connect(host=host, port=port, user=user, password=unquote(url.password or ""))
        with plain, plain.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {SCHEMA}")
            cursor.execute(f"DROP DATABASE IF EXISTS qianyun_copy_{SCHEMA}")
            # seq_1_to_n is MariaDB's own; MySQL 8 gets its rows one statement simpler.
            for statement in () if variable == MYSQL8[1] else MYSQL8_STATEMENTS:
                cursor.execute(statement)
            plain.commit()
    move = move_between(endpoints[0], endpoints[1])
    done(
        CreateSchema(key="databases/shop/schema", move=move),
        data_step(move),
        CreateObjects(key="databases/shop/objects", move=move),
    )
    assert failures(CompareDatabase(key="databases/shop/comparison", move=move, frozen=True)) == []


MYSQL8_STATEMENTS = (
    *(s for s in STATEMENTS if "seq_1_to" not in s),
    "INSERT INTO orders (price, placed) VALUES (1, '2024-02-29 23:59:59.123456'), (2, NULL)",
    "CREATE TABLE kinds (id INT PRIMARY KEY, f FLOAT, j JSON, g GEOMETRY SRID 4326, b BIT(64), l LONGBLOB)",
    "INSERT INTO kinds VALUES"
    " (1, 16777216, '{\"k\": 1.0}', ST_GeomFromText('POINT(1 2)', 4326), 5, x'00FF27')",
    "CREATE VIEW cheap AS SELECT * FROM orders WHERE price < 2",
)
