"""`qianyun follow`: keeps targets level with their sources until told to end; after the switch, back."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from core.access import Pool, Reader, Writer
from core.errors import MigrationError, Refused
from flows.approval import REHEARSED
from flows.databases import move_of, target_leads
from flows.guards import precondition_guard, scope_guard
from flows.report import Result, class_of
from flows.work import Work, open_project
from tasks.databases.dirty import prove_and_clear, returning, sides
from tasks.databases.follow import RETURNING
from tasks.databases.model import Marks
from tasks.databases.move import Move
from tasks.databases.relay import Applied, Side, relay

STATUS_S = 1.0
_PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
_PROVE_EVERY_S, _PROVE_AT_ONCE = 5.0, 5_000
_CLOCK_STEP_S = 2.0
"""The log tells whole seconds, and clocks are nudged all the time."""

Say = Callable[[str], None]


@dataclass
class Stream:
    """One database that is followed, in a thread of its own."""

    name: str
    move: Move
    back: bool
    applied: Applied = field(default=Applied("", 0, 0.0))
    rows: int = 0
    lag_bytes: int | None = None
    trouble: str = ""
    """A passing error, while it pauses."""
    error: BaseException | None = None
    _asked_at: float = field(default=0.0, repr=False)
    _clock: float = field(default=0.0, repr=False)
    """Of the followed side when it was asked."""

    @property
    def lag_s(self) -> float | None:
        """Since the commit that was applied last, while there is more to apply; by the followed side's clock
        alone, ours may be another. None where that lies in the future: the clock was set back since."""
        if not self.lag_bytes or not self.applied.committed_at:
            return 0.0
        lag = self._clock + time.monotonic() - self._asked_at - self.applied.committed_at
        return lag if lag >= -_CLOCK_STEP_S else None

    def __str__(self) -> str:
        if self.trouble:
            return f"{self.name}: waits, {self.trouble}"
        bytes_behind = "?" if self.lag_bytes is None else f"{self.lag_bytes:,}"
        arrow = "back, " if self.back else ""
        lag = self.lag_s
        seconds = "? s (its clock was set back)" if lag is None else f"{max(lag, 0.0):.1f} s"
        return f"{self.name}: {arrow}{seconds}, {bytes_behind} bytes behind; {self.rows:,} rows"

    def follow(self, ends: threading.Event) -> None:
        """Until it ends. Passing errors are waited out: the position committed with the last transaction."""
        failures = 0
        while not ends.is_set():
            rows = self.rows
            try:
                self._follow(ends)
            except MigrationError as error:
                if not error.transient:
                    raise
                failures = 0 if self.rows > rows else failures + 1
                self.trouble = error.detail
                ends.wait(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])

    def _follow(self, ends: threading.Event) -> None:
        reader = Reader()
        writer = Writer(reader, lambda text: None)
        try:
            source, target = (returning if self.back else sides)(self.move, reader)
            write = writer.open(self.move.source if self.back else self.move.target)
            while not ends.is_set():
                refuse_unless_at_work(source, target, back=self.back)
                since, before = time.monotonic(), self.rows

                def pauses(since: float = since) -> bool:
                    return ends.is_set() or time.monotonic() - since >= _PROVE_EVERY_S

                def told(applied: Applied, before: int = before) -> None:
                    self._told(source, before, applied)

                relay(source, target, write, ends=pauses, told=told)
                # Proved in small portions while users write, so that little is left for the freeze.
                if not ends.is_set():
                    prove_and_clear(source, target, write, _PROVE_AT_ONCE)
        finally:
            writer.close()
            reader.close()

    def _told(self, source: Side, before: int, applied: Applied) -> None:
        self.trouble = ""
        self.applied, self.rows = applied, before + applied.rows
        if time.monotonic() - self._asked_at >= STATUS_S:
            self._asked_at = time.monotonic()
            self.lag_bytes, self._clock = source.port.lag_bytes(applied.position), source.port.clock()


def refuse_unless_at_work(source: Side, target: Side, *, back: bool) -> None:
    """Raises: errors.Refused where it is not this stream's turn."""
    if back and not target.port.is_frozen():
        raise Refused(
            f"{target.label} can be written to",
            why="It follows the new side; with both sides written neither can be brought to the other.",
            next_command="SET GLOBAL read_only = 1;  # at the source, once it is known who wrote there",
        )
    stage = (target.port.marks(target.schema) or Marks()).stage
    if not back and not stage:
        raise Refused(
            f"{target.label} does not follow {source.label} yet",
            why="Its copy is compared first, while it is at rest.",
            next_command="qianyun migrate --phase databases --plan DIGEST",
        )
    if back and stage != RETURNING:
        raise Refused(
            f"the cutover of {source.label} is under way",
            why="Which side leads is open until it has ended.",
            next_command="qianyun status",
        )


