"""A real SSH server of our own on 127.0.0.1: not the machine's service, gone after the tests."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from inventory.secrets import SecretSource
from tasks.hosts.endpoint import SshHost


@dataclass(frozen=True)
class Server:
    """A running sshd: its folder holds the client's key, its host key and a known_hosts file."""

    folder: Path
    port: int

    def endpoint(self, **other: object) -> SshHost:
        values = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "root",
            "key": SecretSource("file:client", self.folder),
            "known_hosts": self.folder / "known_hosts",
        }
        return SshHost(**{**values, **other})  # type: ignore[arg-type]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def make_key(path: Path) -> str:
    """Make a key pair without a pass phrase and return the public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text()


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    if program is None or not shutil.which("ssh-keygen"):
        pytest.skip("no OpenSSH server on this machine")
    if not Path("/root").owner() == Path("/proc/self").owner() == "root":
        pytest.skip("logging in as root needs root")
    folder = tmp_path_factory.mktemp("sshd")
    public, port = make_key(folder / "host"), free_port()
    (folder / "authorized_keys").write_text(make_key(folder / "client"))
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nPermitRootLogin prohibit-password\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
    )
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    process = subprocess.Popen([program, "-D", "-f", folder / "config", "-E", folder / "log"])
    try:
        _wait_until_listening(port)
        yield Server(folder, port)
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_listening(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
