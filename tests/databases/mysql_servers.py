"""Real MySQL servers of our own, where scripts/mysql-server has brought one; the pair that tests run on."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.databases.servers import LocalServer, account_of_servers, flavours, known

MYSQLD = "QIANYUN_TEST_MYSQLD"
"""The server program; scripts/mysql-server prints it."""
_SETTINGS = (
    "--no-defaults", "--skip-name-resolve", "--bind-address=127.0.0.1", "--mysqlx=OFF",
    "--innodb-buffer-pool-size=64M", "--innodb-redo-log-capacity=64M", "--innodb-doublewrite=OFF",
    "--innodb-flush-log-at-trx-commit=2", "--log-bin=log", "--sync-binlog=0", "--local-infile=ON",
    "--max-allowed-packet=16M", "--sql-mode=STRICT_TRANS_TABLES", "--log-bin-trust-function-creators=ON",
)  # fmt: skip
# What tests write in MariaDB's words, in MySQL's.
_NUMBERS = (
    "(WITH RECURSIVE s (seq) AS (SELECT CAST({0} AS SIGNED) UNION ALL SELECT seq + 1 FROM s WHERE seq < {1})"
    " SELECT seq FROM s) AS numbers_{0}_{1}"
)
_SPELT = (
    (re.compile(r"\bseq_(\d+)_to_(\d+)\b(?!`)"), lambda m: _NUMBERS.format(*sorted(map(int, m.groups())))),
    (re.compile(r"\ASHOW MASTER STATUS\Z"), lambda m: "SHOW BINARY LOG STATUS"),
    (re.compile(r"\ASET DEFAULT ROLE (\S+) FOR"), lambda m: f"SET DEFAULT ROLE {m[1]} TO"),
    (re.compile(r"\b(?:BINLOG MONITOR)\b"), lambda m: "REPLICATION CLIENT"),
    (re.compile(r"\bREAD_ONLY ADMIN\b"), lambda m: "SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN"),
    (re.compile(r"\ASET GLOBAL read_only = 1\Z"), lambda m: "SET GLOBAL super_read_only = 1"),
    (re.compile(r"binlog_row_metadata = NO_LOG"), lambda m: "binlog_row_metadata = MINIMAL"),
    (re.compile(r"\bMD5\("), lambda m: "HEX("),
)
# Where nobody may write, MySQL changes no password either; and the source is frozen with both settings.
_OPENED = (
    "SET @all = @@global.super_read_only, @most = @@global.read_only", "SET GLOBAL read_only = 0",
)  # fmt: skip
_SHUT_AGAIN = ("SET GLOBAL read_only = @most", "SET GLOBAL super_read_only = @all")
_UNKNOWN = re.compile(
    r"SET (?:GLOBAL|SESSION) (?:log_bin_compress\w*|binlog_annotate\w*|check_constraint_checks) ="
)


class LocalMysql(LocalServer):
    flavour = "mysql"
    bypasses_read_only = "SUPER, CONNECTION_ADMIN"

    def command(self) -> tuple[str, ...]:
        return (_mysqld(), *_SETTINGS)

    def connect(self, **more: Any) -> Any:
        connection = super().connect(**more)
        with connection.cursor() as cursor:
            # Numbers in rows; and foreign keys to what is no unique key, as MariaDB takes them.
            cursor.execute("SET SESSION cte_max_recursion_depth = 10000000")
            cursor.execute("SET SESSION restrict_fk_on_non_standard_key = OFF")
            if len(set(flavours())) > 1:
                # What is made in this session is to move to MariaDB, which knows no collation of 0900.
                cursor.execute("SET NAMES utf8mb4 COLLATE utf8mb4_general_ci")
        return connection

    def run(self, *statements: str, **more: Any) -> list[Any]:
        if not known(*statements):
            pytest.skip(f"MySQL knows nothing of {next(s for s in statements if not known(s))[:60]}")
        wanted = [part for statement in statements for part in spelt(statement)]
        return super().run(*wanted, **more) if wanted else []


def spelt(statement: str) -> tuple[str, ...]:
    """One statement of MariaDB's as what MySQL takes for it; nothing for a setting that it does not have."""
    if _UNKNOWN.match(statement):
        return ()
    if statement.startswith("ALTER USER"):
        return (*_OPENED, statement, *_SHUT_AGAIN)
    if found := re.match(r"(?s)CREATE OR REPLACE (DEFINER=\S+ )?(USER|TABLE|TRIGGER) (\S+)(.*)", statement):
        made = f"CREATE {found[1] or ''}{found[2]} {found[3]}{found[4]}"
        return f"DROP {found[2]} IF EXISTS {found[3]}", made
    for pattern, words in _SPELT:
        statement = pattern.sub(words, statement)
    return (statement,)


def template_in(folder: Path) -> Path:
    """A data folder as a new server has it, without the identity of its own."""
    if not _mysqld():
        pytest.skip(f"{MYSQLD} is not set (scripts/mysql-server)")
    template = folder / "template-mysql"
    user = [f"--user={account_of_servers()}"] if account_of_servers() else []
    folder.chmod(0o777)
    subprocess.run(
        [_mysqld(), "--no-defaults", *user, "--initialize-insecure", f"--datadir={template}",
         "--innodb-redo-log-capacity=64M", f"--log-error={folder / 'mysql-setup.log'}"],
        check=True,
    )  # fmt: skip
    folder.chmod(0o755)
    (template / "auto.cnf").unlink(missing_ok=True)
    return template


def _mysqld() -> str:
    return shutil.which(os.environ.get(MYSQLD, "")) or ""
