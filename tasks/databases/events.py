"""MoveEvents: after the switch, what acts by itself acts on the new side only."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from tasks.databases.model import StoredObject
from tasks.databases.move import Move


@dataclass(frozen=True)
class EventFacts:
    """Names of the events that are enabled on either side."""

    source: tuple[str, ...]
    target: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MoveEvents(Step[EventFacts]):
    """Events run on the target from now on and no longer at the source.

    Until here those of the source stay enabled: its read-only setting keeps them from writing, unless
    their definer may bypass it.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "disables them on the target and enables them at the source")

    def inspect(self, reader: Reader) -> EventFacts:
        source, target = self.move.open_source(reader, "return-to"), self.move.open_target(reader)
        there = target.options(self.move.target_schema) is not None
        return EventFacts(
            _enabled(source.objects(self.move.source_schema)),
            _enabled(target.objects(self.move.target_schema)) if there else (),
        )

    def plan(self, facts: EventFacts) -> Plan:
        where = {"enabled at": self.move.from_label}, {"enabled at": self.move.to_label}
        changes = tuple(Change("change", f"event {name}", *where) for name in facts.source)
        if not changes:
            return Plan(nothing_because=f"no event is enabled at {self.move.from_label}")
        return Plan(changes, duration=Duration(0.02 * len(changes), 0.2 * len(changes)))

    def apply(self, plan: Plan, writer: Writer) -> None:
        source, target = writer.open(self.move.source), writer.open(self.move.target)
        for change in plan.changes:
            # Ended in between, it is still enabled at the source, and therefore planned again.
            target.enable_event(self.move.target_schema, _event(change), enabled=True)
            source.enable_event(self.move.source_schema, _event(change), enabled=False)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        left = ", ".join(facts.source) or "none"
        return (Check.equal(f"{self.move.from_label}: enabled events", "none", left),)

    def undo(self, plan: Plan, writer: Writer) -> None:
        look = writer.reader.open(self.move.source), writer.reader.open(self.move.target)
        here = set(_enabled(look[0].objects(self.move.source_schema)))
        there = set(_enabled(look[1].objects(self.move.target_schema)))
        for change in reversed(plan.changes):
            if _event(change) in there:
                writer.open(self.move.target).enable_event(
                    self.move.target_schema, _event(change), enabled=False
                )
            if _event(change) not in here:
                writer.open(self.move.source).enable_event(
                    self.move.source_schema, _event(change), enabled=True
                )


def _enabled(objects: Sequence[StoredObject]) -> tuple[str, ...]:
    return tuple(o.name for o in objects if o.kind == "event" and o.enabled)


def _event(change: Change) -> str:
    return change.object.removeprefix("event ")
