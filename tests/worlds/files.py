"""File steps enrolled in the lifecycle contract: real files and a real rclone, buckets on moto's server.

SSH is left out (commands run on this machine, rclone's local backend stands for SFTP): tests/files goes
through a real sshd.
"""

import os
import shutil
import stat
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.access import Journal, Reader, Writer
from core.errors import Unreadable
from core.step import Step
from inventory.secrets import SecretSource
from tasks.files import CopyFiles, LevelFiles, ReadShare, SourceFolder, TargetBucket, TargetFolder
from tasks.files.folder_reader import FolderReader
from tasks.files.folder_writer import FolderWriter
from tasks.files.ports import SourceReader, Target, TargetReader, TargetWriter
from tasks.files.rclone import Remote
from tasks.hosts.connection import Connection, Output
from tasks.hosts.endpoint import SshHost
from tasks.hosts.keep import ROOM
from tests.contract.case import Case, World
from tests.worlds.aws_server import REGION, Keys, client, reset

BUCKET = "practice-share"
NOBODY = 65534
UNKNOWN = 61234
MOMENT = 1_700_000_000
FILES = {
    "报价单 (最终版).txt": "中文".encode(),
    "-rf": b"dash",
    "new\nline": b"line",
    'tab\tit\'s "quoted" ': b"odd",
    "\udcd6\udcd0gbk.txt": b"not UTF-8",
    "１／２ ‛␊.doc": b"like rclone's quotes",
    "深/层/文件": b"deep",
    "empty file": b"",
    "bin/tool": b"\x00\xff" * 5000,
}


class LocalConnection(Connection):
    """Runs the commands on this machine, as a connection would on the host."""

    def __init__(self) -> None:
        self.address = "root@practice"

    def run(
        self, argv: Sequence[str], stdin: bytes | Iterable[bytes] = b"", silence_s: float = 0.0
    ) -> Output:
        content = stdin if isinstance(stdin, bytes) else b"".join(stdin)
        done = subprocess.run(list(map(os.fsencode, argv)), input=content, capture_output=True)
        return Output(done.returncode, done.stdout, done.stderr.decode(errors="replace"))

    def close(self) -> None:
        return None


@dataclass(frozen=True)
class LocalHost(SshHost):
    """This machine; unreachable while `known_hosts` is there."""

    def connect(self, *settings: str) -> Connection:
        if self.known_hosts.exists():
            raise Unreadable(f"{self.address}: no answer", transient=True)
        return LocalConnection()


def local_host(root: Path) -> LocalHost:
    return LocalHost("practice", 22, "root", SecretSource("file:key", root), root / "unreachable")


def local_remote(name: str, path: str) -> Remote:
    return Remote(name, path, f"root@practice:{path}", {"type": "local", "encoding": "Raw"})


class LocalSource(SourceFolder):
    def open_reader(self) -> SourceReader:
        return FolderReader(self.host.connect(), local_remote("src", self.path), self.path)


class LocalTarget(TargetFolder):
    def open_reader(self) -> TargetReader:
        return FolderReader(self.host.connect(), local_remote("dst", self.path), self.path)

    def open_writer(self, journal: Journal) -> TargetWriter:
        return FolderWriter(self.host.connect(), local_remote("dst", self.path), self.path, journal)


