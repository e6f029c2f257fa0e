"""The whole way through a real sshd: SFTP by rclone, commands by SSH, host keys pinned for both."""

import base64
import hashlib
import hmac
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.access import Reader
from core.checks import Status
from core.errors import Refused, Unreadable
from core.facts import Known
from tasks.files import CopyFiles, ReadShare, SourceFolder, TargetBucket, TargetFolder
from tasks.files.shell import LookingShell, sftp_remote
from tasks.hosts.keep import ROOM
from tests.contract.test_lifecycle import apply, look_and_plan, status, undo
from tests.files.conftest import Server
from tests.worlds.aws_server import REGION, Keys, client, reset
from tests.worlds.files import BUCKET, FILES, tree, write_share


@pytest.fixture
def step(sshd: Server, tmp_path: Path) -> Iterator[CopyFiles]:
    write_share(tmp_path / "share")
    copy = f"files/share/{uuid.uuid4().hex}"
    source = SourceFolder(sshd.host(), str(tmp_path / "share"))
    target = TargetFolder(sshd.host(), str(tmp_path / "data" / "copy"))
    yield CopyFiles(key=copy, copy=copy, source=source, target=target)
    shutil.rmtree(Path(ROOM, copy.replace("/", "~")), ignore_errors=True)


def test_a_whole_life_over_ssh(step: CopyFiles, tmp_path: Path) -> None:
    plan, _ = apply(step)
    wanted = tree(tmp_path / "share")
    del wanted["pipe"]
    assert tree(tmp_path / "data" / "copy") == wanted
    assert status(step) is Status.PASS
    assert look_and_plan(step).is_empty
    undo(step, plan)
    assert not (tmp_path / "data").exists()


def test_into_a_bucket_over_ssh(step: CopyFiles) -> None:
    reset()
    keys = Keys()
    client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    step = replace(step, target=TargetBucket(keys.account(), BUCKET))
    apply(step)
    found = client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert len(found) == len(FILES) + 3
    assert (
        client("s3").get_object(Bucket=BUCKET, Key="link.rclonelink")["Body"].read() == "深/层/文件".encode()
    )
    assert status(step) is Status.PASS
    assert look_and_plan(step).is_empty
    keys.close()


def test_a_share_is_counted(sshd: Server, tmp_path: Path) -> None:
    write_share(tmp_path)
    read = ReadShare(key="discovery/share/share", source=SourceFolder(sshd.host(), str(tmp_path)))
    reader = Reader()
    share = read.inspect(reader).share
    reader.close()
    assert isinstance(share, Known)
    found = share.value
    assert (found.files, found.links, found.empty_folders, found.special) == (9, 3, 1, ("pipe",))
    assert found.size_bytes == sum(map(len, FILES.values()))
    assert found.deepest == "深/层/文件"
    assert {"-rf", "new\\nline", "\\xd6\\xd0gbk.txt"} <= set(found.odd_names)
    assert status(read) is Status.PASS


def test_neither_a_wrong_key_nor_an_unknown_host_gets_through(step: CopyFiles, sshd: Server) -> None:
    with pytest.raises(Unreadable, match="does not let us in"):
        look_and_plan(replace(step, source=SourceFolder(sshd.host(key="stranger"), "/")))
    stranger = sshd.host(known_hosts="empty_hosts")
    with pytest.raises(Refused, match="host key"):
        look_and_plan(replace(step, source=SourceFolder(stranger, "/")))
    with pytest.raises(Refused, match="host key"):
        sftp_remote("src", stranger, "/")


def test_hashed_host_names_are_found(sshd: Server, tmp_path: Path) -> None:
    host = sshd.host()
    salt = b"0123456789abcdefghij"
    digest = hmac.new(salt, f"[127.0.0.1]:{sshd.port}".encode(), hashlib.sha1).digest()
    name = "|".join(["", "1", *(base64.b64encode(part).decode() for part in (salt, digest))])
    kinds = "".join(f"{name} {kind} AAAA\n" for kind in ("ssh-rsa", "ssh-ed25519"))
    (tmp_path / "hashed").write_text(f"# a comment\nanother ecdsa-sha2-nistp256 AAAA\n{kinds}")
    remote = sftp_remote("src", replace(host, known_hosts=tmp_path / "hashed"), "/")
    assert remote.settings["host_key_algorithms"] == "rsa-sha2-512 rsa-sha2-256 ssh-ed25519"


WRITES = (
    ["rm", "-rf", "/tmp/x"],
    ["find", "/tmp", "-delete"],
    ["find", "/tmp", "-fprint", "/tmp/x"],
    ["xargs", "-0", "-r", "md5sum", "-z", "--", "x"],
    ["xargs", "-0", "-r", "rm"],
    ["sh", "-c", "md5sum"],
    ["tar", "--extract"],
)


@pytest.mark.parametrize("argv", WRITES, ids=" ".join)
def test_a_looking_shell_refuses_what_writes(sshd: Server, argv: list[str]) -> None:
    connection = sshd.host().connect()
    try:
        with pytest.raises(Refused):
            LookingShell(connection).run(argv)
    finally:
        connection.close()
