"""From a range that differs to the rows that do: cut into sixteen, and those again, then row by row."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeVar

from tasks.databases.model import (
    WHOLE,
    ContentDigest,
    KeyRange,
    RowDigest,
    Table,
)
from tasks.databases.port import DatabaseServer, ReadPort

_PARTS = 16
_LEAF_ROWS = 256
"""Ranges this small are looked at row by row."""
_BAG_SIGNS = 4
_BUSY_LOOK_S = 0.5

T = TypeVar("T")


class Side:
    """One server of a comparison: as many connections as work is given to it at once, up to `workers`."""

    def __init__(self, server: DatabaseServer, schema: str, first: ReadPort, workers: int) -> None:
        self.server, self.schema = server, schema
        self._free: SimpleQueue[ReadPort] = SimpleQueue()
        self._free.put(first)
        self._opened: list[ReadPort] = []
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix=f"compare {server.address}")

    def submit(self, work: Callable[[ReadPort], T]) -> Future[T]:
        return self._threads.submit(self._run, work)

    def run(self, work: Callable[[ReadPort], T]) -> T:
        return self.submit(work).result()

    def close(self) -> None:
        """End what is in flight, and the connections opened here (the first belongs to the caller)."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for port in self._opened:
            port.close()

    def _run(self, work: Callable[[ReadPort], T]) -> T:
        try:
            port = self._free.get_nowait()
        except Empty:
            port = self.server.open_reader()
            self._opened.append(port)
        # A port whose work failed is not lent again: its connection may be broken.
        given = work(port)
        self._free.put(port)
        return given


@dataclass(frozen=True)
class Piece:
    """A range of one table, at the source and at the target."""

    ours: Table
    theirs: Table
    within: KeyRange = WHOLE


@dataclass(frozen=True)
class Digests:
    source: ContentDigest
    target: ContentDigest

    @property
    def equal(self) -> bool:
        return self.source == self.target


@dataclass(frozen=True)
class RowPair:
    """One row that is not the same at both sides; or rows of a table without a key, counted by digest."""

    label: str
    how: str
    """missing | not at the source | differs"""
    source: str
    """What the source holds: a digest or a count, only good for telling whether it moved."""
    times: int = 1


