"""Whole transactions of the source out of its binary log, in commit order."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from core.errors import MigrationError, Refused
from tasks.databases.model import Changes
from tasks.databases.mysql import binlog, log_events, log_statements
from tasks.databases.mysql.binlog import Dump, Event, Position
from tasks.databases.mysql.log_events import TableImage
from tasks.databases.mysql.log_statements import Statement
from tasks.databases.mysql.row_images import SourceColumn, Unknown
from tasks.databases.mysql.transaction_rows import SMALL_BYTES, Rows, not_exact

TELL_S = 0.2
_QUERY_COMPRESSED, _EXECUTE_LOAD = 165, 18
_GTID_MARIADB, _GTIDS_MYSQL = 162, {33, 34, 42}
_XA_PREPARE, _PAYLOAD, _PARTIAL_UPDATE = 38, 40, 39
_STANDALONE = 1
_LOAD_BLOCKS = {9, 11, 17}
_WITHOUT_ROWS = {
    binlog.STOP, 13, 14, 5, 29, 35, 36, 37, 160, 161, 163, 164, *_LOAD_BLOCKS,
}  # fmt: skip


class Follower:
    """One reading of the log."""

    def __init__(
        self,
        dump: Dump,
        label: str,
        schema: str,
        columns: Mapping[str, Sequence[SourceColumn]],
        ignored: frozenset[str],
        after: Position,
    ) -> None:
        self._dump, self._label, self._schema = dump, label, schema
        self._columns, self._ignored = columns, ignored
        self._position = after
        self._images: dict[int, TableImage | None] = {}
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._rows = Rows(self._label)
        self._savepoints: dict[str, int] = {}
        self._size = 0
        self._in_group = self._open = False

    def changes(self, upto: Position | None) -> Iterator[Changes]:
        """Raises: errors.Unreadable, errors.Refused"""
        told, told_at = self._position, time.monotonic()
        if upto and told.reaches(upto):
            return
        for event in self._dump.events():
            done = self._take(event)
            now = time.monotonic()
            if done or now - told_at >= TELL_S or event.kind == binlog.HEARTBEAT:
                told, told_at = self._position, now
                yield done or Changes(str(told), 0.0, 0)
            if upto and not self._in_group and self._position.reaches(upto):
                if told != self._position:
                    yield Changes(str(self._position), 0.0, 0)
                return

    def _take(self, event: Event) -> Changes | None:
        """One event; gives the transaction that it ends, where it has rows of ours."""
        if event.kind in (binlog.ROTATE, binlog.FORMAT):
            self._take_file(event)
            return None
        if event.kind == binlog.HEARTBEAT:
            self._take_heartbeat(event)
            return None
        self._size += event.size
        ended = self._take_inside(event)
        if ended is None:
            if not self._in_group and event.end:
                self._position = self._dump.file.at(event.end)
            return None
        self._position = self._dump.file.at(event.end)
        rows, size = self._rows, self._size
        self._begin_anew()
        if not ended or not rows:
            return None
        # What is small is decoded once for all; what is large each time that it is gone through.
        kept = tuple(iter(rows)) if rows.size_bytes <= SMALL_BYTES else rows
        return Changes(str(self._position), float(event.at_s), size, kept) if kept else None

    def _take_file(self, event: Event) -> None:
        """A new file. A transaction that the old one leaves unfinished was cut off by a crash, and undone."""
        file = self._dump.file
        if file.file != self._position.file:
            self._begin_anew()
            self._images.clear()
            self._position = file
        elif file.born != self._position.born:
            self._position = file.at(self._position.offset)

    def _take_heartbeat(self, event: Event) -> None:
        # The server keeps some events to itself: its heartbeat alone tells that they are passed.
        there = self._dump.file.at(event.end)
        if event.body.decode() == there.file and not self._in_group and there.reaches(self._position):
            self._position = there

    def _take_inside(self, event: Event) -> bool | None:
        """True: its transaction is committed; False: it is over without effect; None: it goes on."""
        kind = event.kind
        if kind == binlog.TABLE_MAP:
            self._take_table(event)
        elif kind in log_events.ROWS:
            self._take_rows(event)
        elif kind == binlog.XID:
            return True
        elif kind in (binlog.QUERY, _QUERY_COMPRESSED):
            return self._take_statement(log_statements.statement_of(event, kind == _QUERY_COMPRESSED))
        elif kind == _GTID_MARIADB:
            self._in_group, self._open = True, not event.body[12] & _STANDALONE
        elif kind in _GTIDS_MYSQL:
            self._in_group = True
        elif kind == _EXECUTE_LOAD:
            return self._take_statement(log_statements.statement_of(event, False, extra=13))
        elif kind == _XA_PREPARE:
            return self._take_prepared(event)
        elif kind == binlog.INCIDENT:
            raise self._refused("the source reports that its log has lost events")
        elif kind == _PAYLOAD:
            raise self._refused(
                "a compressed transaction", "SET GLOBAL binlog_transaction_compression = OFF;"
            )
        elif kind == _PARTIAL_UPDATE:
            raise self._refused("a partial update of JSON", "SET GLOBAL binlog_row_value_options = '';")
        elif kind not in _WITHOUT_ROWS and not event.ignorable:
            raise self._refused(f"an event of the unknown kind {kind}")
        return None

    def _take_table(self, event: Event) -> None:
        number, schema, table, rest = log_events.table_of(event)
        self._images[number] = None
        if schema != self._schema or table in self._ignored:
            return
        try:
            columns = self._columns.get(table)
            if columns is None:
                raise Unknown("it is in the log, but there is no such table now")
            self._images[number] = log_events.image_of(event, table, rest, columns)
        except Unknown as error:
            raise not_exact(self._label, table, error) from None

    def _take_rows(self, event: Event) -> None:
        self._in_group = True
        image = self._images.get(log_events.table_id(event))
        if image is None:
            return
        try:
            self._rows.add(log_events.rows_event(event, image))
        except Unknown as error:
            raise not_exact(self._label, image.name, error) from None

    def _take_statement(self, statement: Statement) -> bool | None:
        words = statement.text.upper().split(None, 2)[:2] or [""]
        first, more = words[0], words[1:]
        if first in ("BEGIN", "START") or words == ["XA", "START"]:
            self._in_group = self._open = True
            return None
        if first == "COMMIT":
            return True
        if first == "ROLLBACK" and more != ["TO"]:
            return False
        if first == "ROLLBACK":
            self._rows.forget_after(self._savepoints.get(_savepoint(statement.text), 0))
            return None
        if first == "SAVEPOINT":
            self._savepoints[_savepoint(statement.text)] = self._rows.events
            return None
        if log_statements.touches(statement, self._schema):
            raise self._refused_statement(statement)
        return None if self._open else False

    def _take_prepared(self, event: Event) -> Literal[True, False]:
        one_phase = bool(event.body and event.body[0])
        if self._rows and not one_phase:
            raise self._refused("a distributed transaction (XA PREPARE) with rows of this schema")
        return one_phase

    def _refused_statement(self, statement: Statement) -> MigrationError:
        head = log_statements.headline(statement)
        if head.upper().startswith(("INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD")):
            head = f"a change logged as a statement ({head.split()[0].upper()} ...)"
            return self._refused(head, "SET GLOBAL binlog_format = 'ROW';  -- and reconnect the clients")
        return self._refused(head, "")

    def _refused(self, what: str, mend: str = "") -> Refused:
        return Refused(
            f"{self._label}: schema {self._schema}: after {self._position} the log holds: {what}",
            why="It cannot be carried over row by row; everything before it was."
            " The schema must be copied again.",
            next_command=mend,
        )


def _savepoint(text: str) -> str:
    return text.rsplit(None, 1)[-1].strip("`;")
