"""Copies of shares: refusals, live sources, resuming, full disks, and every kind of damage."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.access import Reader
from core.checks import Check, Status, overall
from core.errors import ApplyFailed, Refused
from core.facts import Known
from core.plan import Plan, step_drift
from core.step import Step
from tasks.files import bucket_reader, folder_reader, verifying
from tasks.files.transfer import compare_bytes
from tests.contract.test_lifecycle import apply, look_and_plan, status, undo
from tests.worlds.aws_server import client
from tests.worlds.files import BUCKET, MOMENT, BucketWorld, DiskWorld

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners can be set by root only")


@pytest.fixture
def disk() -> Iterator[DiskWorld]:
    world = DiskWorld()
    yield world
    world.close()


@pytest.fixture
def bucket() -> Iterator[BucketWorld]:
    world = BucketWorld()
    yield world
    world.close()


def failed(step: Step[Any]) -> dict[str, Check]:
    reader = Reader()
    try:
        return {c.name: c for c in step.verify(reader) if c.status is not Status.PASS}
    finally:
        reader.close()


def last_of(world: DiskWorld | BucketWorld) -> Step[Any]:
    return world.step(key=world.copy.replace("files/", "cutover/"), last=True)


def rewrite(path: Path, content: bytes, moment: float) -> None:
    path.write_bytes(content)
    os.utime(path, (moment, moment))


def test_the_plan_says_what_is_held_and_what_is_left_out(disk: DiskWorld, bucket: BucketWorld) -> None:
    for world in (disk, bucket):
        (change,) = look_and_plan(world.step()).changes
        assert (change.action, change.measures["files"], change.measures["links"]) == ("copy", 9, 3)
        assert change.measures["left_out"] == ["pipe"]
        assert change.before is None
        assert {"files", "folders", "links", "modes and owners"} <= change.after.keys()
        assert "new\\nline" in change.measures["odd_names"]
        assert "\\xd6\\xd0gbk.txt" in change.measures["odd_names"]


def test_a_rehearsal_before_the_bucket_exists_plans_the_same(bucket: BucketWorld) -> None:
    later = look_and_plan(bucket.step())
    s3 = client("s3")
    for version in s3.list_object_versions(Bucket=BUCKET)["Versions"]:
        s3.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
    s3.delete_bucket(Bucket=BUCKET)
    assert list(step_drift(look_and_plan(bucket.step()), later, begun=False)) == []


def test_somebody_elses_files_are_not_overwritten(disk: DiskWorld, bucket: BucketWorld) -> None:
    (disk.place / "深/层").mkdir(parents=True)
    (disk.place / "深/层/文件").write_text("theirs")
    client("s3").put_object(Bucket=BUCKET, Key="深/层/文件", Body=b"four")
    for world in (disk, bucket):
        before = world.snapshot()
        with pytest.raises(Refused, match="深/层/文件"):
            look_and_plan(world.step())
        assert world.snapshot() == before


def test_somebody_elses_equal_file_stays_theirs(disk: DiskWorld) -> None:
    disk.place.mkdir(parents=True)
    rewrite(disk.place / "-rf", b"dash", (disk.share / "-rf").stat().st_mtime)
    before = disk.snapshot()
    plan, _ = apply(disk.step())
    assert status(disk.step()) is Status.PASS
    undo(disk.step(), plan)
    assert disk.snapshot() == before


DAMAGE: dict[str, tuple[Callable[[DiskWorld], object], str]] = {
    "missing": (lambda w: (w.place / "-rf").unlink(), "entries missing at the target"),
    "longer": (lambda w: (w.place / "-rf").write_text("dashes"), "files of another size"),
    "bit flipped": (DiskWorld.flip, "files of other content (9 compared"),
    "time": (lambda w: os.utime(w.place / "-rf", (0, MOMENT + 500)), "other modification times"),
    "mode": (lambda w: (w.place / "-rf").chmod(0o600), "other modes or owners"),
    "owner": (lambda w: os.chown(w.place / "-rf", 7, 7), "other modes or owners"),
    "empty folder": (lambda w: (w.place / "空 folder/inner").rmdir(), "entries missing at the target"),
    "link": (lambda w: (w.share / "other link").replace(w.place / "link"), "links that point elsewhere"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_at_the_target_is_named(disk: DiskWorld, kind: str) -> None:
    (disk.share / "other link").symlink_to("-rf")
    apply(disk.step())
    assert failed(disk.step()) == {}
    damage, check = DAMAGE[kind]
    damage(disk)
    found = failed(disk.step())
    assert any(name.startswith(check) for name in found), found


def test_damage_that_a_listing_shows_is_repaired(disk: DiskWorld) -> None:
    apply(disk.step())
    whole = disk.snapshot()
    (disk.place / "-rf").unlink()
    (disk.place / "bin/tool").chmod(0o600)
    _, journal = apply(disk.step())
    assert any("copy 1 files" in line for line in journal)
    assert disk.snapshot() == whole


def test_a_link_set_again_leaves_the_time_of_its_folder(disk: DiskWorld) -> None:
    apply(disk.step())
    for link in (disk.place / "link", disk.place / "深/dangling"):
        parent = link.parent.stat().st_mtime
        link.unlink()
        os.utime(link.parent, (parent, parent))
    apply(disk.step())
    assert failed(disk.step()) == {}


def test_content_that_cannot_be_compared_is_never_equal(
    disk: DiskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(disk.step())
    monkeypatch.setattr(folder_reader.FolderReader, "checksums", lambda *_: {})
    assert failed(disk.step()) == {}, "without checksums the bytes are read"
    monkeypatch.setattr(folder_reader, "compare_bytes", lambda *a: ([], list(a[3])))
    (check,) = failed(disk.step()).values()
    assert check.status is Status.UNKNOWN
    assert check.actual.startswith("9: ")


def test_checksums_claimed_by_the_uploader_are_not_believed(
    bucket: BucketWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(bucket.step())
    assert failed(bucket.step()) == {}
    monkeypatch.setattr(bucket_reader, "SINGLE_PART_BYTES", 5)
    read: list[list[str]] = []
    whole = compare_bytes

    def spy(*a: Any) -> Any:
        read.append(list(a[3]))
        return whole(*a)

    monkeypatch.setattr(bucket_reader, "compare_bytes", spy)
    assert failed(bucket.step()) == {}
    assert "bin/tool" in read[-1] and "-rf" not in read[-1]


def test_what_changes_after_the_copy_is_left_to_the_last_one(disk: DiskWorld, bucket: BucketWorld) -> None:
    for world in (disk, bucket):
        rehearsed = look_and_plan(last_of(world))
        apply(world.step())
        time.sleep(0.02)
        rewrite(world.share / "-rf", b"DASH", MOMENT + 900)
        (world.share / "new file").write_text("new")
        # The same size and time: only the source's own clock tells.
        secretly = world.share / "bin/tool"
        rewrite(secretly, b"\x01" * 10_000, secretly.stat().st_mtime)
        (world.share / 'tab\tit\'s "quoted" ').unlink()
        assert look_and_plan(world.step()).is_empty
        assert failed(world.step()) == {}
        last = last_of(world)
        assert list(step_drift(rehearsed, look_and_plan(last), begun=False)) == []
        assert status(last) is not Status.PASS
        apply(last)
        assert failed(last) == {}
        assert look_and_plan(last).is_empty
        assert look_and_plan(world.step()).is_empty
        assert status(world.step()) is Status.PASS
        (world.share / "too late").write_text("lost")
        assert "written at the source after the last copy" in failed(last)


def test_the_last_copy_removes_what_is_ours_alone(disk: DiskWorld) -> None:
    disk.place.mkdir(parents=True)
    (disk.place / "theirs").write_text("stay")
    apply(disk.step())
    (disk.share / "-rf").unlink()
    (disk.share / "空 folder/inner").rmdir()
    apply(last_of(disk))
    assert not (disk.place / "-rf").exists()
    assert not (disk.place / "空 folder/inner").exists()
    assert (disk.place / "theirs").read_text() == "stay"


def test_after_its_undo_the_last_copy_is_due_again(disk: DiskWorld) -> None:
    apply(disk.step())
    plan, _ = apply(last_of(disk))
    undo(last_of(disk), plan)
    assert not look_and_plan(last_of(disk)).is_empty


def test_unfinished_files_of_a_cut_copy_go(disk: DiskWorld) -> None:
    (disk.place).mkdir(parents=True)
    (disk.place / "theirs.0123abcd.partial").write_text("not ours")
    apply(disk.step())
    (disk.place / "-rf").rename(disk.place / "-rf.0123abcd.partial")
    apply(disk.step())
    assert not (disk.place / "-rf.0123abcd.partial").exists()
    assert (disk.place / "theirs.0123abcd.partial").exists()


def test_undo_leaves_a_versioned_bucket_without_our_versions(bucket: BucketWorld) -> None:
    before = bucket.snapshot()
    plan, _ = apply(bucket.step())
    (bucket.share / "-rf").write_text("newer")
    apply(last_of(bucket))
    client("s3").delete_object(Bucket=BUCKET, Key="-rf")
    undo(bucket.step(), plan)
    after = bucket.snapshot()
    assert after[1:] == before[1:]  # type: ignore[index]


def test_names_a_bucket_cannot_hold_are_refused_by_name(bucket: BucketWorld) -> None:
    deep = bucket.share.joinpath(*["名" * 80] * 5)
    deep.mkdir(parents=True)
    (deep / "too deep").touch()
    (bucket.share / "link.rclonelink").touch()
    with pytest.raises(Refused) as caught:
        look_and_plan(bucket.step())
    assert "too long" in caught.value.detail
    assert "the link link needs this name" in caught.value.detail


def test_a_share_that_is_gone_is_not_an_empty_one(disk: DiskWorld) -> None:
    disk.share.rename(disk.root / "elsewhere")
    with pytest.raises(Refused, match="is not there"):
        look_and_plan(disk.step())


def test_a_full_disk_names_the_figures_and_loses_nothing(disk: DiskWorld) -> None:
    for number in range(6):
        (disk.share / f"block {number}").write_bytes(os.urandom(512 * 1024))
    disk.place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "qianyun-test", str(disk.place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        with pytest.raises(ApplyFailed, match=r"\d+ files need \d+ bytes, \d+ are free") as caught:
            apply(disk.step())
        assert str(disk.place) in caught.value.detail and caught.value.next_command
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk.place)], check=True)
        apply(disk.step())
        assert failed(disk.step()) == {}
    finally:
        subprocess.run(["umount", str(disk.place)], check=True)


def test_a_disk_that_fills_up_meanwhile(disk: DiskWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else took the room after we looked."""
    (disk.share / "block").write_bytes(os.urandom(2 * 1024 * 1024))
    disk.place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "qianyun-test", str(disk.place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        room = folder_reader.FolderReader.free_bytes
        looks: list[int | None] = [10**9]
        monkeypatch.setattr(
            folder_reader.FolderReader, "free_bytes", lambda self: looks.pop() if looks else room(self)
        )
        plan = look_and_plan(disk.step())
        looks.append(10**9)
        with pytest.raises(ApplyFailed, match="are free"):
            apply(disk.step())
        assert not plan.is_empty
    finally:
        subprocess.run(["umount", str(disk.place)], check=True)


KILLED = """
import sys
from pathlib import Path
from tasks.files.transfer import compare_bytes
from tests.contract.test_lifecycle import apply
from tests.worlds.files import DiskWorld, LocalSource, LocalTarget, local_host
from tasks.files import CopyFiles
root, copy = Path(sys.argv[1]), sys.argv[2]
step = CopyFiles(
    key=copy, copy=copy, source=LocalSource(local_host(root), str(root / "share")),
    target=LocalTarget(local_host(root), str(root / "data" / "share")), limit_bytes_s=1_000_000,
)
apply(step)
"""


def test_killed_in_the_middle_it_copies_only_what_is_missing(disk: DiskWorld) -> None:
    for number in range(30):
        (disk.share / f"block {number:02}").write_bytes(os.urandom(200_000))
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(disk.root), disk.copy])
    blocks: list[Path] = []
    for _ in range(300):
        blocks = list(disk.place.glob("block ??")) if disk.place.exists() else []
        if len(blocks) >= 5:
            break
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    time.sleep(0.3)
    arrived = len(list(disk.place.glob("block ??")))
    time.sleep(0.7)
    assert len(list(disk.place.glob("block ??"))) == arrived, "rclone outlived the run"
    assert 5 <= arrived < 30
    facts = look_facts(disk.step())
    assert facts.begun and facts.to_copy_files <= 39 - arrived
    apply(disk.step())
    assert failed(disk.step()) == {}
    assert not list(disk.place.rglob("*.partial"))


def look_facts(step: Step[Any]) -> Any:
    reader = Reader()
    try:
        target = step.inspect(reader).target
        assert isinstance(target, Known)
        return target.value
    finally:
        reader.close()


def test_owners_the_target_does_not_know_go_by_number(disk: DiskWorld) -> None:
    apply(disk.step())
    assert ((disk.place / "bin/tool").stat().st_uid, (disk.place / "bin/tool").stat().st_mode & 0o7777) == (
        65534,
        0o4750,
    )
    assert (disk.place / "深/层").stat().st_uid == 61234


def test_checks_are_none_of_names() -> None:
    names = [f"name {n:02}" for n in range(30)]
    check = verifying.none_of("missing", names)
    assert check.status is Status.FAIL
    assert check.actual.startswith("30: name 00, ") and "name 20" not in check.actual
    assert overall([verifying.none_of("missing", [])]) is Status.PASS


def test_the_reversal_of_the_last_copy_is_honest(disk: DiskWorld) -> None:
    assert (disk.step().reversal.kind, last_of(disk).reversal.kind) == ("reversible", "compensating")
    assert Plan.from_json(look_and_plan(disk.step()).to_json()).duration.p90_s > 0
