"""FollowSource: what changed at the source since the copied snapshot is applied to the target, in order."""

import time
from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check, Status
from core.errors import Refused
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from tasks.databases.dirty import sides
from tasks.databases.model import Marks
from tasks.databases.move import Move
from tasks.databases.port import ReadPort
from tasks.databases.relay import Applied, Told, relay

FOLLOWED, READY, DRAINED, RETURNING = "followed", "ready", "drained", "returning"
"""Stages of our marks. `returning` stands in those at the source, once the stream has turned."""

_RELAYED_BYTES_PER_S = 500_000
"""Of change log, by a slow relay: about a thousand small rows a second."""


@dataclass(frozen=True)
class FollowFacts:
    not_followable: tuple[str, ...]
    """Reasons at the source, each with the statement that mends it."""
    position: str
    """Up to where of the source's change log the target corresponds; "" before the copy is finished."""
    stage: str
    lag_bytes: int


@dataclass(frozen=True, kw_only=True)
class FollowSource(Step[FollowFacts]):
    """Brings the target up to where the source is when the step starts; `qianyun follow` goes on with it.

    Once it has done so it counts as done while the lag stays within `most_lag_bytes`: a busy source is
    never quite level, and the cutover's readiness catches up again anyway.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move
    most_lag_bytes: int = 64 << 20

    @property
    def reversal(self) -> Reversal:
        return Reversal("compensating", "the newer rows stay on the target until its copy is undone")

    def inspect(self, reader: Reader) -> FollowFacts:
        source, target = sides(self.move, reader)
        marks = target.port.marks(target.schema) or Marks()
        reasons = source.port.not_followable(source.schema)
        lag = source.port.lag_bytes(marks.position) if marks.position and not reasons else 0
        return FollowFacts(reasons, marks.position, marks.stage, lag)

    def plan(self, facts: FollowFacts) -> Plan:
        refuse_unless_followable(self.move.from_label, facts.not_followable)
        if facts.position and facts.stage and facts.lag_bytes <= self.most_lag_bytes:
            return Plan(nothing_because=f"{self.move.to_label} follows {self.move.from_label}")
        change = Change(
            "run",
            f"changes of {self.move.from_label} since its copy, applied to {self.move.to_label}",
            None,
            {"follows": self.move.from_label},
            {"lag_bytes": facts.lag_bytes, "position": facts.position},
        )
        p50 = 1.0 + facts.lag_bytes / _RELAYED_BYTES_PER_S
        return Plan((change,), duration=Duration(p50, 3 * p50))

    def apply(self, plan: Plan, writer: Writer) -> None:
        source, target = sides(self.move, writer.reader)
        write = writer.open(self.move.target)
        marks = target.port.marks(target.schema) or Marks()
        total = source.port.lag_bytes(marks.position) if marks.position else 0
        relay(
            source,
            target,
            write,
            source.port.position(),
            told=_progress(writer, source.port, total),
        )
        if not marks.stage:
            write.set_stage(target.schema, FOLLOWED)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        name = f"{self.move.to_label}: behind {self.move.from_label}"
        if not facts.position or not facts.stage:
            return (Check(name, Status.FAIL, "following", "not following"),)
        within = Status.PASS if facts.lag_bytes <= self.most_lag_bytes else Status.FAIL
        return (
            Check(name, within, f"at most {self.most_lag_bytes} bytes of log", f"{facts.lag_bytes}"),
            Check.equal(f"{self.move.from_label}: can be followed", "yes", _listed(facts.not_followable)),
        )

    def undo(self, plan: Plan, writer: Writer) -> None:
        marks = writer.reader.open(self.move.target).marks(self.move.target_schema)
        if marks is not None and marks.stage:
            writer.open(self.move.target).set_stage(self.move.target_schema, "")


def refuse_unless_followable(label: str, reasons: tuple[str, ...]) -> None:
    """Raises: errors.Refused with the statements that mend it."""
    if reasons:
        raise Refused(
            f"{label} cannot be followed:\n  " + "\n  ".join(reasons),
            why="Without a complete change log what is written after the copy would be lost.",
            next_command="qianyun rehearse  # once that is mended; or choose method copy",
        )


def _listed(reasons: tuple[str, ...]) -> str:
    return "; ".join(reasons) or "yes"


def _progress(writer: Writer, source: ReadPort, total: int) -> Told:
    """Tells how many bytes of the log are done, asking at most once a second."""
    asked_at = 0.0

    def told(applied: Applied) -> None:
        nonlocal asked_at
        if total and time.monotonic() - asked_at >= 1.0:
            asked_at = time.monotonic()
            writer.progress(max(total - source.lag_bytes(applied.position), 0), total, "bytes of log")

    return told