def follow(
    project: str,
    database: str,
    say: Say,
    ends: threading.Event | None = None,
    *,
    told: Callable[[], bool] = lambda: False,
    for_s: float = 0.0,
) -> Result:
    """Follow one database of the project, or all of method follow.

    Until interrupted, `ends` is set, we are `told` to end, or `for_s` seconds are over (0: without end).
    Whatever ends it, the transactions in flight and the run's record are finished first.
    Raises: errors.Refused without an approved plan that has the step, and where a live run is under way.
    """
    ends = ends or threading.Event()
    until = time.monotonic() + for_s if for_s else math.inf
    with open_project(project) as work, work.ledger.run_lock():
        streams = _streams(work, database)
        digest, requested_by = _approved(work, streams)
        run_id = work.ledger.start_run("live", requested_by=requested_by, digest=digest)
        stop = _run_all(streams, say, ends, lambda: told() or time.monotonic() > until)
        error = next((stream.error for stream in streams if stream.error), None)
        document = {
            "project": work.inventory.project.id,
            "run_id": run_id,
            "mode": "follow",
            "digest": digest,
            "state": "Failed" if error else "Followed",
            "databases": [_row(stream) for stream in streams],
        }
        work.ledger.end_run(run_id, str(document["state"]), document)
    if stop is not None:
        raise stop
    if error is not None and not isinstance(error, MigrationError):
        raise error
    return Result(document, error)


def _run_all(
    streams: Sequence[Stream], say: Say, ends: threading.Event, told: Callable[[], bool]
) -> BaseException | None:
    """One thread each; whoever fails stops all, since what belongs together must not drift apart.

    Gives what interrupted it, other than Ctrl-C: Prefect cancels a run by an exception of its own.
    """
    stop: BaseException | None = None

    def work(stream: Stream) -> None:
        try:
            stream.follow(ends)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            stream.error = error
            ends.set()

    threads = [threading.Thread(target=work, args=(stream,)) for stream in streams]
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) and not ends.wait(STATUS_S) and not told():
            _say(say, streams)
    except KeyboardInterrupt:
        pass
    except BaseException as error:  # noqa: BLE001 - raised again once nothing is in flight any more
        stop = error
    ends.set()
    # A second Ctrl-C must not cut the transaction in flight either.
    for thread in threads:
        while thread.is_alive():
            with suppress(BaseException):
                thread.join()
    _say(say, streams)
    return stop


def _say(say: Say, streams: Sequence[Stream]) -> None:
    # A terminal that was closed is no reason to leave a run open.
    with suppress(OSError):
        say("; ".join(map(str, streams)))


def _streams(work: Work, database: str) -> list[Stream]:
    inventory = work.inventory
    if database:
        inventory.require_in_scope(database)
    items = [item for item in inventory.in_scope("database") if not database or item.name == database]
    followed = [item for item in items if item.method == "follow"]
    if not followed:
        raise Refused(
            f"{database or work.inventory.project.id}: no database of method follow",
            why="Only those are kept level after their copy; the others are copied again under the freeze.",
            next_command=f"qianyun check {inventory.folder}",
        )
    return [Stream(item.name, move := move_of(inventory, item), _leads_back(move)) for item in followed]


def _leads_back(move: Move) -> bool:
    pool = Pool()
    reader = Reader(pool)
    try:
        return target_leads(move, reader)
    finally:
        reader.close()
        pool.close()


def _approved(work: Work, streams: Sequence[Stream]) -> tuple[str, str]:
    """Digest and requester of the latest approved plan that has every one of these streams.

    Raises: errors.Refused
    """
    keys = [f"cutover/{s.name}/reverse" if s.back else f"databases/{s.name}/follow" for s in streams]
    guards = (scope_guard(work.inventory), precondition_guard(work.inventory))
    for key in keys:
        for guard in guards:
            guard(work.whole.steps[key])
    for run in reversed(work.ledger.runs()):
        if run.mode == "rehearsal" and run.state == REHEARSED and work.ledger.approval_for(run.digest):
            plan: dict[str, Any] = work.ledger.plan_of(run.digest)
            if set(keys) <= set(plan):
                return run.digest, run.requested_by
    raise Refused(
        f"no approved plan has {', '.join(keys)}",
        why="A change request is raised and approved before anything is written.",
        next_command=f"qianyun rehearse {work.inventory.folder}",
    )


def _row(stream: Stream) -> dict[str, Any]:
    error = stream.error
    return {
        "database": stream.name,
        "back": stream.back,
        "rows": stream.rows,
        "position": stream.applied.position,
        "lag_bytes": stream.lag_bytes,
        "error": class_of(error) if isinstance(error, MigrationError) else "",
    }
