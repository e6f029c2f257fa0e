"""What single events of the binary log hold: tables and rows.

Source: MySQL Internals Manual, "Binlog Event"; MariaDB Knowledge Base, "Rows_event", "Table_map_event".
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tasks.databases.model import RowChange
from tasks.databases.mysql.binlog import Event
from tasks.databases.mysql.packed import Read
from tasks.databases.mysql.row_images import NULL, SourceColumn, Unknown, readers

INSERTS, UPDATES, DELETES = {23, 30, 166, 169}, {24, 31, 167, 170}, {25, 32, 168, 171}
ROWS = INSERTS | UPDATES | DELETES
_COMPRESSED = {166, 167, 168, 169, 170, 171}
_WITH_EXTRA = {30, 31, 32, 169, 170, 171}
_NO_FOREIGN_KEY_CHECKS = 2


@dataclass(frozen=True)
class TableImage:
    """How the rows of one table look in the log."""

    name: str
    columns: tuple[SourceColumn, ...]
    readers: tuple[Read, ...]


class RowsEvent(NamedTuple):
    image: TableImage
    kind: Literal["insert", "update", "delete"]
    foreign_key_checks: bool
    body: bytes
    """From the bitmaps of the columns present on."""


def number(raw: bytes, at: int) -> tuple[int, int]:
    """A length-encoded integer, and the offset after it."""
    first = raw[at]
    size = {252: 2, 253: 3, 254: 8}.get(first, 0)
    if not size:
        return first, at + 1
    return int.from_bytes(raw[at + 1 : at + 1 + size], "little"), at + 1 + size


def table_of(event: Event) -> tuple[int, str, str, int]:
    """Id, schema and name of a table map, and the offset of the rest."""
    body = event.body
    end = 9 + body[8]
    schema = body[9:end].decode()
    start = end + 2
    end = start + body[end + 1]
    return int.from_bytes(body[:6], "little"), schema, body[start:end].decode(), end + 1


def image_of(event: Event, table: str, at: int, columns: Sequence[SourceColumn]) -> TableImage:
    """Raises: Unknown"""
    count, at = number(event.body, at)
    if count != len(columns):
        raise Unknown(f"its rows in the log have {count} columns, the table has {len(columns)}")
    types, at = event.body[at : at + count], at + count
    size, at = number(event.body, at)
    found = readers(types, event.body[at : at + size], columns)
    return TableImage(table, tuple(columns), tuple(found))


def table_id(event: Event) -> int:
    return int.from_bytes(event.body[:6], "little")


def rows_event(event: Event, image: TableImage) -> RowsEvent:
    """Raises: Unknown"""
    body = event.body
    flags = int.from_bytes(body[6:8], "little")
    at = 8 + (int.from_bytes(body[8:10], "little") if event.kind in _WITH_EXTRA else 0)
    width, at = number(body, at)
    if width != len(image.columns):
        raise Unknown(f"its rows in the log have {width} columns, the table has {len(image.columns)}")
    if event.kind in _COMPRESSED:
        bitmaps = (2 if event.kind in UPDATES else 1) * ((width + 7) // 8)
        body, at = body[at : at + bitmaps] + inflated(body[at + bitmaps :]), 0
    kind: Literal["insert", "update", "delete"] = (
        "insert" if event.kind in INSERTS else "update" if event.kind in UPDATES else "delete"
    )
    return RowsEvent(image, kind, not flags & _NO_FOREIGN_KEY_CHECKS, body[at:])


def inflated(raw: bytes) -> bytes:
    """Shape: one byte of algorithm and size of the length, the length, then deflated bytes."""
    if raw[0] & 0x70:
        raise Unknown("an event of the log is compressed by an unknown method")
    return zlib.decompress(raw[1 + (raw[0] & 7) :])


def changes_of(event: RowsEvent) -> Iterator[RowChange]:
    """Raises: Unknown"""
    image, raw = event.image, event.body
    size = (len(image.columns) + 7) // 8
    first = _steps(image, raw[:size])
    second = _steps(image, raw[size : 2 * size]) if event.kind == "update" else first
    at = size * (2 if event.kind == "update" else 1)
    while at < len(raw):
        before: tuple[bytes, ...] = ()
        after: tuple[bytes, ...] = ()
        if event.kind != "insert":
            before, at = _row(first, raw, at)
        if event.kind != "delete":
            after, at = _row(second, raw, at)
        if before != after:
            yield RowChange(image.name, event.kind, before, after, event.foreign_key_checks)


def _steps(image: TableImage, bitmap: bytes) -> list[tuple[Read, bool]]:
    """The columns that an image holds: how each is read, and whether it is carried."""
    present = int.from_bytes(bitmap, "little")
    found = []
    for n, (read, column) in enumerate(zip(image.readers, image.columns, strict=True)):
        if present >> n & 1:
            found.append((read, not column.generated))
        elif not column.generated:
            raise Unknown(f"column {column.name} is not in the log: binlog_row_image was not FULL")
    return found


def _row(steps: list[tuple[Read, bool]], raw: bytes, at: int) -> tuple[tuple[bytes, ...], int]:
    size = (len(steps) + 7) // 8
    nulls = int.from_bytes(raw[at : at + size], "little")
    at += size
    values = []
    for read, carried in steps:
        if nulls & 1:
            value = NULL
        else:
            value, at = read(raw, at)
        nulls >>= 1
        if carried:
            values.append(value)
    return tuple(values), at
