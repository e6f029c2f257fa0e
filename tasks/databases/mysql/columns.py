"""Columns as SQL expressions: exact literals for copying, unambiguous bytes for digests, bounds for ranges.

All are evaluated inside the source or target server, in sessions with time zone UTC. Measured on
MariaDB 10.11: the text protocol gives a FLOAT six digits only; as `f + 0e0` it is exact. The sign of a
negative zero is kept by MySQL, in its rows and here, while MariaDB stores none.
"""

from collections.abc import Iterable, Sequence

from tasks.databases.model import Column, KeyRange, Table
from tasks.databases.mysql.quoting import name

_INTEGER = {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal"}
_BY_NUMBER = {"bit", "enum", "set"}  # the number is exact, also of the '' that stands for an invalid ENUM
_FLOAT = {"float", "double"}
_CLOCK = {"date", "time", "datetime", "timestamp", "year"}
_TEXTUAL = {"date", "time", "datetime", "timestamp", "year", "inet4", "inet6", "uuid"}
_ADDRESS = {"inet4", "inet6", "uuid"}
_STRING = {"char", "varchar", "tinytext", "text", "binary", "varbinary", "tinyblob", "blob"}
_LONG = {"mediumtext", "longtext", "mediumblob", "longblob", "json"}
_GEOMETRY = {
    "geometry", "point", "linestring", "polygon", "multipoint",
    "multilinestring", "multipolygon", "geometrycollection", "geomcollection",
}  # fmt: skip
_BEYOND_ASCII = {"utf8mb4", "utf8mb3", "utf8", "latin1", "ascii"}
KNOWN_TYPES = _INTEGER | _BY_NUMBER | _FLOAT | _TEXTUAL | _STRING | _LONG | _GEOMETRY


def is_long(column: Column) -> bool:
    """Whether its values may be beyond what the server can build up with CONCAT (max_allowed_packet)."""
    return column.type in _LONG or column.type in _GEOMETRY


def carried(table: Table) -> list[Column]:
    """The columns that are copied, the long ones last; generated ones make themselves."""
    return sorted((c for c in table.columns if not c.generated), key=is_long)


def row_expressions(table: Table) -> list[str]:
    """One expression with the literals of all short columns as "(1,x'41'", then each long column's bytes."""
    short = [_literal(c) for c in carried(table) if not is_long(c)]
    opening = f"CONCAT('(',{','.join(_joined(short))})" if short else "'('"
    return [f"CAST({opening} AS BINARY)", *(_bytes(c) for c in carried(table) if is_long(c))]


def long_literal(column: Column, value: bytes | None) -> bytes:
    """The literal of a long value, in a session without NO_BACKSLASH_ESCAPES."""
    if value is None:
        return b"NULL"
    introducer = b"_utf8mb4'" if column.type == "json" else b"_binary'"
    return introducer + value.replace(b"\\", b"\\\\").replace(b"'", b"\\'") + b"'"


def load_term(column: Column, mariadb: bool) -> str:
    """A short value as LOAD DATA reads it: a bare word, or text between quotes; see mysql/load.py."""
    c = name(column.name)
    if column.type not in _STRING:
        return f"IFNULL({_plain(column)},'NULL')"
    # One pass over the bytes; of a NULL it makes the bare word NULL.
    if mariadb:
        return f"QUOTE(CAST({c} AS BINARY))"
    # MySQL would take the bytes for text of the session; as latin1 any byte is a character.
    return f"CAST(QUOTE(CONVERT(CAST({c} AS BINARY) USING latin1)) AS BINARY)"


def raw_bytes(column: Column) -> str:
    """A long value's bytes as they are."""
    return _bytes(column)


def row_hash(table: Table) -> str:
    """SHA-256 over the row: values that hold no ';', the length of every text or a mark for NULL, the texts.

    As there are always as many values and lengths, no two rows give the same bytes.
    """
    # SHA2 of a NULL is NULL: a row that CONCAT_WS cannot hold shows as uncounted, see digests.digest.
    # Virtual columns are left out: they follow from the others, or from who is asking (CURRENT_USER).
    kept = [c for c in table.columns if "VIRTUAL" not in c.extra.upper()]
    texts = [c for c in kept if c.type in _STRING]
    cast = not _concatenates_as_it_is(kept)
    parts = [
        *(_tagged(c) for c in kept if c.type not in _STRING),
        *(_null_tagged(c, f"LENGTH({name(c.name)})") for c in texts),
        # One that is NULL is left out by CONCAT_WS.
        *(f"CAST({name(c.name)} AS BINARY)" if cast else name(c.name) for c in texts),
    ]
    return f"SHA2(CONCAT_WS(';',{','.join(parts)}),256)"


def _concatenates_as_it_is(columns: Sequence[Column]) -> bool:
    """Whether CONCAT_WS gives the very bytes without a CAST for each text, which takes a tenth of the time.

    Not with several collations (it converts, or refuses), nor in a character set that is not beyond ASCII.
    """
    texts = {(c.charset, c.collation) for c in columns if c.type in _STRING}
    others = {c.type for c in columns} - _STRING - _INTEGER - _BY_NUMBER - _FLOAT - _CLOCK
    return len(texts) <= 1 and not others and {charset for charset, _ in texts} <= _BEYOND_ASCII


def bound_expressions(key: Iterable[Column]) -> list[str]:
    """For each column of a key, the literal that bounds a range."""
    return [_bound(c) for c in key]


def for_people(column: Column) -> str:
    """A key's value as people would look for it; bytes in hexadecimal."""
    c = name(column.name)
    if column.type in {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit"}:
        return f"HEX({c})"
    return f"{_plain(column)}" if column.type in _FLOAT else c


def where(key: Sequence[Column], within: KeyRange) -> str:
    """The condition of a range; spelt out, because row constructors are not optimised as ranges."""
    parts = []
    if within.after is not None:
        parts.append(_beyond(key, within.after, ">", last=">"))
    if within.upto is not None:
        parts.append(_beyond(key, within.upto, "<", last="<="))
    return " AND ".join(f"({part})" for part in parts) or "TRUE"


def _beyond(key: Sequence[Column], bound: Sequence[str], sign: str, last: str) -> str:
    cases = []
    for n, column in enumerate(key):
        equal = [f"{name(k.name)} = {b}" for k, b in zip(key[:n], bound, strict=False)]
        comparison = last if n == len(key) - 1 else sign
        cases.append(" AND ".join([*equal, f"{name(column.name)} {comparison} {bound[n]}"]))
    return " OR ".join(cases)


def _joined(expressions: list[str]) -> list[str]:
    return [part for e in expressions for part in ("','", e)][1:]


def _literal(column: Column) -> str:
    c = name(column.name)
    if column.type in _INTEGER:
        return f"IFNULL({c},'NULL')"
    if column.type in _BY_NUMBER:
        return f"IFNULL(CAST({c} AS UNSIGNED),'NULL')"
    if column.type in _STRING:
        return f"IFNULL(CONCAT('x''',HEX({c}),''''),'NULL')"
    return f"IFNULL(CONCAT('''',{_plain(column)},''''),'NULL')"


def _tagged(column: Column) -> str:
    """A value that is no short text, as text without ';'."""
    if is_long(column):
        content = _bytes(column)
        return f"IFNULL(CONCAT(LENGTH({content}),':',SHA2({content},256)),'N')"
    return _null_tagged(column, _plain(column))


def _null_tagged(column: Column, expression: str) -> str:
    return f"IFNULL({expression},'N')" if column.nullable else expression


def _bound(column: Column) -> str:
    c = name(column.name)
    if column.type in _INTEGER or column.type in _BY_NUMBER:
        return _literal(column)
    if column.charset:
        # A bare hexadecimal literal would compare as bytes: another order than the column's own.
        return f"CONCAT('_{column.charset} x''',HEX({c}),''' COLLATE {column.collation}')"
    if column.type in _STRING or is_long(column):
        return f"CONCAT('x''',HEX({c}),'''')"
    return f"CONCAT('''',{_plain(column)},'''')"


def _plain(column: Column) -> str:
    c = name(column.name)
    if column.type in _FLOAT:
        return exact_real(c)
    if column.type in _ADDRESS:
        # Beside a text, as in IFNULL(c, 'N'), the text would become an address, and that NULL.
        return f"CAST({c} AS CHAR)"
    # As c+0 a SET would go by way of a DOUBLE: of 64 members it would lose the last.
    return f"CAST({c} AS UNSIGNED)" if column.type in _BY_NUMBER else c


def exact_real(c: str) -> str:
    """A FLOAT or DOUBLE as a text that reads back as the very same number, the same one in both servers.

    MySQL cuts such texts off at 22 characters, and a third of all doubles is longer; not so in JSON, which
    says 1.0 for 1. Each server reads its own part: MariaDB leaves /*!80000 to MySQL, and MySQL /*M! to it.
    """
    json = f"CAST(CAST(CAST({c} AS JSON) AS CHAR) AS BINARY)"
    return f"/*M! {c}+0e0 *//*!80000 TRIM(TRAILING '.0' FROM {json}) */"


def _bytes(column: Column) -> str:
    c = name(column.name)
    if column.type in _GEOMETRY:
        return f"UNHEX(HEX({c}))"  # reference system and well-known binary, as stored
    if column.type == "json":
        return f"CAST(CAST({c} AS CHAR CHARACTER SET utf8mb4) AS BINARY)"
    return f"CAST({c} AS BINARY)"
