"""Rows: a table's digest, and bringing one table of the target to the source's content, range by range."""

from collections.abc import Callable, Iterator

from tasks.databases.port import ContentDigest, Mark, ReadPort, Table, WritePort

_RANGE_BYTES = 8 << 20
_FEWEST, _MOST = 200, 20_000
_DIGEST_ROWS = 50_000
"""Rows digested in one statement: the server keeps 32 bytes of each meanwhile."""

RowsDone = Callable[[int], None]


def table_digest(port: ReadPort, schema: str, table: Table) -> ContentDigest:
    total = ContentDigest()
    for within in port.ranges(schema, table, _DIGEST_ROWS):
        total += port.digest(schema, table, within)
    return total


def range_rows(table: Table) -> int:
    """Rows per range: some megabytes, so that a crash redoes little and a transaction stays small."""
    per_row = table.size_bytes // max(table.rows_estimate, 1)
    return max(_FEWEST, min(_MOST, _RANGE_BYTES // max(per_row, 1)))


def bring_level(
    source: tuple[ReadPort, str],
    target: tuple[ReadPort, str],
    write: WritePort,
    table: Table,
    mark: Mark | None,
    progress: RowsDone,
    rows_per_range: int = 0,
) -> ContentDigest:
    """Make the target's table hold exactly the source's rows, as of the source port's snapshot.

    The caller has made sure that what the target holds may be replaced. Ranges that are already equal are
    left alone: after a crash that is everything but the range in flight. `rows_per_range` 0 means by size.
    """
    (from_port, from_schema), (to_port, to_schema) = source, target
    if mark is None or mark.state == "done":
        write.begin_table(to_schema, table.name)
    fresh = mark is None
    total = ContentDigest()
    for within in from_port.ranges(from_schema, table, rows_per_range or range_rows(table)):
        wanted = from_port.digest(from_schema, table, within)
        # A range the target has nothing in needs no look at the target; but the last one is open-ended
        # and every table gets at least one write, so that "copied, and empty" is told from "not copied".
        if fresh or to_port.digest(to_schema, table, within) != wanted:
            write.replace_range(to_schema, table, within, from_port.rows(from_schema, table, within))
        total += wanted
        progress(wanted.rows)
    level_auto_increment(table, to_port, to_schema, write)
    write.finish_table(to_schema, table.name, str(total))
    return total


def level_auto_increment(table: Table, to_port: ReadPort, to_schema: str, write: WritePort) -> None:
    """The next number must not be lower than the source's: a number given out once is never given again."""
    if table.auto_increment is None:
        return
    found = to_port.auto_increment(to_schema, table.name)
    if found is None or found < table.auto_increment:
        write.raise_auto_increment(to_schema, table.name, table.auto_increment)


def differing_rows(
    source: tuple[ReadPort, str], target: tuple[ReadPort, str], ours: Table, theirs: Table, most: int
) -> Iterator[str]:
    """Keys of rows that differ, with how; at most `most`. Keys only: values may be personal data."""
    (from_port, from_schema), (to_port, to_schema) = source, target
    given = 0
    for within in from_port.ranges(from_schema, ours, 2_000):
        wanted = from_port.digest(from_schema, ours, within)
        if wanted == to_port.digest(to_schema, theirs, within):
            continue
        mine = dict(from_port.row_digests(from_schema, ours, within))
        there = dict(to_port.row_digests(to_schema, theirs, within))
        for row in sorted(mine.keys() | there.keys()):
            if mine.get(row) == there.get(row):
                continue
            how = "missing" if row not in there else "not at the source" if row not in mine else "differs"
            yield f"{row} {how}"
            given += 1
            if given == most:
                return
