"""DrainChanges: under the freeze, the change log is applied to its very end."""

from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check
from core.errors import Refused
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from tasks.databases.dirty import sides
from tasks.databases.follow import DRAINED, READY
from tasks.databases.model import Marks
from tasks.databases.move import Move
from tasks.databases.relay import level_numbers, relay, unapplied


@dataclass(frozen=True)
class DrainFacts:
    frozen: bool
    stage: str
    position: str
    lag_bytes: int


@dataclass(frozen=True, kw_only=True)
class DrainChanges(Step[DrainFacts]):
    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move

    @property
    def reversal(self) -> Reversal:
        return Reversal("compensating", "the newer rows stay on the target, which goes on following")

    def inspect(self, reader: Reader) -> DrainFacts:
        source, target = sides(self.move, reader)
        marks = target.port.marks(target.schema) or Marks()
        lag = source.port.lag_bytes(marks.position) if marks.position else 0
        return DrainFacts(source.port.is_frozen(), marks.stage, marks.position, lag)

    def plan(self, facts: DrainFacts) -> Plan:
        # Not by the lag alone: a quiet source has none, and the plan would depend on the hour.
        if facts.frozen and facts.stage == DRAINED and not facts.lag_bytes:
            return Plan(nothing_because=f"{self.move.to_label} holds the last change of its frozen source")
        change = Change(
            "run",
            f"changes of {self.move.from_label} up to the freeze, applied to {self.move.to_label}",
            None,
            {"up to": "the end of the change log"},
            {"lag_bytes": facts.lag_bytes},
        )
        return Plan((change,), duration=Duration(0.5, 5.0))

    def apply(self, plan: Plan, writer: Writer) -> None:
        source, target = sides(self.move, writer.reader)
        if not source.port.is_frozen():
            raise Refused(
                f"{self.move.source.address} can be written to",
                why="Its change log has no end before it is frozen.",
            )
        write = writer.open(self.move.target)
        relay(source, target, write, source.port.position())
        if (target.port.marks(target.schema) or Marks()).replicated:
            # Numbers of sequences are on their way as well, and must not set back what is levelled here.
            write.await_replication(target.schema, source.port.replication_place())
        level_numbers(source, target, write)
        write.set_stage(target.schema, DRAINED)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        source, _ = sides(self.move, reader)
        return (
            Check.equal(f"{self.move.source.address}: frozen", True, facts.frozen),
            Check.equal(f"{self.move.to_label}: stage", DRAINED, facts.stage or "not following"),
            Check.equal(
                f"{self.move.to_label}: transactions of the log not applied",
                0,
                unapplied(source, facts.position) if facts.position else "not following",
            ),
        )

    def undo(self, plan: Plan, writer: Writer) -> None:
        """Only its mark: what was applied is what the source holds."""
        marks = writer.reader.open(self.move.target).marks(self.move.target_schema)
        if marks is not None and marks.stage == DRAINED:
            writer.open(self.move.target).set_stage(self.move.target_schema, READY)
