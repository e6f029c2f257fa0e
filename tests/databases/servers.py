"""Two real MariaDB servers of our own in a temporary folder, started once per test run."""

import atexit
import ctypes
import os
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

    def __init__(self, folder: Path, template: Path, *more: str) -> None:
        self.data, self.socket = folder / "data", folder / "socket"
        folder.mkdir()
        shutil.copytree(template, self.data)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        account = _account()
        if account:
            subprocess.run(["chown", "-R", account, folder], check=True)
        self._folder, self._more = folder, more
        self._start()
        atexit.register(self.stop)
        os.environ["QIANYUN_TEST_MYSQL_PASSWORD"] = PASSWORD
        self.run(f"CREATE USER {MIGRATOR}@'%' IDENTIFIED BY '{PASSWORD}'")
        self.run(f"GRANT ALL ON *.* TO {MIGRATOR}@'%' WITH GRANT OPTION")
        # The freeze would rightly refuse the open session of an account that bypasses it.
        self.run("REVOKE READ_ONLY ADMIN ON *.* FROM root@localhost")

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [
                _mariadbd(), *_SETTINGS, *self._more, f"--datadir={self.data}", f"--socket={self.socket}",
                f"--port={self.port}", f"--log-error={self._folder / 'log'}",
                # A server that starts deletes the temporary tables of others in the same folder.
                f"--tmpdir={self._folder}",
            ],
            user=_account(),
            group=_account(),
            stderr=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,
        )  # fmt: skip
        self._wait()

    def restart(self, by: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(by)
        self.process.wait(30)
        self.__dict__.pop("_root", None)
        self._start()
        # Root's session keeps the privilege with which it began, as before the restart.
        allow = "READ_ONLY ADMIN ON *.* {} root@localhost"
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
        raise RuntimeError("mariadbd did not start")


@cache
def servers() -> tuple[LocalServer, LocalServer]:
    """Source and target; tests that need them are skipped by name where MariaDB is not installed."""
    if not _mariadbd() or not shutil.which("mariadb-install-db"):
        pytest.skip("mariadbd is not installed (apt-get install mariadb-server)")
    # Building a TLS context takes 22 ms, and the lifecycle suite connects some thousand times.
    pymysql.connections.SSL_ENABLED = False  # type: ignore[attr-defined]
    folder = Path(tempfile.mkdtemp(prefix="qianyun-mariadb-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    template = template_in(folder)
    return LocalServer(folder / "source", template), LocalServer(folder / "target", template)


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


def _account() -> str | None:
    return "mysql" if os.geteuid() == 0 else None


def _die_with_parent() -> None:
    """A killed test run leaves no server behind."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
