"""Two real MariaDB servers of our own in a temporary folder, started once per test run."""

import atexit
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pymysql
import pytest

from inventory.secrets import SecretSource
from tasks.databases.mysql.endpoint import MysqlServer

PASSWORD = "practice-word-for-tests"
MIGRATOR = "migrator"
_SETTINGS = (
    "--no-defaults", "--skip-name-resolve", "--bind-address=127.0.0.1", "--performance-schema=OFF",
    "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--debug-no-sync",
    "--log-bin=log", "--binlog-format=ROW", "--sync-binlog=0", "--log-slave-updates",
    "--max-allowed-packet=16M", "--character-set-server=utf8mb4", "--sql-mode=STRICT_TRANS_TABLES",
)  # fmt: skip


class LocalServer:
    """One mariadbd: what tests do to it goes by its root account, never by our own code."""

    flavour = "mariadb"
    bypasses_read_only = "READ_ONLY ADMIN"
    """By which privilege; the freeze would rightly refuse an open session that has it."""

    def __init__(self, folder: Path, template: Path, *more: str) -> None:
        self.data, self.socket = folder / "data", folder / "socket"
        folder.mkdir()
        shutil.copytree(template, self.data)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        account = account_of_servers()
        if account:
            subprocess.run(["chown", "-R", account, folder], check=True)
        self._folder, self._more = folder, more
        self._start()
        atexit.register(self.stop)
        os.environ["QIANYUN_TEST_MYSQL_PASSWORD"] = PASSWORD
        self.run(f"CREATE USER {MIGRATOR}@'%' IDENTIFIED BY '{PASSWORD}'")
        self.run(f"GRANT ALL ON *.* TO {MIGRATOR}@'%' WITH GRANT OPTION")
        self.run(f"REVOKE {self.bypasses_read_only} ON *.* FROM root@localhost")

    def command(self) -> tuple[str, ...]:
        """The program and the settings of its kind."""
        return (_mariadbd(), *_SETTINGS)

    def _start(self) -> None:
        self.process = self.spawn(
            [
                *self.command(), *self._more, f"--datadir={self.data}", f"--socket={self.socket}",
                f"--port={self.port}", f"--log-error={self._folder / 'log'}",
                # A server that starts deletes the temporary tables of others in the same folder.
                f"--tmpdir={self._folder}",
            ]
        )  # fmt: skip
        self._wait()

    def spawn(self, command: list[str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            command,
            user=account_of_servers(),
            group=account_of_servers(),
            stderr=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,
        )

    def restart(self, by: signal.Signals = signal.SIGTERM, down_s: float = 0.0) -> None:
        self.process.send_signal(by)
        self.process.wait(30)
        self.__dict__.pop("_root", None)
        time.sleep(down_s)
        self._start()
        # Root's session keeps the privilege with which it began, as before the restart.
        allow = self.bypasses_read_only + " ON *.* {} root@localhost"
        self.run(f"GRANT {allow.format('TO')}", user=MIGRATOR, password=PASSWORD)
        self.__dict__.pop("_root", None)
        self.run(f"REVOKE {allow.format('FROM')}")

    def connect(self, **more: Any) -> "pymysql.connections.Connection[Any]":
        settings: dict[str, Any] = {"user": "root", "unix_socket": str(self.socket), "charset": "utf8mb4"}
        return pymysql.connect(autocommit=True, **{**settings, **more})

    def run(self, *statements: str, **more: Any) -> list[Any]:
        """Statements one after another; gives the rows of the last."""
        connection = self.connect(**more) if more else self._root
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows = list(cursor.fetchall())
        if more:
            connection.close()
        return rows

    @cached_property
    def _root(self) -> "pymysql.connections.Connection[Any]":
        return self.connect()

    def endpoint(self, user: str = MIGRATOR, port: int = 0) -> MysqlServer:
        source = SecretSource("env:QIANYUN_TEST_MYSQL_PASSWORD", Path())
        return MysqlServer(host="127.0.0.1", port=port or self.port, user=user, password=source)

    def schemas(self) -> list[str]:
        system = ("information_schema", "performance_schema", "mysql", "sys")
        return sorted(row[0] for row in self.run("SHOW DATABASES") if row[0] not in system)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def _wait(self) -> None:
        for _ in range(150):
            try:
                self.run("SELECT 1")
                return
            except pymysql.err.OperationalError:
                time.sleep(0.1)
        raise RuntimeError(f"{self.flavour} did not start: {self._folder / 'log'}")


FLAVOURS = "QIANYUN_TEST_SERVERS"
"""Of source and target, such as mysql:mysql or mariadb:mysql; without it both are MariaDB."""


def flavours() -> tuple[str, str]:
    source, _, target = os.environ.get(FLAVOURS, "mariadb:mariadb").partition(":")
    return source, target or source


def only_mariadb() -> bool:
    """Whether tests may use what MySQL does not know: sequences, packages, types of addresses."""
    return flavours() == ("mariadb", "mariadb")


_MARIADB_ALONE = re.compile(
    r"\b(?:SEQUENCE|PACKAGE|INET[46]|UUID|COMPRESSED|NEXTVAL|SETVAL|ORACLE|SYSTEM VERSIONING)\b"
)


def known(*statements: str) -> bool:
    """Whether both servers know what these statements or types speak of."""
    return only_mariadb() or not any(_MARIADB_ALONE.search(statement) for statement in statements)


def servers() -> tuple[LocalServer, LocalServer]:
    """Source and target; tests that need them are skipped by name where they are not installed."""
    return pair(*flavours())


@cache
def pair(source: str, target: str) -> tuple[LocalServer, LocalServer]:
    """Two servers of these flavours."""
    from tests.databases import mysql_servers  # it builds on this module

    if "mariadb" in (source, target) and not (_mariadbd() and shutil.which("mariadb-install-db")):
        pytest.skip("mariadbd is not installed (apt-get install mariadb-server)")
    # Building a TLS context takes 22 ms, and the lifecycle suite connects some thousand times.
    pymysql.connections.SSL_ENABLED = False  # type: ignore[attr-defined]
    folder = Path(tempfile.mkdtemp(prefix="qianyun-databases-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    templates = {"mariadb": template_in, "mysql": mysql_servers.template_in}
    kinds = {"mariadb": LocalServer, "mysql": mysql_servers.LocalMysql}
    made = {flavour: templates[flavour](folder) for flavour in {source, target}}
    return (
        # A target that replicates by itself ignores what bears its own number.
        kinds[source](folder / "source", made[source], "--server-id=1"),
        kinds[target](folder / "target", made[target], "--server-id=2"),
    )


def template_in(folder: Path) -> Path:
    """A data folder as a new server has it."""
    template = folder / "template"
    subprocess.run(
        [
            "mariadb-install-db", "--no-defaults", f"--datadir={template}", "--skip-test-db",
            f"--tmpdir={folder}",
            "--auth-root-authentication-method=normal", "--innodb-log-file-size=32M",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return template


def _mariadbd() -> str:
    return shutil.which("mariadbd", path=os.environ.get("PATH", "") + ":/usr/sbin") or ""


def account_of_servers() -> str | None:
    """Servers refuse to run as root."""
    return "mysql" if os.geteuid() == 0 else None


def _die_with_parent() -> None:
    """A killed test run leaves no server behind."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
