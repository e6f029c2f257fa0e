"""The relay: brings one side to what the other side's change log says, transaction by transaction."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.errors import ApplyFailed, Refused
from tasks.databases.model import Changes, Marks, Table
from tasks.databases.port import ReadPort, WritePort
from tasks.databases.sequences import level_sequences

_MOST_ROWS, _MOST_BYTES, _MOST_S = 1_000, 4 << 20, 0.2
"""Small transactions of the source share one on the target up to here."""
_REMEMBER_S = 1.0
"""While nothing of the schema changes, how often the position is written down."""
_PASS_S = 1.0
"""Whoever brings the target level in so long is at most so far behind."""


@dataclass(frozen=True)
class Side:
    """One schema at one server, looked at by a port of its own."""

    port: ReadPort
    schema: str
    label: str


@dataclass(frozen=True)
class Applied:
    """How far a relay is: rows applied so far, and when the source committed the last of them (0: none)."""

    position: str
    rows: int
    committed_at: float


Told = Callable[[Applied], None]


def position_of(side: Side) -> str:
    """Up to where of the other side's log this side corresponds; "" where it does not follow."""
    return (side.port.marks(side.schema) or Marks()).position


def unapplied(source: Side, position: str) -> int:
    """How many transactions with rows of the schema the log holds beyond a position; what else moves it on
    (other schemas, our own marks) does not count."""
    if not source.port.lag_bytes(position):
        return 0
    found = source.port.changes(source.schema, position, source.port.position())
    return sum(1 for changes in found if changes.rows)


def relay(
    source: Side,
    target: Side,
    write: WritePort,
    upto: str = "",
    *,
    ends: Callable[[], bool] = lambda: False,
    told: Told = lambda applied: None,
) -> int:
    """Apply everything after the target's position up to `upto`, or until it `ends`; gives the rows.

    Raises: errors.Refused where the target does not follow; whatever the ports raise, transient or not:
    the position committed with the last whole transaction, so that going on loses and repeats nothing.
    """
    marks = target.port.marks(target.schema) or Marks()
    position = marks.position
    if not position:
        raise Refused(
            f"{target.label} does not follow {source.label}: no position is recorded there",
            why="The copy has to be finished first; it records from where the log is to be read.",
            next_command="qianyun migrate --phase databases --plan DIGEST",
        )
    if upto and not source.port.lag_bytes(position):
        return 0
    # For rows that its own replication brings a server fires none.
    triggers = () if marks.replicated else target.port.with_triggers(target.schema)
    carrier = _Carrier(target, write, {t.name: t for t in target.port.tables(target.schema)}, position, told)
    try:
        for changes in source.port.changes(source.schema, position, upto):
            if triggers and changes.rows:
                raise _refused(target, triggers)
            carrier.take(changes)
            if ends():
                break
    except Refused:
        # What cannot be carried over must not arrive by the target's own replication either.
        write.halt_replication(target.schema)
        raise
    carrier.finish()
    return carrier.rows


def _refused(target: Side, triggers: tuple[str, ...]) -> Refused:
    return Refused(
        f"{target.label}: there are triggers on {', '.join(triggers)}",
        why="They would fire for rows that the other side's triggers have changed already. A cutover that was"
        " begun made them; since then the source was open again and written to.",
        next_command="qianyun rollback PROJECT --phase cutover  # then cut over again",
    )


class _Carrier:
    """Gathers small transactions and applies them together; never a part of one."""

    def __init__(
        self, target: Side, write: WritePort, tables: Mapping[str, Table], position: str, told: Told
    ) -> None:
        self._target, self._write, self._tables, self._told = target, write, tables, told
        self._reached = self._recorded = position
        self._recorded_at = time.monotonic()
        self._committed_at = 0.0
        self._batch: list[Changes] = []
        self._batch_rows = self._batch_bytes = 0
        self._since = 0.0
        self.rows = 0

    def take(self, changes: Changes) -> None:
        self._reached = changes.position
        now = time.monotonic()
        if changes.rows:
            self._since = self._since if self._batch else now
            self._batch.append(changes)
            self._batch_bytes += changes.size_bytes
            full = self._batch_bytes >= _MOST_BYTES
            if not full:
                # To count the rows of a large one would mean to decode them once more.
                self._batch_rows += len(changes.rows)
                full = self._batch_rows >= _MOST_ROWS
            if full or now - self._since >= _MOST_S:
                self._apply()
        elif self._batch:
            self._apply()  # the log had nothing more at hand: waiting would only add to the lag
        elif now - self._recorded_at >= _REMEMBER_S:
            self._remember()
        self._told(Applied(self._recorded, self.rows, self._committed_at))

    def finish(self) -> None:
        self._apply()
        self._remember()
        self._told(Applied(self._recorded, self.rows, self._committed_at))

    def _apply(self) -> None:
        if not self._batch:
            return
        self.rows += self._write.apply_changes(self._target.schema, self._tables, self._batch)
        self._recorded, self._recorded_at = self._batch[-1].position, time.monotonic()
        self._committed_at = self._batch[-1].committed_at
        self._batch, self._batch_rows, self._batch_bytes = [], 0, 0

    def _remember(self) -> None:
        # Foreign schemas may move the log on for hours: without this it would all be read again.
        if self._reached != self._recorded:
            self._write.set_position(self._target.schema, self._reached)
            self._recorded = self._reached
        self._recorded_at = time.monotonic()


def catch_up(source: Side, target: Side, write: WritePort, most_s: float) -> int:
    """Apply until the target is at most a second behind; gives the rows.

    What was committed when a pass began is applied at its end: a short pass is a short lag, by one clock.
    Raises: errors.ApplyFailed (transient) where the source is faster than that for `most_s` seconds.
    """
    end, rows = time.monotonic() + most_s, 0
    while True:
        began = time.monotonic()
        rows += relay(source, target, write, source.port.position())
        took = time.monotonic() - began
        if took <= _PASS_S:
            return rows
        if time.monotonic() > end:
            raise ApplyFailed(
                f"{target.label} is still {took:.1f} s behind {source.label} after {most_s:.0f} s",
                why="The source writes faster than the relay applies; nothing was frozen.",
                next_command="qianyun follow  # let it catch up while the source is quieter",
                transient=True,
            )


def level_numbers(source: Side, target: Side, write: WritePort) -> None:
    """No number given out by the source, rolled back ones included, is ever given out by the target."""
    there = {t.name: t.auto_increment or 0 for t in target.port.tables(target.schema)}
    for table in source.port.tables(source.schema):
        if table.auto_increment is not None and there.get(table.name, 0) < table.auto_increment:
            write.raise_auto_increment(target.schema, table.name, table.auto_increment)
    level_sequences((source.port, source.schema), (target.port, target.schema), write)
