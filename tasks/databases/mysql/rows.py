"""Rows into tables of the target: ranges with their marks, and indexes that wait for them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property

from core.errors import ApplyFailed, MigrationError
from tasks.databases.model import (
    KeyRange,
    RowBatch,
    RowForm,
    Table,
)
from tasks.databases.mysql import indexes, inserts, load
from tasks.databases.mysql.columns import where
from tasks.databases.mysql.definitions import normalised_table, readable
from tasks.databases.mysql.quoting import marks_schema, names, text
from tasks.databases.mysql.reader import MARKS_TABLE
from tasks.databases.mysql.session import WriteSession

_TRUNCATED = 1265


class RowWriter:
    """The part of the write port that moves rows."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session
        self._write = session.write
        self._packet = int(session.one("SELECT @@max_allowed_packet")[0])

    def row_form(self) -> RowForm:
        return "stream" if self._takes_streams else "statement"

    @cached_property
    def _takes_streams(self) -> bool:
        return str(self._session.one("SELECT @@global.local_infile")[0]) == "1"

    def replace_range(
        self, schema: str, table: Table, within: KeyRange, batches: Iterator[RowBatch], fresh: bool = False
    ) -> int:
        what = f"copy a range of rows into {schema}.{table.name}"
        send = self._session.send
        with self._transaction(what, _in_one_piece(table)):
            if not fresh:
                send(what, f"DELETE FROM {names(schema, table.name)} WHERE {where(table.key, within)}")
            if self.row_form() == "stream":
                rows, taken, warnings = load.write_rows(self._session, what, schema, table, batches)
            else:
                rows, taken, warnings = inserts.write_rows(
                    self._session, what, schema, table, batches, self._packet
                )
            if warnings and (inexact := self._inexact(what, table)):
                raise inexact
            if rows != taken:
                raise ApplyFailed(
                    f"{self._session.address}: {what}: {rows} rows were sent, {taken} taken",
                    why="A row already there was in the way; this range was rolled back.",
                )
            send(
                what,
                f"UPDATE {marks_of(schema)} SET copied_rows = copied_rows + {rows}"
                f" WHERE name = {text(table.name)}",
            )
        return rows

    def clear_range(self, schema: str, table: Table, within: KeyRange) -> None:
        what = f"clear a range of {schema}.{table.name}"
        with self._transaction(what, _in_one_piece(table)):
            self._session.send(
                what, f"DELETE FROM {names(schema, table.name)} WHERE {where(table.key, within)}"
            )

    @contextmanager
    def _transaction(self, what: str, size_bytes: int = 0) -> Iterator[None]:
        """One journalled write of several statements; all of them or none."""
        send = self._session.send
        self._session.journal(f"{self._session.address}: {what}")
        if self._may_lock_rows_alone:
            # Locks on the gaps between rows would have workers on neighbouring ranges wait for each other.
            send(what, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        send(what, "START TRANSACTION")
        try:
            yield
            send(what, "COMMIT", size_bytes)
        except MigrationError:
            with suppress(MigrationError):  # a broken connection rolls back by itself
                send(what, "ROLLBACK")
            raise

    @cached_property
    def _may_lock_rows_alone(self) -> bool:
        """Servers that log statements refuse to write under READ COMMITTED."""
        logs, form = self._session.one("SELECT @@global.log_bin, @@session.binlog_format")
        return str(logs) == "0" or form != "STATEMENT"

    def put_off_indexes(self, schema: str, table: Table) -> None:
        whole = self._definition(schema, table.name)
        key = [column.name for column in table.key]
        dropped = indexes.put_off(whole, key, self._referenced(schema, table.name))
        if not dropped:
            return
        self._write(
            f"note the indexes of {schema}.{table.name} that are made after its rows",
            f"UPDATE {marks_of(schema)} SET definition = {text(whole)},"
            f" dropped = {text(chr(10).join(dropped))} WHERE name = {text(table.name)}",
        )
        self._write(
            f"drop indexes of {schema}.{table.name} until its rows are there",
            f"ALTER TABLE {names(schema, table.name)} {indexes.drop(dropped)}",
        )

    def make_indexes(self, schema: str, table: str) -> None:
        rows = self._session.query(
            f"SELECT definition FROM {marks_of(schema)} WHERE name = {text(table)} AND dropped IS NOT NULL"
        )
        if not rows:
            return
        whole, there = str(rows[0][0]), self._definition(schema, table)
        if missing := indexes.make(whole, there):
            self._write(
                f"make the indexes of {schema}.{table}", f"ALTER TABLE {names(schema, table)} {missing}"
            )
            there = self._definition(schema, table)
        if there != whole:
            raise ApplyFailed(
                f"{self._session.address}: {schema}.{table}: its definition is {there!r}, it was {whole!r}",
                why="Its indexes were put off until its rows were there and could not be made as they were.",
                next_command=f"ALTER TABLE {names(schema, table)} ...;  # by hand, then run again",
            )
        self._write(
            f"note that {schema}.{table} has its indexes",
            f"UPDATE {marks_of(schema)} SET definition = NULL, dropped = NULL WHERE name = {text(table)}",
        )

    def _definition(self, schema: str, table: str) -> str:
        return normalised_table(readable(self._session.raw(f"SHOW CREATE TABLE {names(schema, table)}")[1]))

    def _referenced(self, schema: str, table: str) -> list[str]:
        """The first column of each key of the table that a foreign key refers to."""
        rows = self._session.query(
            "SELECT REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE"
            f" WHERE REFERENCED_TABLE_SCHEMA = {text(schema)} AND REFERENCED_TABLE_NAME = {text(table)}"
            " AND POSITION_IN_UNIQUE_CONSTRAINT = 1"
        )
        return [str(row[0]) for row in rows]

    def _inexact(self, what: str, table: Table) -> ApplyFailed | None:
        """What the warnings of the last statement mean, if anything."""
        said = [(int(row[1]), str(row[2])) for row in self._session.query("SHOW WARNINGS")]
        # An ENUM holding the '' of an invalid value warns and is right all the same; so does a generated
        # column whose expression has more digits than the column.
        columns = [c.name for c in table.columns if c.type in ("enum", "set") or c.generated]
        if all(number == _TRUNCATED and any(f"'{c}'" in text for c in columns) for number, text in said):
            return None
        return ApplyFailed(
            f"{self._session.address}: {what}: {'; '.join(text for _, text in said[:3])}",
            why="The target would hold another value than the source; this range was rolled back.",
        )


def marks_of(schema: str) -> str:
    return names(marks_schema(schema), MARKS_TABLE)


def _in_one_piece(table: Table) -> int:
    """Bytes that one transaction brings: without a key the whole table is one range."""
    return 0 if table.key else table.size_bytes