class FileWorld:
    """A share in a temporary folder, and an empty target."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="qianyun-files-"))
        self.share = self.root / "share"
        self.copy = f"files/share/{uuid.uuid4().hex}"
        self.damage: Callable[[], object] = lambda: shutil.rmtree(self.share)
        write_share(self.share)

    @property
    def source(self) -> SourceFolder:
        return LocalSource(local_host(self.root), str(self.share))

    @property
    def record(self) -> Path:
        return Path(ROOM, self.copy.replace("/", "~"))

    @property
    def target(self) -> Target:
        raise NotImplementedError

    def step(self, **other: Any) -> CopyFiles:
        return CopyFiles(**(self._common | {"key": self.copy} | other))

    def readiness(self) -> LevelFiles:
        return LevelFiles(**(self._common | {"key": self.copy.replace("files/", "cutover/") + "/readiness"}))

    @property
    def _common(self) -> dict[str, Any]:
        return {"source": self.source, "target": self.target, "copy": self.copy}

    def snapshot(self) -> object:
        return tree(self.share)

    def make_unreadable(self) -> None:
        (self.root / "unreachable").touch()

    def disturb(self) -> None:
        self.damage()

    def close(self) -> None:
        shutil.rmtree(self.root)


class DiskWorld(FileWorld):
    """The target is a folder that is not there yet, or one that holds something."""

    def __init__(self, *, holds: bool = False) -> None:
        super().__init__()
        self.place = self.root / "data" / "share"
        self.damage = self.flip
        if holds:
            (self.place / "深").mkdir(parents=True, mode=0o700)
            (self.place / "theirs").write_text("not ours")

    @property
    def target(self) -> TargetFolder:
        return LocalTarget(local_host(self.root), str(self.place))

    def flip(self) -> None:
        """One bit of one file; size and time stay."""
        path = self.place / "bin/tool"
        before = path.stat()
        content = bytearray(path.read_bytes())
        content[100] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def snapshot(self) -> object:
        return tree(self.share), tree(self.root / "data"), self.record.exists()

    def close(self) -> None:
        shutil.rmtree(self.record, ignore_errors=True)
        super().close()


class BucketWorld(FileWorld):
    """The target is a bucket that holds one object of somebody else's."""

    def __init__(self, *, versioned: bool = True) -> None:
        super().__init__()
        reset()
        self.cloud_keys = Keys()
        s3 = client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [{"Key": "owner", "Value": "finance"}]})
        if versioned:
            s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket=BUCKET, Key="theirs", Body=b"not ours")
        self.damage = lambda: s3.put_object(Bucket=BUCKET, Key="深/层/文件", Body=b"DEEP")

    @property
    def target(self) -> TargetBucket:
        return TargetBucket(self.cloud_keys.account(), BUCKET)

    def snapshot(self) -> object:
        s3 = client("s3")
        found = s3.list_object_versions(Bucket=BUCKET)
        objects = []
        for version in found.get("Versions", []):
            known = s3.get_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
            mark = "" if known["Metadata"].get("qianyun-step") is None else "ours"
            objects.append((version["Key"], known["Body"].read(), known["Metadata"].get("mtime"), mark))
        deletions = sorted(marker["Key"] for marker in found.get("DeleteMarkers", []))
        tags = {t["Key"]: t["Value"] for t in s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"]}
        state = tags.pop(f"qianyun:{self.copy}", "").split(" ")[-1].split("=")[0]
        return tree(self.share), sorted(objects), deletions, tags, state

    def close(self) -> None:
        self.cloud_keys.close()
        super().close()


def write_share(root: Path) -> None:
    """A small share with everything that breaks careless tools."""
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "空 folder" / "inner").mkdir(parents=True)
    (root / "link").symlink_to("深/层/文件")
    (root / "深" / "dangling").symlink_to("/nowhere/无")
    (root / "loop").symlink_to(".")
    os.mkfifo(root / "pipe")
    os.chown(root / "bin/tool", NOBODY, NOBODY)
    (root / "bin/tool").chmod(0o4750)
    os.chown(root / "深/层", UNKNOWN, UNKNOWN)
    (root / "深/层").chmod(0o2770)
    os.lchown(root / "link", UNKNOWN, UNKNOWN)
    entries = sorted([root, *root.rglob("*")], key=lambda path: -len(path.parts))
    for number, path in enumerate(entries):
        os.utime(path, ns=(0, (MOMENT + number) * 10**9 + 123_456_789), follow_symlinks=False)


def tree(root: Path) -> dict[str, Any]:
    """Everything below a folder; times in whole seconds, as SFTP carries them."""
    if not root.exists():
        return {}
    found = {}
    for path in [root, *sorted(root.rglob("*"))]:
        about = path.lstat()
        content: Any = path.read_bytes() if stat.S_ISREG(about.st_mode) else None
        content = str(path.readlink()) if path.is_symlink() else content
        # A folder's time is told only where it was set on purpose.
        time = int(about.st_mtime) if about.st_mtime < MOMENT + 10_000 else None
        found[str(path.relative_to(root))] = (about.st_mode, about.st_uid, about.st_gid, time, content)
    return found


def _copy_to_a_new_folder() -> tuple[Step[Any], World]:
    world = DiskWorld()
    return world.step(), world


def _copy_beside_others() -> tuple[Step[Any], World]:
    world = DiskWorld(holds=True)
    return world.step(), world


def _copy_to_a_bucket() -> tuple[Step[Any], World]:
    world = BucketWorld()
    return world.step(), world


def _last_copy() -> tuple[Step[Any], World]:
    world = DiskWorld()
    return world.step(key=f"cutover/{world.copy}", last=True), world


def _copied_and_changed_since(world: FileWorld) -> tuple[Step[Any], World]:
    done(world.step())
    for name in ("-rf", "深/层/new"):
        (world.share / name).write_bytes(b"since the copy")
        os.utime(world.share / name, (MOMENT + 900, MOMENT + 900))
    os.utime(world.share / "深/层", (MOMENT + 901, MOMENT + 901))
    return world.readiness(), world


def done(step: CopyFiles) -> None:
    reader = Reader()
    writer = Writer(reader, lambda text: None)
    try:
        step.apply(step.plan(step.inspect(reader)), writer)
    finally:
        writer.close()
        reader.close()


def _level_a_folder() -> tuple[Step[Any], World]:
    return _copied_and_changed_since(DiskWorld())


def _level_a_bucket() -> tuple[Step[Any], World]:
    return _copied_and_changed_since(BucketWorld())


def _read_share() -> tuple[Step[Any], World]:
    world = FileWorld()
    return ReadShare(key="discovery/share/share", source=world.source), world


CASES = (
    [
        Case("files/read-share", _read_share),
        Case("files/copy-to-disk", _copy_to_a_new_folder),
        Case("files/copy-beside-others", _copy_beside_others),
        Case("files/copy-to-bucket", _copy_to_a_bucket),
        Case("files/readiness-of-a-disk", _level_a_folder),
        Case("files/readiness-of-a-bucket", _level_a_bucket),
        Case("files/last-copy", _last_copy),
    ]
    if os.geteuid() == 0
    else []
)
