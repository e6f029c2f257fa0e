"""The target's disk runs full while rows are copied, indexes made, changes followed: said, and got over."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from core.access import Reader, Writer
from core.checks import Status, overall
from core.errors import ApplyFailed
from core.step import Step
from tasks.databases.steps import CopyData, FollowSource, Move
from tests.databases.following import before
from tests.databases.servers import LocalServer, only_mariadb, servers, template_in
from tests.worlds.mysql import OBJECTS, SCHEMA, STATEMENTS, _everything, done, fresh

pytestmark = [
    pytest.mark.timeout(200),
    pytest.mark.skipif(not only_mariadb(), reason="written for MariaDB at both ends"),
]
ROWS = 20_000
MORE_ROWS = f"INSERT INTO {SCHEMA}.audit (what) SELECT REPEAT(MD5(seq), 10) FROM seq_1_to_{ROWS}"
INDEXED = f"ALTER TABLE {SCHEMA}.audit ADD KEY (what(250)), ADD KEY (what(100), id)"
REWRITTEN = f"UPDATE {SCHEMA}.audit SET what = REPEAT(SHA1(id), 20) WHERE id % 4 = 0"
MAKE_ROOM = "df -h"


@dataclass
class Disk:
    """A small file system with something on it that takes the room away."""

    place: Path

    def fill(self, left_mb: int) -> None:
        found = os.statvfs(self.place)
        blocks = (found.f_bavail * found.f_frsize >> 20) - left_mb
        with (self.place / "filler").open("wb") as filler:
            for _ in range(blocks):
                filler.write(bytes(1 << 20))

    def free(self) -> None:
        (self.place / "filler").unlink(missing_ok=True)


@dataclass
class Small:
    source: LocalServer
    target: LocalServer
    move: Move
    data: Disk
    log: Disk


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[LocalServer, Disk, Disk]]:
    """A target whose data lie on a small disk, and its binary log on a smaller one."""
    servers()  # skipped by name where there is none
    if os.geteuid() != 0:
        pytest.skip("a file system of its own needs root")
    folder = Path(tempfile.mkdtemp(prefix="qianyun-disk-"))
    folder.chmod(0o755)
    with ExitStack() as left:
        left.callback(shutil.rmtree, folder, ignore_errors=True)
        disks = []
        for name, size in (("data", "260m"), ("log", "60m")):
            place = folder / name
            place.mkdir()
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "tmpfs", place], check=True
            )
            left.callback(subprocess.run, ["umount", "-l", place], check=True)
            disks.append(Disk(place))
        data, log = disks
        # Nothing is kept of the log: what a test wrote must not take the next one's room.
        server = LocalServer(
            data.place / "target", template_in(folder), f"--log-bin={log.place / 'log'}", "--server-id=77"
        )
        left.callback(_end, server)
        yield server, data, log


def _end(server: LocalServer) -> None:
    server.process.kill()
    server.process.wait()


@pytest.fixture
def small(both: tuple[LocalServer, Disk, Disk]) -> Iterator[Small]:
    target, data, log = both
    world, move = fresh(*STATEMENTS, *OBJECTS, MORE_ROWS, INDEXED)
    target.run(*(f"DROP DATABASE `{s}`" for s in target.schemas()), "RESET MASTER")
    yield Small(world.source, target, replace(move, target=target.endpoint(), accounts=()), data, log)
    data.free()
    log.free()
    world.close()


def applied(step: Step[Any], hears: Callable[[str], object] = lambda text: None) -> None:
    reader = Reader()
    writer = Writer(reader, lambda text: hears(text) and None)
    try:
        step.apply(step.plan(step.inspect(reader)), writer)
    finally:
        writer.close()
        reader.close()


def copying(move: Move) -> CopyData:
    data = before(move)["data"]
    assert isinstance(data, CopyData)
    return replace(data, rows_per_range=500, late_indexes_bytes=0, workers=2)


def same(small: Small) -> bool:
    query = f"SELECT id, SHA2(what, 256) FROM {SCHEMA}.audit ORDER BY id"
    return small.source.run(query) == small.target.run(query)


@pytest.mark.parametrize(
    "while_doing", ["copy a range of rows into shop.audit", "make the indexes of shop.audit"]
)
def test_the_disk_runs_full_under_a_copy(
    small: Small, while_doing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.databases.mysql.session.ANSWERED_IN_S", 5)
    done(before(small.move)["schema"])
    source = _everything(small.source)

    def full_from_then_on(text: str) -> None:
        if while_doing in text and not (small.data.place / "filler").exists():
            small.data.fill(0)

    with pytest.raises(ApplyFailed) as caught:
        applied(copying(small.move), full_from_then_on)
    assert caught.value.next_command.startswith(MAKE_ROOM), str(caught.value)
    assert not caught.value.transient
    assert _everything(small.source) == source, "the source is as it was"
    small.data.free()
    monkeypatch.undo()
    _goes_on(small)


@pytest.mark.soak  # the server looks for room once a minute: so long each of these takes
@pytest.mark.parametrize(
    "while_doing", ["mark shop.audit as being copied", "copy a range of rows into shop.audit"]
)
def test_only_the_disk_of_the_log_runs_full(
    small: Small, while_doing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MariaDB then waits within a COMMIT, without an error, until somebody makes room."""
    monkeypatch.setattr("tasks.databases.mysql.session.ANSWERED_IN_S", 3)
    done(before(small.move)["schema"])

    def full_from_then_on(text: str) -> None:
        if while_doing in text and not (small.log.place / "filler").exists():
            small.log.fill(0)

    with pytest.raises(ApplyFailed, match="has not answered for 3 s") as caught:
        applied(copying(small.move), full_from_then_on)
    assert caught.value.next_command.startswith(MAKE_ROOM)
    assert not caught.value.transient
    small.log.free()
    monkeypatch.undo()
    _goes_on(small)


def _goes_on(small: Small) -> None:
    steps = before(small.move)
    done(copying(small.move), steps["objects"], steps["follow"])
    reader = Reader()
    try:
        assert overall(steps["comparison"].verify(reader)) is Status.PASS
    finally:
        reader.close()
    assert same(small)


def test_the_disk_runs_full_while_following(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.databases.mysql.session.ANSWERED_IN_S", 5)
    steps = before(small.move)
    done(steps["schema"], copying(small.move), steps["objects"], steps["follow"])
    follow = FollowSource(key="databases/shop/follow", move=small.move, most_lag_bytes=0)
    small.source.run(REWRITTEN)
    source = _everything(small.source)
    small.data.fill(0)
    with pytest.raises(ApplyFailed) as caught:
        applied(follow)
    assert caught.value.next_command.startswith(MAKE_ROOM), str(caught.value)
    assert not caught.value.transient
    assert _everything(small.source) == source
    small.data.free()
    monkeypatch.undo()
    done(follow)
    assert same(small)
