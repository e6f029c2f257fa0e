"""Two schemas compared by content: per table equal, different, or changing too fast to be proved."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from core.access import Progress, Reader
from tasks.databases.model import (
    ContentDigest,
    Mark,
    Marks,
    Table,
)
from tasks.databases.move import Move
from tasks.databases.narrowing import Digests, Piece, RowPair, Side, Sides

Rows: TypeAlias = dict[tuple[str, ...], RowPair]

MOST_KEYS = 20
_PIECE_BYTES = 32 << 20
_FEWEST, _MOST = 1_000, 50_000
_SMALL_ROWS = 20_000
_POSITION_LOOK_S = 0.2


class Verdict(StrEnum):
    """The three answers, mildest first."""

    EQUAL = "EQUAL"
    CHANGING = "CHANGING"
    """Rows differ, and changed at the source meanwhile or since: nothing is proved of them."""
    DIFFERENT = "DIFFERENT"


@dataclass(frozen=True)
class Pace:
    """How a comparison goes about it.

    workers: connections at each server. rows: per range, 0 is by size. most_running: wait while a server
    runs more statements than this, 0 is without limit. tries: how often what differs is looked at again,
    wait_s apart. patience_s: how long the target may take to be followed up to a moment of the source.
    """

    workers: int = 4
    rows: int = 0
    most_running: int = 0
    tries: int = 3
    wait_s: float = 1.0
    patience_s: float = 30.0
    most_kept: int = 10_000
    """Differing rows of a table that are looked at again one by one; the rest is counted as unproved."""


USUAL = Pace()


@dataclass
class TableResult:
    """What came out for one table: counts by kind, and the keys of the first rows."""

    name: str
    source: ContentDigest = field(default_factory=ContentDigest)
    """As of the first look; so is `target`."""
    target: ContentDigest = field(default_factory=ContentDigest)
    ranges: int = 0
    looked_again: int = 0
    """Ranges that differed at first."""
    counts: Counter[str] = field(default_factory=Counter)
    """Proved to differ: "missing", "not at the source", "differs"."""
    changing: int = 0
    """Rows of which nothing could be proved."""
    rows: list[str] = field(default_factory=list)
    proved: set[tuple[str, ...]] = field(default_factory=set)
    """Keys of rows that were looked at again and differ."""
    _listed: int = 0
    as_copied: bool = False
    """The target holds exactly what was copied; what differs has changed at the source since."""

    @property
    def verdict(self) -> Verdict:
        if self.counts:
            return Verdict.DIFFERENT
        return Verdict.CHANGING if self.changing else Verdict.EQUAL

    @property
    def not_shown(self) -> int:
        """Rows that are counted and not listed."""
        return max(0, sum(self.counts.values()) + self.changing - self._listed)

    @property
    def words(self) -> str:
        """Counts, then keys; never values."""
        parts = [f"{number} {how}" for how, number in sorted(self.counts.items())]
        if self.changing:
            parts.append(f"{self.changing} changing")
        listed = "; ".join(self.rows) + (f"; and {self.not_shown} more" if self.not_shown else "")
        return ", ".join(parts) + (f": {listed}" if listed else "")

    def differ(self, pair: RowPair) -> None:
        self.counts[pair.how] += pair.times
        self._list(pair, pair.how)

    def change(self, pair: RowPair) -> None:
        self.changing += pair.times
        self._list(pair, "changing")

    def _list(self, pair: RowPair, how: str) -> None:
        if len(self.rows) < MOST_KEYS:
            self._listed += pair.times
            times = f"{pair.times} " if pair.times > 1 else ""
            self.rows.append(f"{times}{pair.label} {how}")


@dataclass(frozen=True)
class Comparison:
    """Tables of two schemas side by side.

    frozen: the source does not change, so the first look counts. followed: a relay brings the source's
    changes over; a row is proved different only once the target has passed the moment it was read.
    Otherwise the target is a copy of one moment, and the copy's own mark tells whether it is still that.
    back: after the switch the target leads and the source is followed up to it; pairs, marks and results are
    then those of the target first.
    """

    move: Move
    pace: Pace = USUAL
    frozen: bool = False
    followed: bool = False
    narrow_moved: bool = True
    """Whether to count what changed at the source since the copy."""
    back: bool = False

    def run(
        self, reader: Reader, pairs: Sequence[tuple[Table, Table]], marks: Marks, progress: Progress
    ) -> Iterator[TableResult]:
        """One result a table, in their order."""
        total, done = sum(ours.rows_estimate for ours, _ in pairs), 0
        with self._sides(reader, pairs) as sides:
            for ours, theirs in pairs:
                result, suspects = TableResult(ours.name), list[tuple[Piece, Digests]]()
                for piece, found in sides.digests(sides.pieces(ours, theirs, self._rows(ours))):
                    _add(result, found)
                    done += found.source.rows
                    progress(done, max(total, done), "rows")
                    if not found.equal:
                        suspects.append((piece, found))
                self._settle(sides, result, suspects, marks.tables.get(ours.name))
                yield result

    def _settle(
        self, sides: Sides, result: TableResult, suspects: list[tuple[Piece, Digests]], mark: Mark | None
    ) -> None:
        result.looked_again = len(suspects)
        result.as_copied = _is_copy(result, mark) and not self.frozen
        if suspects and not self.frozen and not result.as_copied:
            suspects = self._look_again(sides, result, suspects)
        if not suspects or (result.as_copied and not self.narrow_moved):
            return
        leaves = [leaf for piece, found in suspects for leaf in sides.leaves(piece, found)]
        if self.frozen or result.as_copied:
            for leaf in leaves:
                for pair in sides.differing(leaf).values():
                    (result.change if result.as_copied else result.differ)(pair)
        else:
            self._prove(sides, result, leaves)

    def _look_again(
        self, sides: Sides, result: TableResult, suspects: list[tuple[Piece, Digests]]
    ) -> list[tuple[Piece, Digests]]:
        """Ranges that still differ after a while; ends early once nothing moves any more."""
        for attempt in range(self.pace.tries):
            time.sleep(self.pace.wait_s * 2**attempt)
            before = dict(suspects)
            left, moved = [], False
            for piece, now in sides.digests(before):
                moved |= now != before[piece]
                if not now.equal:
                    left.append((piece, now))
            suspects = left
            if not suspects or not moved:
                break
        return suspects

    def _prove(self, sides: Sides, result: TableResult, leaves: list[Piece]) -> None:
        """A row is different where it stood still at the source while the target, having been followed
        beyond the moment of the first look, did not hold it."""
        seen, kept = [], 0
        for leaf in leaves:
            found = sides.differing(leaf)
            kept += len(found)
            if kept <= self.pace.most_kept:
                seen.append((leaf, found))
                continue
            for pair in found.values():
                result.change(pair)
        for _ in range(self.pace.tries):
            seen = [(leaf, before) for leaf, before in seen if before]
            if not seen:
                return
            time.sleep(self.pace.wait_s)
            passed = self._await_followed(sides)
            seen = [(leaf, self._undecided(sides, result, leaf, before, passed)) for leaf, before in seen]
        for _, left in seen:
            for pair in left.values():
                result.change(pair)

    def _undecided(self, sides: Sides, result: TableResult, leaf: Piece, before: Rows, passed: bool) -> Rows:
        left = {}
        for key, pair in sides.differing(leaf, target_first=True).items():
            stood_still = key in before and before[key].source == pair.source
            if key in result.proved:
                continue
            if stood_still and passed:
                result.proved.add(key)
                result.differ(pair)
            else:
                left[key] = pair
        return left

    def _await_followed(self, sides: Sides) -> bool:
        """Whether the target has reached what the source's log holds now."""
        if not self.followed:
            return True
        goal = sides.source.run(lambda port: port.position())
        end = time.monotonic() + self.pace.patience_s
        while True:
            # The goal's distance is taken first: the log only grows, so the target is never flattered.
            distance = _lag_bytes(sides, goal)
            marks = sides.target.run(lambda port: port.marks(sides.target.schema)) or Marks()
            if marks.position and _lag_bytes(sides, marks.position) <= distance:
                return True
            if time.monotonic() > end:
                return False
            time.sleep(_POSITION_LOOK_S)

    @contextmanager
    def _sides(self, reader: Reader, pairs: Sequence[tuple[Table, Table]]) -> Iterator[Sides]:
        rows = sum(ours.rows_estimate for ours, _ in pairs)
        # A small schema is not worth the connections.
        workers = max(1, min(self.pace.workers, rows // _SMALL_ROWS))
        move = self.move
        source = Side(move.source, move.source_schema, move.open_source(reader), workers)
        target = Side(move.target, move.target_schema, move.open_target(reader), workers)
        first, second = (target, source) if self.back else (source, target)
        try:
            yield Sides(first, second, self.pace.most_running, ahead=2 * workers, back=self.back)
        finally:
            source.close()
            target.close()

    def _rows(self, table: Table) -> int:
        per_row = table.size_bytes // max(table.rows_estimate, 1)
        return self.pace.rows or max(_FEWEST, min(_MOST, _PIECE_BYTES // max(per_row, 1)))


def _lag_bytes(sides: Sides, position: str) -> int:
    return sides.source.run(lambda port: port.lag_bytes(position))


def _add(result: TableResult, found: Digests) -> None:
    result.source, result.target = result.source + found.source, result.target + found.target
    result.ranges += 1


def _is_copy(result: TableResult, mark: Mark | None) -> bool:
    return mark is not None and mark.state == "done" and mark.digest == str(result.target)
