"""PrepareReturn before the switch and ReverseStream after it: going back loses nothing that users wrote."""

from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check, Status
from core.errors import Refused, UndoFailed
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from tasks.databases.differences import object_state
from tasks.databases.dirty import ALL, dirty_checks, prove_and_clear, returning
from tasks.databases.follow import RETURNING, refuse_unless_followable
from tasks.databases.freeze import freeze
from tasks.databases.model import Marks, StoredObject
from tasks.databases.move import Move
from tasks.databases.objects import revived
from tasks.databases.relay import Side, level_numbers, relay


@dataclass(frozen=True)
class ReturnFacts:
    not_followable: tuple[str, ...]
    """Reasons at the target, each with the statement that mends it."""
    position: str
    """Up to where of the target's change log the source corresponds, by our marks there."""
    lag_bytes: int
    """Of the target's change log beyond that position."""
    stage: str
    frozen: bool
    triggers: tuple[StoredObject, ...]
    """Of the source: they would fire for every row that comes back."""


def _facts(move: Move, reader: Reader) -> ReturnFacts:
    target, source = returning(move, reader)
    marks = source.port.marks(source.schema) or Marks()
    reasons = target.port.not_followable(target.schema)
    return ReturnFacts(
        reasons,
        marks.position,
        target.port.lag_bytes(marks.position) if marks.position and not reasons else 0,
        marks.stage,
        source.port.is_frozen(),
        _triggers(move, reader),
    )


