"""Levelled before the freeze: the last copy reads only what changed since, and misses nothing that did."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.access import Pool, Reader, Writer
from core.checks import Check, Status
from core.errors import ApplyFailed
from tasks.files import level_files, verifying
from tasks.files.bucket_reader import BucketReader
from tasks.files.copy_files import FILES_PER_S, CopyFiles
from tasks.files.folder_reader import FolderReader
from tests.contract.test_lifecycle import apply, look_and_plan, status
from tests.worlds.aws_server import client
from tests.worlds.files import BUCKET, BucketWorld, DiskWorld, FileWorld, done

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners can be set by root only")

LATER_S = 3600.0


@pytest.fixture(params=[DiskWorld, BucketWorld])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileWorld]:
    # The files were all made just now; to the steps an hour has passed.
    now = FolderReader.now
    monkeypatch.setattr(FolderReader, "now", lambda self: now(self) + LATER_S)
    made: FileWorld = request.param()
    yield made
    made.close()


def last_of(world: FileWorld) -> CopyFiles:
    return world.step(key=world.copy.replace("files/", "cutover/"), last=True)


@dataclass
class Run:
    """The steps of one run, whose connections and proofs they share."""

    pool: Pool = field(default_factory=Pool)

    def carry(self, step: CopyFiles) -> dict[str, Check]:
        """Look, plan, apply, prove; gives the checks by the first words of their names."""
        reader = Reader(self.pool)
        writer = Writer(reader, lambda text: None)
        try:
            plan = step.plan(step.inspect(reader))
            if not plan.is_empty:
                step.apply(plan, writer)
            return {check.name.partition(" (")[0]: check for check in step.verify(reader)}
        finally:
            writer.close()
            reader.close(healthy=True)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of files whose content was read to be compared."""
    names: list[str] = []
    for kind in (FolderReader, BucketReader):
        whole = kind._unequal

        def spy(self, source, asked, *rest, whole=whole):  # type: ignore[no-untyped-def]
            names.extend(asked)
            return whole(self, source, asked, *rest)

        monkeypatch.setattr(kind, "_unequal", spy)
    return names


def failed(checks: dict[str, Check]) -> list[str]:
    return [name for name, check in checks.items() if check.status is not Status.PASS]


def rewrite(path: Path, content: bytes) -> None:
    """Other content of the same size and time: only the source's own clock tells."""
    before = path.stat()
    assert len(content) == before.st_size
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_under_the_freeze_nothing_at_rest_is_read_again(world: FileWorld, reads: list[str]) -> None:
    done(world.step())
    run = Run()
    assert failed(run.carry(world.readiness())) == []
    assert len(reads) == 9
    del reads[:]
    checks = run.carry(last_of(world))
    assert failed(checks) == [] and reads == []
    (compared,) = [c.name for c in checks.values() if "of other content" in c.name]
    assert "(0 compared, 0 bytes; " in compared and "proved before in this run and untouched" in compared


def test_what_changed_since_is_copied_and_read(world: FileWorld, reads: list[str]) -> None:
    done(world.step())
    run = Run()
    run.carry(world.readiness())
    del reads[:]
    rewrite(world.share / "bin/tool", b"\x01" * 10_000)
    (world.share / "new").write_text("new")
    (world.share / "-rf").unlink()
    assert failed(run.carry(last_of(world))) == []
    assert set(reads) == {"bin/tool", "new"}
    if isinstance(world, DiskWorld):
        assert (world.place / "bin/tool").read_bytes() == b"\x01" * 10_000
        assert (world.place / "new").exists() and not (world.place / "-rf").exists()
    else:
        found = client("s3").get_object(Bucket=BUCKET, Key="bin/tool")["Body"].read()
        assert found == b"\x01" * 10_000


def _flip(world: FileWorld) -> None:
    world.damage()


def _put_again_with_another_time(world: FileWorld) -> None:
    time.sleep(1.1)  # S3 tells whole seconds
    client("s3").put_object(Bucket=BUCKET, Key="-rf", Body=b"dash", Metadata={"mtime": "5"})


DAMAGE: list[tuple[type[FileWorld], Callable[[FileWorld], None], str]] = [
    (DiskWorld, _flip, "files of other content"),
    (BucketWorld, _flip, "files of other content"),
    (BucketWorld, _put_again_with_another_time, "other modification times"),
]


@pytest.mark.parametrize(("kind", "damage", "name"), DAMAGE)
def test_damage_at_the_target_after_the_readiness_is_found(
    kind: type[FileWorld],
    damage: Callable[[FileWorld], None],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verifying, "SETTLED_S", -LATER_S)
    world = kind()
    try:
        done(world.step())
        run = Run()
        assert failed(run.carry(world.readiness())) == []
        damage(world)
        assert name in failed(run.carry(last_of(world)))
    finally:
        world.close()


def test_what_changed_a_moment_before_is_read_again(reads: list[str]) -> None:
    """It may still be written to through memory, unseen by its ctime."""
    world = DiskWorld()
    try:
        done(world.step())
        run = Run()
        run.carry(world.readiness())
        del reads[:]
        assert failed(run.carry(last_of(world))) == [] and len(reads) == 9
    finally:
        world.close()


def test_another_run_proves_all_of_it_anew(world: FileWorld, reads: list[str]) -> None:
    done(world.step())
    Run().carry(world.readiness())
    del reads[:]
    assert failed(Run().carry(last_of(world))) == []
    assert len(reads) == 9


def test_ready_until_much_has_changed(world: FileWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(level_files, "_FEW_S", 3 / FILES_PER_S + 0.0005)
    done(world.step())
    apply(world.readiness())
    for number in range(3):
        (world.share / f"new {number}").write_text("new")
    assert look_and_plan(world.readiness()).is_empty
    (world.share / "new 3").write_text("new")
    assert not look_and_plan(world.readiness()).is_empty
    apply(world.readiness())
    assert look_and_plan(world.readiness()).is_empty
    assert status(world.readiness()) is Status.PASS


def test_a_share_that_is_written_faster_than_copied_freezes_nobody(
    world: FileWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("_FEW_S", "_MOST_S"):
        monkeypatch.setattr(level_files, limit, 0.0)
    monkeypatch.setattr(level_files, "_MOST_ROUNDS", 2)
    done(world.step())
    bring, number = CopyFiles.bring_level, iter(range(100))

    def busy(self, writer):  # type: ignore[no-untyped-def]
        (world.share / f"new {next(number)}").write_text("new")
        return bring(self, writer)

    monkeypatch.setattr(CopyFiles, "bring_level", busy)
    with pytest.raises(ApplyFailed, match="1 files of 3 bytes had changed again after 2 copies"):
        apply(world.readiness())
    assert status(world.readiness()) is not Status.PASS


def test_a_file_that_grows_all_the_time_is_left_to_the_last_copy() -> None:
    world, ends = DiskWorld(), threading.Event()

    def grow() -> None:
        with (world.share / "log").open("ab", buffering=0) as log:
            while not ends.wait(0.0005):
                log.write(b"x" * 4096)

    (world.share / "log").write_bytes(os.urandom(24 << 20))
    growing = threading.Thread(target=grow)
    growing.start()
    try:
        apply(world.step())
        assert status(world.step()) is Status.PASS
        apply(world.readiness())
        ends.set()
        growing.join()
        apply(last_of(world))
        assert status(last_of(world)) is Status.PASS
        assert (world.place / "log").read_bytes() == (world.share / "log").read_bytes()
    finally:
        ends.set()
        growing.join()
        world.close()
