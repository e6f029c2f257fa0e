"""Two servers with equal empty tables, of which the target is brought along by the relay alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql

from inventory.secrets import SecretSource
from tasks.databases.model import WHOLE, Changes
from tasks.databases.mysql.crossing import CrossingReader
from tasks.databases.mysql.endpoint import MysqlServer
from tasks.databases.mysql.writer import MysqlWriter
from tests.databases.servers import LocalServer
from tests.worlds.mysql import SCHEMA, MysqlWorld, fresh

SESSION = (
    f"USE {SCHEMA}",
    "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00'",
)


class Relayed:
    """The target's ports, and the source's log read from where both were equal."""

    def __init__(self, world: MysqlWorld) -> None:
        self.world = world
        self.journal: list[str] = []
        self.open_ports()
        self.write.create_marks(SCHEMA)
        self.write.set_position(SCHEMA, self.source.position())

    def open_ports(self) -> None:
        self.source: CrossingReader = self.world.source.endpoint().open_reader()
        self.look: CrossingReader = self.world.target.endpoint().open_reader()
        self.write: MysqlWriter = self.world.target.endpoint().open_writer(self.journal.append)

    def close_ports(self) -> None:
        for port in (self.source, self.look, self.write):
            port.close()

    @property
    def position(self) -> str:
        marks = self.look.marks(SCHEMA)
        assert marks
        return marks.position

    def changes(self) -> list[Changes]:
        """All that the log holds beyond the target's position."""
        return list(self.source.changes(SCHEMA, self.position, self.source.position()))

    def run(self, *statements: str) -> None:
        self.world.source.run(*SESSION, *statements)

    def follow(self) -> int:
        batch = self.changes()
        tables = {table.name: table for table in self.look.tables(SCHEMA)}
        rows = self.write.apply_changes(SCHEMA, tables, [c for c in batch if c.rows])
        self.write.set_position(SCHEMA, batch[-1].position)
        return rows

    def differing(self) -> list[str]:
        """Tables whose rows are not the same on both sides, by the digests of the product."""
        return [
            table.name
            for table in self.source.tables(SCHEMA)
            if self.source.digest(SCHEMA, table, WHOLE) != self.look.digest(SCHEMA, table, WHOLE)
        ]

    def close(self) -> None:
        self.close_ports()
        self.world.close()


@contextmanager
def relayed(*statements: str) -> Iterator[Relayed]:
    """Statements that make tables, and rows that both sides begin with."""
    made = (f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4", *SESSION, *statements)
    world, _ = fresh(*made)
    world.target.run(*made)
    pair = Relayed(world)
    try:
        yield pair
    finally:
        pair.close()


MYSQL8 = ("QIANYUN_TEST_MYSQL8_SOURCE_URL", "QIANYUN_TEST_MYSQL8_TARGET_URL")
"""mysql://user:password@host:port of two servers whose schema `shop` may be dropped."""


class RemoteServer(LocalServer):
    """A server that somebody else runs."""

    def __init__(self, variable: str) -> None:
        url = urlsplit(os.environ[variable])
        self._host, self.port = url.hostname or "", url.port or 3306
        self._user, self._password = unquote(url.username or ""), unquote(url.password or "")
        self._variable = f"{variable}_PASSWORD"
        os.environ[self._variable] = self._password

    def connect(self, **more: Any) -> "pymysql.connections.Connection[Any]":
        return pymysql.connect(
            host=self._host, port=self.port, user=self._user, password=self._password, autocommit=True, **more
        )

    def endpoint(self, user: str = "", port: int = 0) -> MysqlServer:
        source = SecretSource(f"env:{self._variable}", Path())
        return MysqlServer(host=self._host, port=port or self.port, user=user or self._user, password=source)


class RemoteWorld(MysqlWorld):
    def close(self) -> None:
        for server in (self.source, self.target):
            server.run(*(f"DROP DATABASE IF EXISTS {s}" for s in (SCHEMA, f"qianyun_copy_{SCHEMA}")))


@contextmanager
def relayed_on_mysql_8(*statements: str) -> Iterator[Relayed]:
    world = RemoteWorld(*(RemoteServer(variable) for variable in MYSQL8))
    world.close()
    for server in (world.source, world.target):
        server.run(f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4", *SESSION, *statements)
    pair = Relayed(world)
    try:
        yield pair
    finally:
        pair.close()
