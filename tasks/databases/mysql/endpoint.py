"""MysqlServer: a MariaDB or MySQL server that steps reach by its read and write ports."""

from dataclasses import dataclass

from core.access import Endpoint, Journal
from inventory.secrets import SecretSource
from tasks.databases.mysql.crossing import CrossingReader
from tasks.databases.mysql.session import Connection, ReadSession, WriteSession, connect
from tasks.databases.mysql.writer import MysqlWriter
from tasks.databases.port import ReadPort, WritePort


@dataclass(frozen=True, kw_only=True)
class MysqlServer(Endpoint[ReadPort, WritePort]):
    host: str
    port: int = 3306
    user: str
    password: SecretSource

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def open_reader(self) -> CrossingReader:
        session = ReadSession(self._connect(), self.address)
        session.begin()
        return CrossingReader(session, self.open_reader)

    def open_writer(self, journal: Journal) -> MysqlWriter:
        session = WriteSession(self._connect(), self.address, journal)
        session.begin()
        writer = MysqlWriter(session, lambda: self.open_writer(journal))
        writer.end_left_behind()
        return writer

    def _connect(self) -> Connection:
        return connect(self.address, self.host, self.port, self.user, self.password.resolve().reveal())
