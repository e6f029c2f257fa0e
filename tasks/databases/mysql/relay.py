"""The relay's writes: whole transactions of the source, strictly, with their position in one transaction.

Statements go to the server many at a time (multi-statement queries), each with its own count of rows in
the answer: the order of the source is kept exactly, without a round trip per row. Within a statement of the
source no duplicate ever passes: InnoDB checks unique keys row by row, in the order of the log.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pymysql
from pymysql.constants import COMMAND

from core.errors import ApplyFailed, MigrationError, Refused
from tasks.databases.model import Changes, Table
from tasks.databases.mysql import binlog, keys
from tasks.databases.mysql.errors import number_and_text, translated
from tasks.databases.mysql.quoting import marks_schema, names, text
from tasks.databases.mysql.row_statements import LAX, STRICT, Statement, Statements, Unfit
from tasks.databases.mysql.session import WriteSession

POSITION = "position"
_PACKET_BYTES = 1 << 20
_STATEMENTS = 500
_FRAME = 1024
"""Room in a packet for what stands around the statements."""
_WORDS = {
    1062: "a row with this key, or with another unique value of it, is there already",
    1451: "other rows still refer to it",
    1452: "the row that it refers to is not there",
    0: "there is no such row, or it already holds the new values",
}
# Out of range, cut off, invalid, NULL where none may be, refused by a CHECK: the server's text holds values.
_NO_SUCH_VALUE = {1048, 1264, 1265, 1292, 1366, 1367, 1406, 1411, 3140, 3819, 4025}


class Relay:
    def __init__(self, session: WriteSession, schema: str, tables: Mapping[str, Table], packet: int) -> None:
        self._session, self._schema = session, schema
        self._packet = packet
        self._what = f"apply changes of the source to {schema}"
        self._statements = Statements(schema, tables)

    def apply(self, batch: Sequence[Changes], replicated: bool = False) -> int:
        """Rows applied; of transactions that are there already none.

        `replicated`: the server's own replication has brought the rows; only what changed is noted.
        Raises: errors.ApplyFailed
        """
        if not batch:
            return 0
        session, what = self._session, self._what
        session.journal(f"{session.address}: {what}, up to {batch[-1].position}")
        committed = False
        self._several(True)
        try:
            session.send(what, "START TRANSACTION")
            if pending := self._pending(batch):
                session.send(what, f"SET SESSION sql_mode = {text(STRICT)}")
                self._run(self._all(pending, replicated))
            session.send(what, "COMMIT", sum(changes.size_bytes for changes in batch))
            committed = True
        except Unfit as error:
            raise self._diverged(error.table, "change", "", error.found) from None
        finally:
            with suppress(MigrationError):  # a broken connection rolls back by itself
                if not committed:
                    session.send(what, "ROLLBACK")
                session.send(what, f"SET SESSION sql_mode = {text(LAX)}, foreign_key_checks = 0")
                self._several(False)
        return self._statements.applied

    def _several(self, allowed: bool) -> None:
        """Whether the server takes several statements in one query."""
        with translated(self._session.address, "", writing=self._what):
            driver: Any = self._session.connection
            driver._execute_command(COMMAND.COM_SET_OPTION, struct.pack("<H", 0 if allowed else 1))
            driver._read_packet()

    def _pending(self, batch: Sequence[Changes]) -> list[Changes]:
        """Without what is there already: the answer to a COMMIT may have been lost on the way."""
        found = self._session.query(
            f"SELECT position FROM {names(marks_schema(self._schema), POSITION)} WHERE id = 1 FOR UPDATE"
        )
        if not found:
            raise Refused(
                f"{self._session.address}: {self._schema}: it is not known up to where the target was copied",
                why="Changes applied from anywhere else would be lost or doubled.",
            )
        stored = binlog.parsed(str(found[0][0]))
        return [c for c in batch if not stored.reaches(binlog.parsed(c.position))]

    def _all(self, pending: Sequence[Changes], replicated: bool) -> Iterator[Statement]:
        changes = (change for changes in pending for change in changes.rows)
        yield from self._statements.noting(changes) if replicated else self._statements.of(changes)
        yield from self._statements.noted()
        place = names(marks_schema(self._schema), POSITION)
        yield Statement(f"UPDATE {place} SET position = {text(pending[-1].position)} WHERE id = 1".encode())

    def _run(self, statements: Iterable[Statement]) -> None:
        most = min(_PACKET_BYTES, self._packet - _FRAME)
        packet: list[Statement] = []
        size = 0
        for statement in statements:
            if packet and (size + len(statement.sql) > most or len(packet) == _STATEMENTS):
                self._send(packet)
                packet, size = [], 0
            packet.append(statement)
            size += len(statement.sql) + 1
        self._send(packet)

    def _send(self, packet: list[Statement]) -> None:
        sql = b";".join(statement.sql for statement in packet)
        self._refuse_too_long(packet[0], len(sql))
        connection = self._session.connection
        counts: list[int] = []
        try:
            counts.append(connection.query(sql))
            while len(counts) < len(packet):
                counts.append(connection.next_result())
        except pymysql.err.MySQLError as error:
            self._explain(packet[len(counts)], error)
        for statement, count in zip(packet, counts, strict=True):
            if statement.rows not in (None, count):
                raise self._diverged(statement.table, statement.kind, statement.keys[0], _WORDS[0])

    def _explain(self, statement: Statement, error: pymysql.err.MySQLError) -> None:
        """Raises: errors.ApplyFailed"""
        number, _ = number_and_text(error)
        words = _WORDS.get(number, "") if number else ""
        if number in _NO_SUCH_VALUE:
            words = f"the target takes no such value (error {number})"
        if statement.rows is None or not words:
            of = f"{self._what}, table {statement.table}" if statement.table else self._what
            with translated(self._session.address, "", writing=of):
                raise error
        if len(statement.values) > 1:
            # Which row of many it is: one by one, in the transaction that is about to be undone.
            for alone in statement.alone():
                self._send([alone])
        raise self._diverged(statement.table, statement.kind, statement.keys[0], words)

    def _diverged(self, table: str, kind: str, key: str, found: str) -> ApplyFailed:
        label = f"the row with key {keys.for_people(key)}" if key else "a row"
        return ApplyFailed(
            f"{self._session.address}: {self._schema}.{table}: {kind} of {label}: {found}",
            why="The target no longer holds what the source held when it changed this row: something else"
            " wrote there. Nothing of this batch was applied.",
        )

    def _refuse_too_long(self, statement: Statement, size: int) -> None:
        if size > self._packet:
            key = keys.for_people(statement.keys[0]) if statement.keys else ""
            raise ApplyFailed(
                f"{self._session.address}: {self._what}: table {statement.table}, key {key}: a row takes"
                f" {size} bytes, max_allowed_packet is {self._packet}",
                why="The server would cut the connection; nothing of this batch was applied.",
                next_command="SET GLOBAL max_allowed_packet = 1073741824;",
            )
