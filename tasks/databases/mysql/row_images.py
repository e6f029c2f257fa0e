"""Row images of the binary log as exact SQL literals, from their raw bytes.

Every function here reads one value at an offset and gives its literal and the offset after it. Literals are
for sessions in UTC with ALLOW_INVALID_DATES and without NO_BACKSLASH_ESCAPES.
Source: MySQL Internals Manual, "Row Based Replication"; MariaDB, sql/field.cc and sql/field_comp.cc.
"""

import ipaddress
import re
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from tasks.databases.mysql import packed
from tasks.databases.mysql.json_images import json_text
from tasks.databases.mysql.packed import Read

NULL = b"NULL"
_INTEGERS = {1: 1, 2: 2, 9: 3, 3: 4, 8: 8}
_FLOAT, _DOUBLE, _DATE, _YEAR, _VARCHAR, _BIT = 4, 5, 10, 13, 15, 16
_OLD_TIMESTAMP, _OLD_TIME, _OLD_DATETIME = 7, 11, 12
_TIMESTAMP, _DATETIME, _TIME = 17, 18, 19
_BLOB_COMPRESSED, _VARCHAR_COMPRESSED = 140, 141
_JSON, _DECIMAL, _ENUM, _SET, _BLOB, _VAR_STRING, _STRING, _GEOMETRY = 245, 246, 247, 248, 252, 253, 254, 255
_META_BYTES = {
    _FLOAT: 1, _DOUBLE: 1, _VARCHAR: 2, _BIT: 2, _TIMESTAMP: 1, _DATETIME: 1, _TIME: 1, _BLOB_COMPRESSED: 1,
    _VARCHAR_COMPRESSED: 2, _JSON: 1, _DECIMAL: 2, _ENUM: 2, _SET: 2, _BLOB: 1, _VAR_STRING: 2, _STRING: 2,
    _GEOMETRY: 1,
}  # fmt: skip
_TEMPORAL = {_TIMESTAMP: packed.timestamp, _DATETIME: packed.datetime, _TIME: packed.time}
_HEX_UPTO = 3072
"""Longer strings are escaped instead, at half the size; no key is longer than this."""


class SourceColumn(NamedTuple):
    """What the catalogue adds to the log, which says neither sign nor meaning of its bytes."""

    name: str
    type: str
    full_type: str
    generated: bool


class Unknown(Exception):
    """A value that this module does not read exactly."""


def readers(types: bytes, metadata: bytes, columns: Sequence[SourceColumn]) -> list[Read]:
    """One reader per column of a table map.

    Raises: Unknown
    """
    found, offset = [], 0
    for kind, column in zip(types, columns, strict=True):
        size = _META_BYTES.get(kind, 0)
        found.append(_reader(kind, metadata[offset : offset + size], column))
        offset += size
    return found


def _reader(kind: int, meta: bytes, column: SourceColumn) -> Read:
    if kind in _INTEGERS:
        return packed.integer(_INTEGERS[kind], signed="unsigned" not in column.full_type)
    simple = {_FLOAT: packed.float4, _DOUBLE: packed.float8, _DATE: packed.date, _YEAR: packed.year}
    if kind in simple:
        return simple[kind]
    if kind == _DECIMAL:
        return packed.decimal(meta[0], meta[1])
    if kind in (_TIMESTAMP, _DATETIME, _TIME):
        return _TEMPORAL[kind](meta[0])
    if kind == _BIT:
        return packed.bit(meta[1] + (meta[0] > 0))
    if kind in (_BLOB, _GEOMETRY):
        return _prefixed(meta[0], string)
    if kind in (_VARCHAR, _VAR_STRING):
        return _prefixed(2 if int.from_bytes(meta, "little") > 255 else 1, string)
    if kind == _STRING:
        return _string(meta, column)
    if kind == _JSON:
        return _prefixed(meta[0], lambda raw: string(json_text(raw), b"_utf8mb4"))
    if kind == _BLOB_COMPRESSED:
        return _prefixed(meta[0], lambda raw: string(_uncompressed(raw)))
    if kind == _VARCHAR_COMPRESSED:
        size = 2 if int.from_bytes(meta, "little") > 255 else 1
        return _prefixed(size, lambda raw: string(_uncompressed(raw)))
    raise Unknown(f"column {column.name} ({column.full_type}) is stored in the old form {kind}")


def string(raw: bytes, introducer: bytes = b"_binary") -> bytes:
    """The literal of any bytes."""
    if len(raw) <= _HEX_UPTO and introducer == b"_binary":
        return b"x'" + raw.hex().upper().encode() + b"'"
    return introducer + b"'" + raw.replace(b"\\", b"\\\\").replace(b"'", b"\\'") + b"'"


def _prefixed(size: int, literal: Callable[[bytes], bytes]) -> Read:
    def read(raw: bytes, at: int) -> tuple[bytes, int]:
        start = at + size
        end = start + int.from_bytes(raw[at:start], "little")
        return literal(raw[start:end]), end

    return read


def _string(meta: bytes, column: SourceColumn) -> Read:
    kind, length = meta[0], meta[1]
    if kind & 0x30 != 0x30:
        # Two high bits of long lengths are hidden in the type, inverted.
        kind, length = kind | 0x30, length | ((kind & 0x30) ^ 0x30) << 4
    if kind in (_ENUM, _SET):
        return packed.integer(length, signed=False)
    if column.type in _FIXED and "old" not in column.full_type:
        return _prefixed(1, _FIXED[column.type])
    if column.type in _FIXED:
        # Of MariaDB before 10.11.5: its bytes are kept in another order.
        raise Unknown(f"column {column.name} is kept in the old form of {column.type}")
    size = 2 if length > 255 else 1
    if column.type == "binary":
        # Trailing zero bytes are not in the log, but count when bytes are compared.
        width = int((re.search(r"\((\d+)\)", column.full_type) or ["", "1"])[1])
        return _prefixed(size, lambda raw: string(raw.ljust(width, b"\0")))
    return _prefixed(size, string)


def _inet4(raw: bytes) -> bytes:
    return f"'{ipaddress.IPv4Address(raw.ljust(4, bytes(1)))}'".encode()


def _inet6(raw: bytes) -> bytes:
    return f"'{ipaddress.IPv6Address(raw.ljust(16, bytes(1)))}'".encode()


def _uuid(raw: bytes) -> bytes:
    return f"'{UUID(bytes=raw.ljust(16, bytes(1)))}'".encode()


_FIXED: dict[str, Callable[[bytes], bytes]] = {"inet4": _inet4, "inet6": _inet6, "uuid": _uuid}


def _uncompressed(raw: bytes) -> bytes:
    """The value of a COMPRESSED column."""
    if not raw:
        return raw
    method, raw_deflate, size = raw[0] >> 4, raw[0] & 8, raw[0] & 7
    if method == 0:
        return raw[1:]
    if method != 8:
        raise Unknown(f"a column is compressed by method {method}")
    return zlib.decompress(raw[1 + size :], -15 if raw_deflate else 15)
