"""Rows named by the literals of their keys, or by all their values where a table has no key."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from tasks.databases.model import WHOLE, Column, Table
from tasks.databases.mysql.columns import exact_real, row_hash
from tasks.databases.mysql.digests import digest
from tasks.databases.mysql.quoting import marks_schema, name, names, text
from tasks.databases.mysql.row_images import NULL
from tasks.databases.mysql.session import ReadSession

DIRTY = "dirty"
WHOLE_TABLE = ""
"""The key literal that stands for all rows of a table."""
_KEYS_PER_QUERY = 100
_STRINGS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext"}
_GEOMETRY_LIKE = ("geom", "point", "line", "polygon", "multi")


def key_positions(table: Table, columns: Sequence[Column]) -> list[int]:
    order = [column.name for column in columns]
    return [order.index(column.name) for column in table.key]


def literal(values: Sequence[bytes], positions: Sequence[int]) -> str:
    """None of the literals that a key can hold has a comma in it."""
    return b",".join(values[p] for p in positions).decode()


def for_people(key_literal: str) -> str:
    """Texts as texts; bytes that are none stay in hexadecimal."""
    return ", ".join(_readable(part) for part in key_literal.split(","))


def _readable(part: str) -> str:
    if not part.startswith("x'"):
        return part
    try:
        value = bytes.fromhex(part[2:-1]).decode()
    except UnicodeDecodeError:
        return part
    return repr(value) if value.isprintable() else part


def literal_expression(column: Column, c: str) -> str:
    """What gives in the server the literal of a key's value, as it is in the log."""
    kind = column.type
    if kind in _STRINGS or kind in ("binary", "varbinary") or kind.endswith("blob"):
        return f"CONCAT('x''',HEX({c}),'''')"
    if kind in ("enum", "set", "bit"):
        return f"CAST({c} AS UNSIGNED)"
    if kind.endswith("int") or kind == "decimal":
        return c
    return exact_real(c) if kind in ("float", "double") else f"CONCAT('''',{c},'''')"


def by_key(key: Sequence[Column], parts: Sequence[bytes], prefix: bytes = b"") -> bytes:
    """The condition that the unique index of the key answers."""
    return b" AND ".join(_equals(c, part, prefix) for c, part in zip(key, parts, strict=True))


def _equals(column: Column, part: bytes, prefix: bytes) -> bytes:
    c = prefix + name(column.name).encode()
    if column.charset and column.type in _STRINGS:
        return b"%s = _%s %s COLLATE %s" % (c, column.charset.encode(), part, column.collation.encode())
    if column.type == "set":
        # Compared with a number it goes by way of a DOUBLE, which cannot tell 64 members apart.
        return b"CAST(%s AS UNSIGNED) = %s" % (c, part)
    return c + b" = " + part


def by_values(columns: Sequence[Column], values: Sequence[bytes]) -> bytes:
    """The condition that only rows with exactly these values meet, NULL equal to NULL."""
    return b" AND ".join(_same(c, value) for c, value in zip(columns, values, strict=True))


def _same(column: Column, value: bytes) -> bytes:
    c = name(column.name).encode()
    if value == NULL:
        return c + b" IS NULL"
    kind = column.type
    if kind in _STRINGS:
        return b"CAST(%s AS BINARY) = %s" % (c, value)
    if kind.startswith(_GEOMETRY_LIKE):
        return b"UNHEX(HEX(%s)) = %s" % (c, value)
    if kind in ("enum", "set", "bit"):
        return b"CAST(%s AS UNSIGNED) = %s" % (c, value)
    if kind == "year":
        return b"%s + 0 = %d" % (c, int(value.strip(b"'")))
    if kind in ("float", "double"):
        return b"%s * 1e0 = %s" % (c, value)
    if kind == "json":
        return b"%s = CAST(%s AS JSON)" % (c, value)
    return c + b" = " + value


def dirty(session: ReadSession, schema: str, most: int) -> tuple[tuple[str, str], ...]:
    rows = session.query(
        f"SELECT table_name, key_literal FROM {names(marks_schema(schema), DIRTY)}"
        f" ORDER BY table_name, key_hash LIMIT {int(most)}"
    )
    return tuple((_plain(table), _plain(key)) for table, key in rows)


def digests(session: ReadSession, schema: str, table: Table, keys: Sequence[str]) -> Mapping[str, str]:
    if not table.key:
        return {key: str(digest(session, schema, table, WHOLE)) for key in keys}
    found = {key: str(digest(session, schema, table, WHOLE)) for key in keys if key == WHOLE_TABLE}
    keys = [key for key in keys if key != WHOLE_TABLE]
    source = f"{row_hash(table)} FROM {names(schema, table.name)}"
    bounds = [*range(0, len(keys), _KEYS_PER_QUERY), len(keys)]
    for start, end in pairwise(bounds):
        parts = [
            f"SELECT {n}, {source} WHERE {by_key(table.key, keys[n].encode().split(b',')).decode()}"
            for n in range(start, end)
        ]
        for n, hashed in session.query(" UNION ALL ".join(parts)):
            found[keys[int(n)]] = str(hashed)
    return found


def _plain(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def clear_statement(schema: str, keys: Sequence[tuple[str, str]]) -> str:
    listed = ",".join(f"({text(table)},UNHEX(SHA2({text(key)},256)))" for table, key in keys)
    return f"DELETE FROM {names(marks_schema(schema), DIRTY)} WHERE (table_name,key_hash) IN ({listed})"