@dataclass(frozen=True)
class Sides:
    """Both servers at work at the same time.

    most_running: new work waits while a server runs more statements than this; 0 is without limit.
    """

    source: Side
    target: Side
    most_running: int = 0
    ahead: int = 8
    """Pieces in flight or waiting for a connection."""
    back: bool = False
    """Whether `source` is the target of the migration and the other way round; words stay the migration's."""

    @property
    def only_here(self) -> str:
        """Of rows that `source` has and `target` has not."""
        return "not at the source" if self.back else "missing"

    @property
    def only_there(self) -> str:
        return "missing" if self.back else "not at the source"

    def pieces(self, ours: Table, theirs: Table, rows: int, within: KeyRange = WHOLE) -> Iterator[Piece]:
        """Cut by the source's keys."""
        yield from self._cut(self.source, ours, Piece(ours, theirs, within), rows)

    def digests(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, Digests]]:
        """Digests of each piece at both sides, several pieces at once, in the order of the pieces."""
        flying: deque[tuple[Piece, Future[ContentDigest], Future[ContentDigest]]] = deque()
        for piece in pieces:
            self._ease()
            flying.append((piece, *self._ask(piece)))
            if len(flying) >= self.ahead:
                yield _landed(flying.popleft())
        while flying:
            yield _landed(flying.popleft())

    def leaves(self, piece: Piece, found: Digests) -> Iterator[Piece]:
        """The small ranges within a differing piece that differ."""
        if max(found.source.rows, found.target.rows) <= _LEAF_ROWS or not piece.ours.key:
            yield piece
            return
        # Cut where there are more rows: the other side may hold none of them.
        at_source = found.source.rows >= found.target.rows
        side, table = (self.source, piece.ours) if at_source else (self.target, piece.theirs)
        rows = max(_LEAF_ROWS // 2, max(found.source.rows, found.target.rows) // _PARTS)
        for part, again in self.digests(self._cut(side, table, piece, rows)):
            if not again.equal:
                yield from self.leaves(part, again)

    def differing(self, piece: Piece, *, target_first: bool = False) -> dict[tuple[str, ...], RowPair]:
        """The rows of a small piece that differ, by key; in a table without one by digest."""
        if not piece.ours.key:
            return self._differing_bags(piece, target_first)
        mine, theirs = self._both(
            lambda port: _rows(port, self.source.schema, piece.ours, piece.within),
            lambda port: _rows(port, self.target.schema, piece.theirs, piece.within),
            target_first,
        )
        found = {}
        for key in sorted(mine.keys() | theirs.keys()):
            here, there = mine.get(key), theirs.get(key)
            if here is None and there is not None:
                found[key] = RowPair(there.label, self.only_there, "")
            elif here is not None and (there is None or there.digest != here.digest):
                found[key] = RowPair(here.label, "differs" if there else self.only_here, here.digest)
        return found

    def _differing_bags(self, piece: Piece, target_first: bool) -> dict[tuple[str, ...], RowPair]:
        coarse = self._bags(piece, _BAG_SIGNS, (), target_first)
        wrong = tuple(bag for bag, mine, theirs in coarse if mine != theirs)
        found: dict[tuple[str, ...], RowPair] = {}
        for bag, mine, theirs in self._bags(piece, 64, wrong, target_first) if wrong else ():
            more = mine.rows - theirs.rows
            if more:
                how = self.only_here if more > 0 else self.only_there
                found[(bag,)] = RowPair(f"with digest {bag[:12]}", how, str(mine.rows), abs(more))
        return found

    def _both(
        self, source: Callable[[ReadPort], T], target: Callable[[ReadPort], T], target_first: bool
    ) -> tuple[T, T]:
        """Both at once; or the target first, so that the source is looked at after it."""
        theirs = self.target.submit(target)
        if target_first:
            theirs.result()
        return self.source.run(source), theirs.result()

    def _bags(
        self, piece: Piece, signs: int, prefixes: tuple[str, ...], target_first: bool
    ) -> list[tuple[str, ContentDigest, ContentDigest]]:
        mine, theirs = self._both(
            lambda port: port.bags(self.source.schema, piece.ours, signs, prefixes),
            lambda port: port.bags(self.target.schema, piece.theirs, signs, prefixes),
            target_first,
        )
        none = ContentDigest()
        return [(b, mine.get(b, none), theirs.get(b, none)) for b in sorted(mine.keys() | theirs.keys())]

    def _cut(self, side: Side, table: Table, piece: Piece, rows: int) -> Iterator[Piece]:
        rest = piece.within
        while True:
            # One range at a time, on whichever connection is free.
            part = side.run(lambda port, rest=rest: next(port.ranges(side.schema, table, rows, rest)))  # type: ignore[misc]
            yield Piece(piece.ours, piece.theirs, part)
            if part.upto == rest.upto:
                return
            rest = KeyRange(part.upto, rest.upto)

    def _ask(self, piece: Piece) -> tuple[Future[ContentDigest], Future[ContentDigest]]:
        return (
            self.source.submit(lambda port: port.digest(self.source.schema, piece.ours, piece.within)),
            self.target.submit(lambda port: port.digest(self.target.schema, piece.theirs, piece.within)),
        )

    def _ease(self) -> None:
        """Wait until neither server has too much to do."""
        while self.most_running and any(
            side.run(lambda port: port.running()) > self.most_running for side in (self.source, self.target)
        ):
            time.sleep(_BUSY_LOOK_S)


def _landed(
    flight: tuple[Piece, Future[ContentDigest], Future[ContentDigest]],
) -> tuple[Piece, Digests]:
    piece, source, target = flight
    return piece, Digests(source.result(), target.result())


def _rows(port: ReadPort, schema: str, table: Table, within: KeyRange) -> dict[tuple[str, ...], RowDigest]:
    return {row.key: row for row in port.row_digests(schema, table, within)}
