"""How fast a source gives out its rows and digests them, measured on pieces of its largest tables."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from tasks.databases.model import KeyRange, Table
from tasks.databases.port import ReadPort

SAMPLE_S = 0.7
_MOST_TABLES = 8
_PIECES = 10
_PIECE_BYTES = 2 << 20
_SMALLEST = 64 << 10
"""Of a smaller table one measures the round trip, not the rate."""


@dataclass(frozen=True)
class Rates:
    """What a source gave out and digested of its own tables, measured on a bounded sample.

    Units: bytes of table size per second, as the median of the pieces and as nine of ten reached; 0 where
    nothing was measured. They are measures: no plan's digest may depend on them.
    """

    read_p50: float = 0.0
    read_p90: float = 0.0
    digest_p50: float = 0.0
    digest_p90: float = 0.0
    sampled_bytes: int = 0
    sampled_s: float = 0.0


UNMEASURED = Rates()


def measured_rates(port: ReadPort, schema: str, tables: Sequence[Table], most_s: float = SAMPLE_S) -> Rates:
    """Read and digest piece after piece, the largest tables in turn, until time or pieces are used up.

    The pieces lie at the beginning of each table: they may be warm in memory while the rest is not, which
    is why the worst case of a plan is not made of this alone.
    """
    read: list[float] = []
    digested: list[float] = []
    sampled, begun = 0, time.perf_counter()
    for table, within in _pieces(port, schema, tables):
        if time.perf_counter() - begun >= most_s:
            break
        started = time.perf_counter()
        given = sum(batch.rows for batch in port.rows(schema, table, within, "stream"))
        between = time.perf_counter()
        port.digest(schema, table, within)
        ended = time.perf_counter()
        if given:
            size = given * _row_bytes(table)
            sampled += size
            read.append(size / (between - started))
            digested.append(size / (ended - between))
    took = time.perf_counter() - begun
    return Rates(_nth(read, 0.5), _nth(read, 0.1), _nth(digested, 0.5), _nth(digested, 0.1), sampled, took)


def _pieces(port: ReadPort, schema: str, tables: Sequence[Table]) -> Iterator[tuple[Table, KeyRange]]:
    """The first piece of every table, then the second of every table, and so on."""
    large = sorted((t for t in tables if t.size_bytes >= _SMALLEST), key=lambda t: -t.size_bytes)
    # A table without a key is one single piece: a large one would take as long as it takes.
    bounded = [t for t in large if t.key or t.size_bytes <= _PIECE_BYTES][:_MOST_TABLES]
    cut = [islice(port.ranges(schema, t, max(_PIECE_BYTES // _row_bytes(t), 1)), _PIECES) for t in bounded]
    for _ in range(_PIECES):
        for table, ranges in zip(bounded, cut, strict=True):
            if (within := next(ranges, None)) is not None:
                yield table, within


def _row_bytes(table: Table) -> int:
    return max(table.size_bytes // max(table.rows_estimate, 1), 1)


def _nth(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)] if values else 0.0
