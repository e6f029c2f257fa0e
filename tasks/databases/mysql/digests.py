"""Digests of rows, computed in the server: per range, per row, and per bag of rows without a key."""

from collections.abc import Iterator, Mapping, Sequence

from core.errors import Unreadable
from tasks.databases.model import (
    WHOLE,
    ContentDigest,
    KeyRange,
    RowDigest,
    Table,
)
from tasks.databases.mysql.columns import bound_expressions, for_people, row_hash, where
from tasks.databases.mysql.quoting import name, names, text
from tasks.databases.mysql.session import ReadSession

_UNCOUNTED = 10**32
"""Stands for a row without a hash; above any sum of 64-bit numbers."""


def ranges(
    session: ReadSession, schema: str, table: Table, rows: int, within: KeyRange = WHOLE
) -> Iterator[KeyRange]:
    after = within.after
    if table.key:
        order = ", ".join(name(column.name) for column in table.key)
        select = f"SELECT {', '.join(bound_expressions(table.key))} FROM {names(schema, table.name)}"
        while found := session.query(
            f"{select} WHERE {where(table.key, KeyRange(after, within.upto))}"
            f" ORDER BY {order} LIMIT 1 OFFSET {rows - 1}"
        ):
            upto = tuple(as_text(bound) for bound in found[0])
            if upto == within.upto:
                break
            yield KeyRange(after, upto)
            after = upto
    yield KeyRange(after, within.upto)


def digest(session: ReadSession, schema: str, table: Table, within: KeyRange) -> ContentDigest:
    rows, total = session.one(
        f"SELECT COUNT(*), {_sum(table)} FROM {names(schema, table.name)} WHERE {where(table.key, within)}"
    )
    return _counted(session, schema, table, rows, total)


def row_digests(session: ReadSession, schema: str, table: Table, within: KeyRange) -> Iterator[RowDigest]:
    bounds = bound_expressions(table.key)
    listed = ", ".join([*bounds, *(for_people(c) for c in table.key), row_hash(table)])
    width = len(bounds)
    for found in session.stream(
        f"SELECT {listed} FROM {names(schema, table.name)} WHERE {where(table.key, within)}"
    ):
        if found[-1] is None:
            raise too_long(session, schema, table)
        labels = zip((c.name for c in table.key), found[width:-1], strict=True)
        yield RowDigest(
            key=tuple(as_text(bound) for bound in found[:width]),
            label=", ".join(f"{column}={_printable(as_text(part))}" for column, part in labels),
            digest=as_text(found[-1]),
        )


def bags(
    session: ReadSession, schema: str, table: Table, signs: int, prefixes: Sequence[str] = ()
) -> Mapping[str, ContentDigest]:
    bag, chosen = row_hash(table), "TRUE"
    if prefixes:
        listed = ", ".join(text(prefix) for prefix in prefixes)
        chosen = f"LEFT({bag}, {len(prefixes[0])}) IN ({listed})"
    return {
        as_text(found or ""): _counted(session, schema, table, rows, total)
        for found, rows, total in session.query(
            f"SELECT LEFT({bag}, {int(signs)}), COUNT(*), {_sum(table)} FROM {names(schema, table.name)}"
            f" WHERE {chosen} GROUP BY 1"
        )
    }


def running(session: ReadSession) -> int:
    return int(session.one("SHOW GLOBAL STATUS LIKE 'Threads_running'")[1])


def too_long(session: ReadSession, schema: str, table: Table) -> Unreadable:
    return Unreadable(
        f"{session.address}: {schema}.{table.name}: a row is longer than max_allowed_packet",
        why="The server gives NULL for it; counting it as equal or copying it so would lose it.",
        next_command="SET GLOBAL max_allowed_packet = 1073741824;",
    )


def as_text(value: str | bytes) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _sum(table: Table) -> str:
    """Of the first 64 bits of each row's hash. A sum, unlike XOR, does not cancel equal rows.

    Computed without a derived table: one would be built on the server's disk, and takes three times as long.
    """
    number = f"CAST(CONV(LEFT({row_hash(table)},16),16,10) AS UNSIGNED)"
    return f"SUM(IFNULL({number},{_UNCOUNTED}))"


def _counted(session: ReadSession, schema: str, table: Table, rows: str, total: str | None) -> ContentDigest:
    if int(total or 0) >= _UNCOUNTED:
        raise too_long(session, schema, table)
    return ContentDigest(int(rows), (int(total or 0),))


def _printable(value: str) -> str:
    return value if value.isprintable() else value.encode("unicode_escape").decode()
