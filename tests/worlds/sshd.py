"""An SSH server of our own on this machine's loopback address, for tests that need a real one."""

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import time
from functools import lru_cache
from pathlib import Path

from inventory.secrets import SecretSource
from tasks.hosts.endpoint import SshHost

_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/key.pub
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PermitRootLogin yes
MaxStartups 100
Subsystem sftp internal-sftp
"""


def available() -> bool:
    return _binary() is not None and os.geteuid() == 0


def _binary() -> str | None:
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Sshd:
    """The server; `host` gives endpoints with a key of their own folder, so that a test can spoil it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="qianyun-sshd-"))
        for name in ("host_key", "key", "stranger"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
            subprocess.run(command, check=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = self.folder / "sshd_config"
        config.write_text(_CONFIG.format(port=self.port, folder=self.folder))
        Path("/run/sshd").mkdir(exist_ok=True)
        self._process = subprocess.Popen([str(_binary()), "-D", "-f", str(config), "-E", f"{self.folder}/log"])
        public = (self.folder / "host_key.pub").read_text().split()
        self.known_hosts = self.folder / "known_hosts"
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public[0]} {public[1]}\n")
        self._wait()

    def _wait(self) -> None:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text())

    def host(self, folder: Path) -> SshHost:
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_text((self.folder / "key").read_text())
        source = SecretSource("file:key", folder)
        return SshHost("127.0.0.1", self.port, "root", source, self.known_hosts)

    def spoil_key(self, folder: Path) -> None:
        """From now on the server does not let this folder's key in."""
        (folder / "key").write_text((self.folder / "stranger").read_text())

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self.folder)


@lru_cache(maxsize=1)
def sshd() -> Sshd:
    """One server for the whole process."""
    server = Sshd()
    atexit.register(server.stop)
    return server
