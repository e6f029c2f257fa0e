"""Two durable MariaDB servers, each behind a cable of its own that can be cut, as on the practice estate."""

import atexit
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from inventory.secrets import SecretSource
from lab import network
from lab.commands import run
from lab.plan import Estate, Host, prefix_of
from tasks.databases.mysql.endpoint import MysqlServer
from tests.databases.servers import MIGRATOR, LocalServer, template_in

NEEDED = ("mariadbd", "mariadb-install-db", "ip", "ss", "unshare", "nsenter", "setpriv")
_HOSTS = (
    Host("source", "source", "database", "1.13", server_id=113),
    Host("target", "target", "database", "2.13", server_id=213),
)
_DURABLE = ("--debug-no-sync=0", "--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1")


class CabledServer(LocalServer):
    """A server that outlives no test, in a network of its own that outlives the server."""

    def __init__(self, estate: Estate, host: str, folder: Path, template: Path, *more: str) -> None:
        self.estate, self.host = estate, host
        self.address = estate.address(host)
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sleep", "infinity"], preexec_fn=_die_with_parent
        )
        atexit.register(self._holder.kill)
        _await_namespace(self._holder.pid)
        network.plug(estate, host, self._holder.pid)
        number = estate.host(host).server_id
        super().__init__(
            folder, template, *_DURABLE, "--bind-address=0.0.0.0", f"--server-id={number}", *more
        )

    def spawn(self, command: list[str]) -> "subprocess.Popen[bytes]":
        inside = ["nsenter", "-t", str(self._holder.pid), "-n"]
        # Entering takes root, so that the account is changed behind it.
        as_mysql = ["setpriv", "--reuid=mysql", "--regid=mysql", "--clear-groups", "--pdeathsig", "KILL"]
        return subprocess.Popen([*inside, *as_mysql, *command], stderr=subprocess.DEVNULL)

    def endpoint(self, user: str = MIGRATOR, port: int = 0) -> MysqlServer:
        source = SecretSource("env:QIANYUN_TEST_MYSQL_PASSWORD", Path())
        return MysqlServer(host=self.address, port=port or self.port, user=user, password=source)

    def cut(self) -> None:
        """From now on packets vanish on the way, in both directions."""
        network.set_cable(self.estate, self.host, "down")

    def mend(self) -> None:
        network.set_cable(self.estate, self.host, "up")

    def reset_connections(self) -> None:
        """Every connection to the server ends with a reset at both ends, as by a firewall that restarts."""
        run(["ss", "-K", "dst", self.address, "dport", "=", f":{self.port}"])

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
        self._holder.kill()
        self._holder.wait()


@dataclass(frozen=True)
class Cabled:
    source: CabledServer
    target: CabledServer
    folder: Path


@contextmanager
def cabled(*more: str) -> Iterator[Cabled]:
    """Both servers; skipped by name without root or a tool. Whatever happens, nothing of it stays."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if missing := [tool for tool in NEEDED if not shutil.which(tool, path=path)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    _remove_what_was_left()
    folder = Path(tempfile.mkdtemp(prefix="qianyun-cabled-"))
    folder.chmod(0o755)
    name = f"kill-{os.getpid()}"
    estate = Estate(name, prefix_of(name), folder, _HOSTS)
    made: list[CabledServer] = []
    try:
        network.raise_bridge(estate)
        template = template_in(folder)
        for host in ("source", "target"):
            made.append(CabledServer(estate, host, folder / host, template, *more))
        yield Cabled(*made, folder)
    finally:
        for server in made:
            server.stop()
        network.remove_network(estate)
        shutil.rmtree(folder, ignore_errors=True)


def _remove_what_was_left() -> None:
    """Bridges of runs that were killed themselves; their servers and namespaces went with them."""
    for link in network.LINKS.glob("qy*"):
        alias = link / "ifalias"
        said = alias.read_text().strip() if alias.exists() else ""
        name = said.removeprefix("qianyun-lab/")
        if said != name and name.startswith("kill-") and not Path(f"/proc/{name[5:]}").exists():
            network.remove_network(Estate(name, int(link.name[2:]), Path(), _HOSTS))


def _await_namespace(pid: int) -> None:
    ours = Path("/proc/self/ns/net").readlink()
    while Path(f"/proc/{pid}/ns/net").readlink() == ours:
        pass


def _die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
