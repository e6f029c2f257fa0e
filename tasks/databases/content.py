"""Rows: a table's digest, and bringing one table of the target to the source's content, range by range."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from core.errors import ApplyFailed
from tasks.databases.crew import Crew, Hand, Pace
from tasks.databases.model import (
    ContentDigest,
    KeyRange,
    Mark,
    RowBatch,
    Table,
)
from tasks.databases.port import ReadPort, WritePort

_RANGE_BYTES = 8 << 20
_FEWEST, _MOST = 20, 20_000
_DIGEST_ROWS = 50_000
"""Rows digested in one statement: the server keeps 32 bytes of each meanwhile."""
_TRIES, _PAUSE_S = 8, 0.05
"""How often a range is begun again that lost against another worker's."""

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


class _Levelling:
    """One table of the target on its way to the source's content; its ranges may be worked on at once."""

    def __init__(
        self, table: Table, crew: Crew, schemas: tuple[str, str], fresh: bool, done: RowsDone, position: str
    ) -> None:
        self._table, self._crew = table, crew
        self._from, self._to = schemas
        self._fresh, self._done, self._position = fresh, done, position
        self._lock = threading.Lock()
        self._open = 1  # for the cutting itself
        self._differing: list[KeyRange] = []
        self._emptied = False
        self.total = ContentDigest()

    def cut(self, ranges: Iterable[KeyRange], before_each: Callable[[int], None] = lambda busy: None) -> None:
        for within in ranges:
            before_each(self._crew.busy)
            with self._lock:
                self._open += 1
            self._crew.do(partial(self._level, within))
        self._crew.do(self._piece_done)

    def _level(self, within: KeyRange, hand: Hand) -> None:
        wanted = hand.source.digest(self._from, self._table, within)
        # A range the target has nothing in needs no look at the target; but the last one is open-ended
        # and every table gets at least one write, so that "copied, and empty" is told from "not copied".
        if self._fresh:
            self._put(within, hand, fresh=True)
        elif hand.look.digest(self._to, self._table, within) != wanted:
            with self._lock:
                self._differing.append(within)
        with self._lock:
            self.total += wanted
            self._done(wanted.rows)
        self._piece_done(hand)

    def _piece_done(self, hand: Hand) -> None:
        with self._lock:
            self._open -= 1
            if self._open:
                return
        self._next(hand)

    def _next(self, hand: Hand) -> None:
        """All pieces given out are done: what follows from them."""
        differing, several = self._differing, len(self._differing) > 1
        if not differing:
            self._finish(hand)
        elif several and not self._emptied:
            # A value that must be unique may have moved from one range to another: first all leave.
            self._emptied = True
            self._all(self._clear, differing)
        else:
            self._differing = []
            self._all(partial(self._fill, fresh=several), differing)

    def _all(self, work: Callable[[KeyRange, Hand], None], ranges: list[KeyRange]) -> None:
        self._open = len(ranges)
        for within in ranges:
            self._crew.add(partial(work, within))

    def _clear(self, within: KeyRange, hand: Hand) -> None:
        _tried(lambda: hand.write.clear_range(self._to, self._table, within))
        self._piece_done(hand)

    def _fill(self, within: KeyRange, hand: Hand, fresh: bool) -> None:
        self._put(within, hand, fresh)
        self._piece_done(hand)

    def _put(self, within: KeyRange, hand: Hand, fresh: bool) -> None:
        def put() -> None:
            rows = _Rows(hand.source.rows(self._from, self._table, within, hand.write.row_form()))
            try:
                hand.write.replace_range(self._to, self._table, within, rows, fresh)
            finally:
                rows.read_to_their_end()

        _tried(put)

    def _finish(self, hand: Hand) -> None:
        hand.write.make_indexes(self._to, self._table.name)
        level_auto_increment(self._table, hand.look, self._to, hand.write)
        hand.write.finish_table(self._to, self._table.name, str(self.total), self._position)


class _Rows:
    """The rows of a range on their way. A source that is left in the middle of them cannot be asked again
    for anything of its moment."""

    def __init__(self, batches: Iterator[RowBatch]) -> None:
        self._batches = batches
        self._begun = False

    def __iter__(self) -> Iterator[RowBatch]:
        return self

    def __next__(self) -> RowBatch:
        self._begun = True
        return next(self._batches)

    def read_to_their_end(self) -> None:
        if self._begun:
            for _ in self._batches:
                pass


def _tried(work: Callable[[], None]) -> None:
    """Where a table has indexes already, workers side by side lock each other out: who lost begins again."""
    first: ApplyFailed | None = None
    for left in reversed(range(_TRIES)):
        try:
            work()
            return
        except ApplyFailed as error:
            first = first or error
            if not error.transient or not left:
                raise first from None  # of a connection that is gone the first says why
            time.sleep(_PAUSE_S * (_TRIES - left))


def bring_level(
    source: tuple[ReadPort, str],
    target: tuple[ReadPort, str],
    write: WritePort,
    table: Table,
    mark: Mark | None,
    progress: RowsDone,
    rows_per_range: int = 0,
) -> None:
    """Make the target's table hold exactly the source's rows, as of the source port's snapshot.

    The caller has made sure that what the target holds may be replaced. Ranges that are already equal are
    left alone: after a crash that is everything but the range in flight. `rows_per_range` 0 means by size.
    """
    (from_port, from_schema), (to_port, to_schema) = source, target
    with Crew([Hand(from_port, to_port, write)]) as crew:
        if mark is None or mark.state == "done":
            write.begin_table(to_schema, table.name)
        levelling = _Levelling(table, crew, (from_schema, to_schema), mark is None, progress, "")
        levelling.cut(from_port.ranges(from_schema, table, rows_per_range or range_rows(table)))


@dataclass(frozen=True)
class Copying:
    """What all tables of a copy have in common: both schemas, the moment, the pace, and what hears of it."""

    schemas: tuple[str, str]
    position: str
    pace: Pace
    progress: RowsDone
    rows_per_range: int
    late_indexes_bytes: int
    """From this size on a table's indexes are made after its rows."""


def bring_all_level(
    crew: Crew, lead: Hand, tables: Sequence[Table], marks: Mapping[str, Mark], copying: Copying
) -> None:
    """As `bring_level` for each table, by a crew; `lead` cuts the tables into ranges. Largest first."""
    from_schema, to_schema = copying.schemas
    for table in sorted(tables, key=lambda t: (-t.size_bytes, t.name)):
        mark = marks.get(table.name)
        if mark is None or mark.state == "done":
            lead.write.begin_table(to_schema, table.name)
        if mark is None and table.size_bytes >= copying.late_indexes_bytes:
            lead.write.put_off_indexes(to_schema, table)
        rows = copying.rows_per_range or range_rows(table)
        size = rows * table.size_bytes // max(table.rows_estimate, 1)
        levelling = _Levelling(table, crew, copying.schemas, mark is None, copying.progress, copying.position)
        levelling.cut(
            lead.source.ranges(from_schema, table, rows), partial(copying.pace.await_turn, rows, size)
        )


def level_auto_increment(table: Table, to_port: ReadPort, to_schema: str, write: WritePort) -> None:
    """The next number must not be lower than the source's: a number given out once is never given again."""
    if table.auto_increment is None:
        return
    found = to_port.auto_increment(to_schema, table.name)
    if found is None or found < table.auto_increment:
        write.raise_auto_increment(to_schema, table.name, table.auto_increment)