@dataclass(frozen=True, kw_only=True)
class PrepareReturn(Step[ReturnFacts]):
    """Notes at the source where the target's change log stands while both sides are equal and at rest.

    It comes before the switch: whatever users write on the new side is after this position.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "drops its marks at the source")

    def inspect(self, reader: Reader) -> ReturnFacts:
        self.move.open_target(reader, "freeze")  # going back freezes it: better known in the rehearsal
        return _facts(self.move, reader)

    def plan(self, facts: ReturnFacts) -> Plan:
        refuse_unless_followable(f"the way back from {self.move.to_label}", facts.not_followable)
        # Noted by an earlier run, and more was applied to the target since: that would all come back.
        if facts.position and (facts.stage == RETURNING or not facts.lag_bytes):
            return Plan(nothing_because=f"{self.move.from_label} notes from where it would be followed back")
        change = Change(
            "create",
            f"marks beside schema {self.move.source_schema} at {self.move.source.address}",
            None,
            {"purpose": "from where what users write on the new side is brought back"},
        )
        return Plan((change,), duration=Duration(0.1, 1.0))

    def apply(self, plan: Plan, writer: Writer) -> None:
        target, source = returning(self.move, writer.reader)
        _refuse_unless_frozen(self.move, source)
        if (target.port.marks(target.schema) or Marks()).replicated:
            raise Refused(
                f"{self.move.to_label} still replicates from {self.move.from_label}",
                why="What is noted at the source for the way back would arrive over our marks there.",
                next_command="qianyun rehearse",
            )
        write = writer.open(self.move.source)
        write.admit_us()
        write.create_marks(source.schema)
        if (source.port.marks(source.schema) or Marks()).stage != RETURNING:
            write.set_position(source.schema, target.port.position())

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        noted = "noted" if _facts(self.move, reader).position else "not noted"
        return (Check.equal(f"{self.move.from_label}: position in the target's log", "noted", noted),)

    def undo(self, plan: Plan, writer: Writer) -> None:
        write = writer.open(self.move.source)
        write.admit_us()
        # Whatever there is of them: an ended run may have got no further than their empty schema.
        write.drop_marks(self.move.source_schema)


@dataclass(frozen=True, kw_only=True)
class ReverseStream(Step[ReturnFacts]):
    """From the switch on the source, still read-only, follows the target; `qianyun follow` goes on with it.

    Its undo is the way back: nobody writes on the target any more, the stream is applied to its end and
    proved, and the source is what the target was. The target stays read-only: whoever still knows it by
    its name must not write what nobody would ever read.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move
    wait_s: int = 15

    @property
    def reversal(self) -> Reversal:
        how = "freezes the target for good, brings back what users wrote there and proves it"
        return Reversal("compensating", how)

    def inspect(self, reader: Reader) -> ReturnFacts:
        return _facts(self.move, reader)

    def plan(self, facts: ReturnFacts) -> Plan:
        refuse_unless_followable(f"the way back from {self.move.to_label}", facts.not_followable)
        # Not before the switch: a source that restarts is open again, and would take its users' writes
        # without what its triggers do.
        changes = [
            Change("delete", f"{trigger.label} at {self.move.source.address}", object_state(trigger))
            for trigger in facts.triggers
        ]
        if facts.stage != RETURNING:
            changes.append(
                Change(
                    "run",
                    f"changes of {self.move.to_label} since the switch, applied to {self.move.from_label}",
                    None,
                    {"follows": self.move.to_label},
                )
            )
        if not changes:
            return Plan(nothing_because=f"{self.move.from_label} follows {self.move.to_label}")
        return Plan(tuple(changes), duration=Duration(1.0, 5.0))

    def apply(self, plan: Plan, writer: Writer) -> None:
        target, source = returning(self.move, writer.reader)
        _refuse_unless_frozen(self.move, source)
        write = writer.open(self.move.source)
        write.admit_us()
        for trigger in _triggers(self.move, writer.reader):
            write.drop_object(source.schema, "trigger", trigger.name)
        relay(target, source, write, target.port.position())
        if (source.port.marks(source.schema) or Marks()).stage != RETURNING:
            write.set_stage(source.schema, RETURNING)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = _facts(self.move, reader)
        return (
            Check.equal(f"{self.move.from_label}: follows the target", RETURNING, facts.stage or "no"),
            Check.equal(f"{self.move.source.address}: frozen", True, facts.frozen),
            Check.equal(f"{self.move.from_label}: triggers that would fire", 0, len(facts.triggers)),
        )

    def undo(self, plan: Plan, writer: Writer) -> None:
        target, source = returning(self.move, writer.reader)
        write = writer.open(self.move.source)
        if (source.port.marks(source.schema) or Marks()).position:
            _refuse_unless_frozen(self.move, source)
            freeze(self.move.target, self.move.target_schema, writer, self.wait_s)
            writer.open(self.move.target).admit_us()
            relay(target, source, write, target.port.position())
            level_numbers(target, source, write)
            self._refuse_unless_equal(target, source, writer)
        there = {t.label for t in _triggers(self.move, writer.reader)}
        for change in plan.changes:
            if change.action == "delete" and f"trigger {change.before['name']}" not in there:
                write.create_object(source.schema, revived(Change("create", "", None, change.before)))
        # From here the target can follow again: what came back must not come over once more.
        writer.open(self.move.target).set_position(target.schema, source.port.position())

    def _refuse_unless_equal(self, target: Side, source: Side, writer: Writer) -> None:
        prove_and_clear(target, source, writer.open(self.move.source), ALL)
        wrong = [check for check in dirty_checks(target, source) if check.status is not Status.PASS]
        if wrong:
            raise UndoFailed(
                "; ".join(f"{check.name}: {check.actual}" for check in wrong),
                why="The source would open without what users wrote on the new side; names still lead there.",
                next_command="qianyun compare PROJECT DATABASE",
            )


def _refuse_unless_frozen(move: Move, source: Side) -> None:
    if not source.port.is_frozen():
        raise Refused(
            f"{move.source.address} can be written to",
            why="With both sides written, neither could be brought to what the other holds.",
            next_command="SET GLOBAL read_only = 1;  # at the source, once it is known who wrote there",
        )


def _triggers(move: Move, reader: Reader) -> tuple[StoredObject, ...]:
    """Of the source, in its own words: they are put back there."""
    found = move.open_source_itself(reader, "return-to").objects(move.source_schema)
    return tuple(one for one in found if one.kind == "trigger")
