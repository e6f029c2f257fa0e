"""Where the tests keep ledgers: a folder each, and a PostgreSQL server of our own."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ledger.book import Ledger
from ledger.reading import LedgerReader

PROJECT = "demo"


@dataclass(frozen=True)
class Place:
    """A ledger's home and address; opened anew as often as a test likes."""

    home: Path
    url: str | None

    def open(self, project: str = PROJECT) -> Ledger:
        return Ledger.open(self.home, self.url, project)

    def peek(self) -> LedgerReader:
        return Ledger.peek(self.home, self.url)

    @property
    def is_postgresql(self) -> bool:
        return bool(self.url) and not str(self.url).startswith("sqlite")


def binaries() -> Path | None:
    """The newest PostgreSQL server on this machine."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0])
    )
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).resolve().parent if elsewhere else None


@contextmanager
def postgresql_server(bin_folder: Path) -> Iterator[str]:
    """A throw-away server on a free port, as an unprivileged user; gives its URL without a database."""
    user = _unprivileged_user()
    folder = Path(tempfile.mkdtemp(prefix="qianyun-pg-"))
    if user:
        shutil.chown(folder, user)
    port = _free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "user": user, "cwd": folder}
    data = folder / "data"
    arguments = [bin_folder / "initdb", "-D", data, "-U", "qianyun", "-A", "trust", "-E", "UTF8"]
    subprocess.run([*arguments, "--no-locale", "--no-sync"], check=True, **quiet)  # type: ignore[call-overload]
    options = ["-p", str(port), "-k", str(folder), "-h", "127.0.0.1", "-F"]
    server = subprocess.Popen([bin_folder / "postgres", "-D", data, *options], **quiet)  # type: ignore[call-overload]
    url = f"postgresql://qianyun@127.0.0.1:{port}"
    try:
        _await(url, server)
        yield url
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: nothing here is worth writing to the disk
        server.wait(timeout=30)
        shutil.rmtree(folder)


def create_database(server: str, name: str) -> str:
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    return f"{server}/{name}"


def _unprivileged_user() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(url: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(f"{url}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
