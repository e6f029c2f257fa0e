"""The engines: one line each; what is not carried out yet is refused by name, never skipped."""

from collections.abc import Callable, Mapping
from pathlib import Path

from core.errors import Refused
from inventory.secrets import SecretSource
from inventory.sources import Database
from inventory.targets import TargetDatabase
from tasks.databases.mysql.endpoint import MysqlServer
from tasks.databases.port import DatabaseServer

NOT_YET = "not yet carried out"


def _mysql(database: Database | TargetDatabase, folder: Path) -> DatabaseServer:
    return MysqlServer(
        host=database.address,
        port=database.port,
        user=database.user,
        password=SecretSource(database.password, folder),
    )


ENGINES: Mapping[str, Callable[[Database | TargetDatabase, Path], DatabaseServer] | str] = {
    "mariadb": _mysql,
    "mysql": _mysql,
    "oracle": NOT_YET,
    "sqlserver": NOT_YET,
    "mongodb": NOT_YET,
    "postgresql": NOT_YET,
}


def server_of(database: Database | TargetDatabase, folder: Path) -> DatabaseServer:
    """The server that a database of the inventory lives on.

    Raises: errors.Refused for an engine that is not carried out.
    """
    engine = ENGINES[database.engine]
    if isinstance(engine, str):
        raise Refused(
            f"database {database.name!r}: engine {database.engine} is {engine}",
            why="A database that cannot be moved must not look as if it had been.",
            next_command=f"qianyun check {folder}",
        )
    return engine(database, folder)
