"""Rows as INSERT statements: the way that every server takes, where LOAD DATA LOCAL is switched off."""

from collections.abc import Iterator

from core.errors import ApplyFailed
from tasks.databases.model import KeyRange, RowBatch, Table
from tasks.databases.mysql.columns import carried, is_long, long_literal, row_expressions, where
from tasks.databases.mysql.load import TooLong
from tasks.databases.mysql.quoting import name, names
from tasks.databases.mysql.session import ReadSession, WriteSession

_BATCH_BYTES = 1 << 20


def read_rows(session: ReadSession, schema: str, table: Table, within: KeyRange) -> Iterator[RowBatch]:
    """Whole rows as "(1,x'41'),(...)".

    Raises: TooLong; errors.Unreadable
    """
    long_columns = [column for column in carried(table) if is_long(column)]
    batch: list[bytes] = []
    size = 0
    for opening, *values in session.stream(
        f"SELECT {', '.join(row_expressions(table))} FROM {names(schema, table.name)}"
        f" WHERE {where(table.key, within)}"
    ):
        if opening is None:
            raise TooLong
        pieces = [long_literal(c, v) for c, v in zip(long_columns, values, strict=True)]
        first = [opening] if opening != b"(" else [opening + pieces.pop(0)]
        row = b",".join([*first, *pieces]) + b")"
        if batch and size + len(row) > _BATCH_BYTES:
            yield RowBatch(len(batch), b",".join(batch))
            batch, size = [], 0
        batch.append(row)
        size += len(row)
    if batch:
        yield RowBatch(len(batch), b",".join(batch))


def write_rows(
    session: WriteSession, what: str, schema: str, table: Table, batches: Iterator[RowBatch], packet: int
) -> tuple[int, int, int]:
    """Insert rows into the table: how many were sent, how many the server took, and its warnings."""
    columns = ", ".join(name(column.name) for column in carried(table))
    head = f"INSERT INTO {names(schema, table.name)} ({columns}) VALUES ".encode()
    rows = warnings = 0
    for batch in batches:
        size = len(head) + len(batch.payload)
        if size > packet:
            raise ApplyFailed(
                f"{session.address}: {what}: a row takes {size} bytes, max_allowed_packet is {packet}",
                why="The server would cut the connection; nothing of this range was written.",
                next_command="SET GLOBAL max_allowed_packet = 1073741824;",
            )
        warnings += session.send(what, head + batch.payload)
        rows += batch.rows
    return rows, rows, warnings
