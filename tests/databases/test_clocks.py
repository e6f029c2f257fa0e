"""Clocks that differ by hours and jump meanwhile: nothing depends on them, and the lag shown stays true."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest

from core.access import Reader
from flows.follow import Stream
from tasks.databases.move import Move
from tasks.databases.relay import Applied
from tests.databases.following import after, before, carried, over, taken_back
from tests.databases.servers import LocalServer, servers, template_in
from tests.worlds.mysql import SCHEMA, done

FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
TABLES = (
    f"CREATE DATABASE {SCHEMA}",
    f"USE {SCHEMA}",
    "CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(40),"
    " made DATETIME(6) DEFAULT NOW(6), changed TIMESTAMP(6) NOT NULL DEFAULT NOW(6) ON UPDATE NOW(6),"
    " day DATE DEFAULT (CURRENT_DATE))",
    "CREATE TABLE log (what VARCHAR(40), at TIMESTAMP NOT NULL DEFAULT NOW() ON UPDATE NOW())",
    "INSERT INTO notes (what) SELECT seq FROM seq_1_to_300",
)
WRITES = (
    f"INSERT INTO {SCHEMA}.notes (what) VALUES ('one more')",
    f"UPDATE {SCHEMA}.notes SET what = CONCAT('x', id) WHERE id % 7 = 1",
    f"INSERT INTO {SCHEMA}.log (what) VALUES ('same')",
    f"UPDATE {SCHEMA}.log SET what = 'changed' LIMIT 1",
)
NEAR_S = 3.0
"""The log tells whole seconds, and the lag is asked for once a second."""


class SkewedServer(LocalServer):
    """A server that believes what a file says of the time, such as +7h."""

    def spawn(self, command: list[str]) -> "subprocess.Popen[bytes]":
        self._clock = self._folder / "clock"
        if not self._clock.exists():
            self.clock("+0")
        shown = {
            "LD_PRELOAD": str(FAKETIME[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            # How long a server waits is measured by this one, which does not jump anywhere.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        before = dict(os.environ)
        os.environ.update(shown)
        try:
            return super().spawn(command)
        finally:
            os.environ.clear()
            os.environ.update(before)

    def clock(self, says: str) -> None:
        # Replaced at once: half a file would be half a time.
        new = self._folder / "clock.new"
        new.write_text(f"{says}\n")
        new.rename(self._clock)

    def ahead_h(self) -> float:
        return round((float(self.run("SELECT UNIX_TIMESTAMP(NOW(6))")[0][0]) - time.time()) / 3600, 1)


Clocks = tuple[SkewedServer, SkewedServer, Move]


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[SkewedServer, SkewedServer]]:
    servers()  # skipped by name where there is none
    if not FAKETIME:
        pytest.skip("libfaketime is not installed (apt-get install faketime)")
    folder = Path(tempfile.mkdtemp(prefix="qianyun-clocks-"))
    folder.chmod(0o755)
    template = template_in(folder)
    made = [
        SkewedServer(folder / s, template, f"--server-id={n}") for n, s in ((71, "source"), (72, "target"))
    ]
    yield made[0], made[1]
    for server in made:
        server.process.kill()
        server.process.wait()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def clocks(both: tuple[SkewedServer, SkewedServer]) -> Clocks:
    for server in both:
        server.clock("+0")
        server.run("SET GLOBAL read_only = 0", *(f"DROP DATABASE `{s}`" for s in server.schemas()))
    source, target = both
    source.run(*TABLES)
    move = Move(
        source=source.endpoint(), source_schema=SCHEMA, target=target.endpoint(), target_schema=SCHEMA
    )
    return source, target, move


def rows(server: LocalServer) -> list[object]:
    found = (f"SELECT * FROM {SCHEMA}.notes ORDER BY id", f"SELECT * FROM {SCHEMA}.log ORDER BY 1, 2")
    return [server.run("SET time_zone = '+00:00'", query) for query in found]


SKEWS = [("+7h", "-5h", 7.0, -5.0), ("-3d", "+2h", -72.0, 2.0)]


@pytest.mark.parametrize(("source_is", "target_is", "ahead", "behind"), SKEWS)
def test_clocks_differ_by_hours(
    clocks: Clocks,
    source_is: str,
    target_is: str,
    ahead: float,
    behind: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Copied, followed, cut over and back; our own clock jumps to and fro all the while."""
    source, target, move = clocks
    source.clock(source_is)
    target.clock(target_is)
    assert (source.ahead_h(), target.ahead_h()) == (ahead, behind)
    ours, real = cycle((0.0, 86_400.0, -40_000.0)), time.time
    monkeypatch.setattr(time, "time", lambda: real() + next(ours))
    source.run(*WRITES)
    done(*(step for name, step in before(move).items() if name != "accounts"))
    source.run(*WRITES)
    with following(move, back=False) as stream:
        source.run(*WRITES)
        awaited(lambda: rows(source) == rows(target))
        assert "? s" not in str(stream)
    plans = carried([*over(move).values(), *after(move).values()])
    target.run(*WRITES)
    with following(move, back=True):
        target.run(*WRITES)
        awaited(lambda: rows(source) == rows(target))
    taken_back([*over(move).values(), *after(move).values()], plans)
    assert rows(source) == rows(target)


def test_clocks_jump_while_following(clocks: Clocks) -> None:
    source, target, move = clocks
    done(*(step for name, step in before(move).items() if name != "accounts"))
    with following(move, back=False) as stream:
        for source_is, target_is in (("+6h", "+0"), ("+6h", "-2d"), ("-6h", "+1d"), ("+0", "+0")):
            source.clock(source_is)
            target.clock(target_is)
            for _ in range(4):
                source.run(*WRITES)
                time.sleep(0.2)
            awaited(lambda: rows(source) == rows(target))
            assert stream.lag_s is None or stream.lag_s < NEAR_S, str(stream)
        assert not stream.trouble
    carried(over(move).values())
    assert rows(source) == rows(target)


LAGS = [
    ("a client outside counts the same seconds", 1_000.0, 1_010.0, "10.0 s"),
    ("nothing but the fraction of a second that the log does not tell", 1_000.0, 999.5, "0.0 s"),
    ("the source's clock was set back", 1_000.0, 400.0, "? s (its clock was set back)"),
]


@pytest.mark.parametrize(
    ("committed_at", "clock", "says"), [lag[1:] for lag in LAGS], ids=[lag[0] for lag in LAGS]
)
def test_the_lag_is_by_the_followed_sides_clock_alone(
    committed_at: float, clock: float, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 9e9)
    monkeypatch.setattr(time, "monotonic", lambda: 50.0)
    stream = Stream("shop", None, back=False, applied=Applied("log.1:4", 1, committed_at), lag_bytes=9)  # type: ignore[arg-type]
    stream._clock, stream._asked_at = clock, 50.0
    assert f"shop: {says}, 9 bytes behind" in str(stream)


def test_a_server_tells_its_own_time(clocks: Clocks) -> None:
    source, _, move = clocks
    source.clock("+7h")
    reader = Reader()
    try:
        assert round((reader.open(move.source).clock() - time.time()) / 3600, 1) == 7.0
    finally:
        reader.close()


@contextmanager
def following(move: Move, *, back: bool) -> Iterator[Stream]:
    stream, ends = Stream("shop", replace(move), back), threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            stream.follow(ends)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield stream
    finally:
        ends.set()
        thread.join(30)
        assert not thread.is_alive() and not errors, errors


def awaited(true: Callable[[], bool], most_s: float = 20.0) -> None:
    end = time.monotonic() + most_s
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)
