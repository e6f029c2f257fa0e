"""The SSH layer against a real sshd: who answers, what breaks, odd names, much data, refused writes."""

import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import ApplyFailed, MigrationError, Refused, Unreadable
from core.facts import ABSENT, Known
from inventory.secrets import SecretSource
from tasks.hosts import connection, endpoint
from tasks.hosts.ports import HostReader, HostWriter
from tasks.hosts.ssh_reader import SshReader
from tests.hosts.conftest import Server, free_port, make_key

ODD = [
    "plain",
    "two words",
    "引用 'quote\" $HOME `id`",
    "new\nline",
    "-rf",
    "back\\slash",
    "tab\t*?[x]",
    "末",
]


@pytest.fixture
def look(sshd: Server) -> Any:
    reader = sshd.endpoint().open_reader()
    yield reader
    reader.close()


@pytest.fixture
def journal() -> list[str]:
    return []


@pytest.fixture
def host(sshd: Server, journal: list[str]) -> Any:
    writer = sshd.endpoint().open_writer(journal.append)
    yield writer
    writer.close()


def failure(server: Server, **other: object) -> MigrationError:
    with pytest.raises(MigrationError) as caught:
        server.endpoint(**other).open_reader()
    return caught.value


def test_an_unknown_host_key_is_refused_with_its_fingerprint(sshd: Server, tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text("")
    error = failure(sshd, known_hosts=tmp_path / "known_hosts")
    assert isinstance(error, Refused)
    assert not error.transient
    assert "SHA256:" in error.detail
    assert error.next_command.startswith(f"ssh-keyscan -p {sshd.port} 127.0.0.1 >> ")


def test_a_changed_host_key_is_refused_with_both_fingerprints(sshd: Server, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {other}")
    error = failure(sshd, known_hosts=tmp_path / "known_hosts")
    assert isinstance(error, Refused)
    assert not error.transient
    assert error.detail.count("SHA256:") == 2
    assert error.next_command.startswith("ssh-keygen -R ")


def test_without_known_hosts_nobody_is_trusted(sshd: Server, tmp_path: Path) -> None:
    error = failure(sshd, known_hosts=tmp_path / "missing")
    assert isinstance(error, Unreadable)
    assert not error.transient


def test_a_key_the_host_does_not_accept(sshd: Server, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    error = failure(sshd, key=SecretSource("file:stranger", tmp_path))
    assert isinstance(error, Unreadable)
    assert not error.transient
    assert "file:stranger" in error.detail


def test_a_secret_that_is_no_key_is_not_quoted(sshd: Server, tmp_path: Path) -> None:
    (tmp_path / "nokey").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END X-----\n")
    (tmp_path / "nokey").chmod(0o600)
    error = failure(sshd, key=SecretSource("file:nokey", tmp_path))
    assert isinstance(error, Unreadable)
    assert "c2VjcmV0" not in f"{error}{error.__cause__}{error.__context__}"


def test_a_closed_port_is_worth_another_try(sshd: Server) -> None:
    assert failure(sshd, port=free_port()).transient


def test_an_unresolvable_name(sshd: Server) -> None:
    assert isinstance(failure(sshd, host="no-such-host.invalid"), Unreadable)


def test_a_server_that_never_says_hello(sshd: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "BANNER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert failure(sshd, port=silent.getsockname()[1]).transient


def test_a_command_that_hangs_is_given_up(sshd: Server) -> None:
    line = sshd.endpoint().connect()
    with pytest.raises(Unreadable) as caught:
        line.run(["sleep", "30"], silence_s=0.3)
    assert caught.value.transient
    line.close()


def test_a_connection_cut_under_a_command(sshd: Server) -> None:
    line = sshd.endpoint().connect()
    threading.Timer(0.3, line.close).start()
    with pytest.raises(Unreadable) as caught:
        line.run(["sleep", "30"])
    assert caught.value.transient


def test_much_on_both_outputs_and_input_does_not_lock_up(sshd: Server) -> None:
    line = sshd.endpoint().connect()
    script = "head -c 8000000 /dev/zero >&2; cat; head -c 8000000 /dev/zero >&2"
    output = line.run(["sh", "-c", script], b"x" * 8_000_000)
    assert (output.status, len(output.stdout)) == (0, 8_000_000)
    line.close()


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_written_listed_and_removed(
    look: HostReader, host: HostWriter, tmp_path: Path, name: str
) -> None:
    path = f"{tmp_path}/{name}"
    host.put_file(path, b"content", mode="640", owner="root", group="root", mtime_s=1_600_000_000)
    found = look.file(path)
    assert isinstance(found, Known)
    assert (found.value.mode, found.value.size_bytes, found.value.mtime_s) == ("640", 7, 1_600_000_000)
    assert look.read_file(path) == Known(b"content")
    tree = look.tree(str(tmp_path))
    assert isinstance(tree, Known)
    assert tree.value[name] == found.value
    host.remove([path], "it")
    assert look.file(path) == ABSENT
    assert look.read_file(path) == ABSENT
    assert look.tree(path) == ABSENT


def test_a_name_that_is_not_utf8(look: HostReader, host: HostWriter, tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/a/\xff\xfe.txt"
    Path(os.fsdecode(raw)).parent.mkdir()
    Path(os.fsdecode(raw)).write_bytes(b"1")
    tree = look.tree(f"{tmp_path}/a")
    assert isinstance(tree, Known)
    host.unpack(
        f"{tmp_path}/b/a",
        _into(tmp_path, look.pack(f"{tmp_path}/a", sorted(tree.value), "root", "root")),
        "a",
    )
    copied = look.tree(f"{tmp_path}/b/a")
    assert isinstance(copied, Known)
    assert copied.value.keys() == tree.value.keys()


def _into(folder: Path, stream: Any) -> Any:
    (folder / "b").mkdir()
    return stream


def test_a_tree_is_packed_with_links_modes_times_and_owners(
    look: HostReader, host: HostWriter, tmp_path: Path
) -> None:
    source = tmp_path / "from" / "shop"
    (source / "空 folder").mkdir(parents=True)
    (source / "link").symlink_to("nowhere at all")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o4750)
    os.utime(source / "run.sh", (1, 1_500_000_000))
    (tmp_path / "to").mkdir()
    tree = look.tree(str(source))
    assert isinstance(tree, Known)
    host.unpack(
        f"{tmp_path}/to/shop", look.pack(str(source), sorted(tree.value), "www-data", "www-data"), "shop"
    )
    copied = look.tree(f"{tmp_path}/to/shop")
    assert isinstance(copied, Known)
    assert copied.value.keys() == {"", "空 folder", "link", "run.sh"}
    script = copied.value["run.sh"]
    assert (script.mode, script.owner, script.mtime_s) == ("4750", "www-data", 1_500_000_000)
    assert copied.value["link"].target == "nowhere at all"


def test_a_large_file_is_streamed_whole(look: HostReader, host: HostWriter, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(1 << 20) * 48)
    (tmp_path / "to").mkdir()
    host.unpack(f"{tmp_path}/to/big", look.pack(f"{tmp_path}/big", [""], "root", "root"), "big")
    before, after = look.file(f"{tmp_path}/big"), look.file(f"{tmp_path}/to/big")
    assert isinstance(before, Known)
    assert isinstance(after, Known)
    assert before.value.sha256 == after.value.sha256


def test_many_files_are_listed_with_hashes(look: HostReader, tmp_path: Path) -> None:
    for number in range(5_000):
        (tmp_path / f"{number}.txt").write_text(str(number))
    tree = look.tree(str(tmp_path))
    assert isinstance(tree, Known)
    assert len({entry.sha256 for entry in tree.value.values() if entry.kind == "file"}) == 5_000


def test_half_a_file_never_gets_its_name(
    sshd: Server, look: HostReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("before")
    writer = sshd.endpoint().open_writer(lambda text: None)
    original = connection.Connection.run

    def cut(self: Any, argv: Any, stdin: Any = b"", silence_s: float = 9) -> Any:
        return original(self, argv, stdin[: len(stdin) // 2] if argv[0] == "sh" else stdin, silence_s)

    monkeypatch.setattr(connection.Connection, "run", cut)
    with pytest.raises(ApplyFailed, match="arrive whole"):
        writer.put_file(f"{tmp_path}/file", b"after " * 1000, mode="644", owner="root", group="root")
    writer.close()
    assert (tmp_path / "file").read_text() == "before"


def test_a_source_that_breaks_off_leaves_an_error(host: HostWriter, tmp_path: Path) -> None:
    def stream() -> Any:
        yield b"\0" * 512
        raise Unreadable("web-1: the connection was lost", transient=True)

    with pytest.raises(ApplyFailed) as caught:
        host.unpack(f"{tmp_path}/x", stream(), "x")
    assert caught.value.transient


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "small", disk], capture_output=True
    ).returncode:
        pytest.skip("may not mount a file system here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_names_the_next_command_and_keeps_the_old_file(
    host: HostWriter, small_disk: Path
) -> None:
    (small_disk / "file").write_text("before")
    with pytest.raises(ApplyFailed, match="No space left") as caught:
        host.put_file(f"{small_disk}/file", b"x" * 200_000, mode="644", owner="root", group="root")
    assert caught.value.next_command.endswith("df -h")
    assert not caught.value.transient
    assert (small_disk / "file").read_text() == "before"


def test_a_refused_write_says_what_the_host_said(host: HostWriter, tmp_path: Path) -> None:
    with pytest.raises(ApplyFailed, match=r"nonexistent|No such file") as caught:
        host.put_file(f"{tmp_path}/none/x", b"", mode="644", owner="root", group="root")
    assert not caught.value.transient


def test_every_write_is_journalled_before_it_happens(sshd: Server, tmp_path: Path) -> None:
    class Crash(BaseException):
        pass

    def crash(text: str) -> None:
        raise Crash

    writer = sshd.endpoint().open_writer(crash)
    file = str(tmp_path / "file")
    writes: list[Callable[[], None]] = [
        lambda: writer.put_file(file, b"", mode="644", owner="root", group="root"),
        lambda: writer.link(file, "x"),
        lambda: writer.make_dir(file),
        lambda: writer.remove([str(tmp_path)], "all"),
        lambda: writer.remove_empty_dir(str(tmp_path)),
        lambda: writer.copy("/etc/hostname", file),
        lambda: writer.unpack(file, [], "x"),
        lambda: writer.set_sysctl("vm.swappiness", "1"),
        lambda: writer.refresh_packages(),
        lambda: writer.install_packages(["sl"]),
        lambda: writer.remove_packages(["sl"]),
        lambda: writer.add_group("x"),
        lambda: writer.remove_group("x"),
        lambda: writer.add_account("x", None, "/bin/sh"),
        lambda: writer.change_account("x", [], "/bin/sh"),
        lambda: writer.remove_account("x"),
        lambda: writer.service("x", "start"),
        lambda: writer.check_configuration(["true"]),
    ]
    for write in writes:
        with pytest.raises(Crash):
            write()
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_reader_cannot_write(look: SshReader, tmp_path: Path) -> None:
    for argv in (
        ["touch", f"{tmp_path}/x"],
        ["sh", "-c", f"touch {tmp_path}/x"],
        ["find", str(tmp_path), "-delete"],
    ):
        with pytest.raises(Refused):
            look._shell.run(argv)
        with pytest.raises(Refused):
            list(look._shell.stream(argv, b""))
    assert tmp_path.exists()
    assert list(tmp_path.iterdir()) == []


def test_this_machine_is_read(look: HostReader) -> None:
    assert look.operating_system().kernel == os.uname().release
    assert look.cpu_count() >= 1
    assert look.memory_bytes() > 1 << 20
    assert any(disk.size_bytes for disk in look.disks())
    assert look.sockets()
    assert "dpkg" in look.packages()
    assert look.candidates(["no-such-package-at-all"]) == {}
    account = look.account("root")
    assert isinstance(account, Known)
    assert (account.value.uid, account.value.group) == (0, "root")
    assert look.account("no-such-account") == ABSENT
    assert look.group_exists("root")
    assert not look.group_exists("no-such-group")
    assert look.service("no-such-service") == ABSENT
    assert isinstance(look.sysctl("vm.swappiness"), Known)
    assert look.sysctl("vm.no_such_setting") == ABSENT
    assert isinstance(look.services(), tuple)


def test_what_cannot_be_read_is_not_absent(look: HostReader) -> None:
    with pytest.raises(Unreadable):
        look.read_file("/etc")
    with pytest.raises(Unreadable):
        look.would_install(["no-such-package-at-all"])
