"""MySQL's binary JSON as text, as the server itself would print it.

Source: MySQL 8.0, sql-common/json_binary.h (layout) and json_dom.cc (text).
"""

import base64
import json
import struct

from tasks.databases.mysql.packed import decimal

_LITERALS = {0: "null", 1: "true", 2: "false"}
_NUMBERS = {5: "<h", 6: "<H", 7: "<i", 8: "<I", 9: "<q", 10: "<Q"}
_DOUBLE, _STRING, _OPAQUE, _LITERAL = 11, 12, 15, 4


def json_text(raw: bytes) -> bytes:
    """Shape: the first byte is the type, the rest the value; nothing at all stands for null."""
    return _value(raw[0], raw[1:]).encode() if raw else b"null"


def _value(kind: int, data: bytes) -> str:
    if kind <= 3:
        return _container(data, large=bool(kind & 1), pairs=kind < 2)
    if kind == _LITERAL:
        return _LITERALS[data[0]]
    if kind in _NUMBERS:
        return str(struct.unpack_from(_NUMBERS[kind], data)[0])
    if kind == _DOUBLE:
        return repr(struct.unpack_from("<d", data)[0])
    if kind == _STRING:
        length, start = _length(data, 0)
        return json.dumps(data[start : start + length].decode(), ensure_ascii=False)
    if kind == _OPAQUE:
        length, start = _length(data, 1)
        return _opaque(data[0], data[start : start + length])
    raise ValueError(f"binary JSON of unknown type {kind}")


def _container(data: bytes, large: bool, pairs: bool) -> str:
    size, form = (4, "<I") if large else (2, "<H")
    count = struct.unpack_from(form, data)[0]
    entries = 2 * size + (count * (size + 2) if pairs else 0)
    values = [_entry(data, entries + n * (1 + size), size, form) for n in range(count)]
    if not pairs:
        return f"[{', '.join(values)}]"
    keys = []
    for n in range(count):
        start = struct.unpack_from(form, data, 2 * size + n * (size + 2))[0]
        length = struct.unpack_from("<H", data, 2 * size + n * (size + 2) + size)[0]
        keys.append(json.dumps(data[start : start + length].decode(), ensure_ascii=False))
    return "{" + ", ".join(f"{k}: {v}" for k, v in zip(keys, values, strict=True)) + "}"


def _entry(data: bytes, at: int, size: int, form: str) -> str:
    kind = data[at]
    # Small values stand in the entry itself.
    if kind in (4, 5, 6) or (size == 4 and kind in (7, 8)):
        return _value(kind, data[at + 1 : at + 1 + size])
    return _value(kind, data[struct.unpack_from(form, data, at + 1)[0] :])


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def _opaque(field_type: int, data: bytes) -> str:
    """Values of SQL types inside JSON: decimals as numbers, times as strings, all else as base64."""
    if field_type == 246:
        return decimal(data[0], data[1])(data, 2)[0].decode()
    packed = struct.unpack("<q", data)[0] if field_type in (7, 10, 11, 12) else 0
    sign, packed = ("-", -packed) if packed < 0 else ("", packed)
    whole, micro = packed >> 24, packed & 0xFFFFFF
    clock = f"{whole >> 12 & (31 if field_type != 11 else 1023):02}:{whole >> 6 & 63:02}:{whole & 63:02}"
    year, month = divmod(whole >> 22, 13)
    day = f"{year:04}-{month:02}-{whole >> 17 & 31:02}"
    if field_type == 10:
        return f'"{day}"'
    if field_type == 11:
        return f'"{sign}{clock}.{micro:06}"'
    if field_type in (7, 12):
        return f'"{day} {clock}.{micro:06}"'
    return f'"base64:type{field_type}:{base64.b64encode(data).decode()}"'
