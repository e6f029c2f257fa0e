"""A real SSH server with SFTP on this machine's loopback address, for what the double leaves out."""

import os
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
    folder: Path
    port: int

    def host(self, key: str = "client", known_hosts: str = "known_hosts") -> SshHost:
        source = SecretSource(f"file:{key}", self.folder)
        return SshHost("127.0.0.1", self.port, "root", source, self.folder / known_hosts)


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    if program is None or os.geteuid() != 0:
        pytest.skip("needs root and an OpenSSH server")
    folder = tmp_path_factory.mktemp("sshd")
    for name, kind in (
        ("host", "ed25519"),
        ("other", "ecdsa"),
        ("client", "ed25519"),
        ("stranger", "ed25519"),
    ):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", folder / name], check=True)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    # Two host keys, of which known_hosts has one: rclone must not ask for the other.
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "empty_hosts").touch()
    settings = (
        f"ListenAddress 127.0.0.1:{port}",
        f"HostKey {folder}/host",
        f"HostKey {folder}/other",
        f"AuthorizedKeysFile {folder}/client.pub",
        "PidFile none",
        "PermitRootLogin prohibit-password",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "MaxStartups 100",
        "Subsystem sftp internal-sftp",
    )
    (folder / "config").write_text("\n".join(settings) + "\n")
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    process = subprocess.Popen([program, "-D", "-f", folder / "config", "-E", folder / "log"])
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield Server(folder, port)
    finally:
        process.terminate()
        process.wait(10)
