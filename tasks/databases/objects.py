"""CreateObjects: views, routines, triggers and events; events stay disabled on the target."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.access import Reader, Writer
from core.checks import Check
from core.errors import ApplyFailed, Refused
from core.plan import Change, Duration, Plan, Value
from core.step import Reversal, Step
from tasks.databases.differences import object_checks, object_difference, object_state
from tasks.databases.model import ObjectKind, StoredObject
from tasks.databases.move import Move


@dataclass(frozen=True)
class ObjectsFacts:
    """The source's objects in the order of making, as they shall be and as they are on the target."""

    wished: tuple[StoredObject, ...]
    there: tuple[StoredObject, ...]
    mapped_definers: Mapping[str, str]
    """Object to the definer it had at the source and that does not exist on the target."""
    translated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By label what the target says in other words than the source."""


@dataclass(frozen=True, kw_only=True)
class CreateObjects(Step[ObjectsFacts]):
    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move
    without: frozenset[ObjectKind] = frozenset()
    """Kinds that another step makes later."""

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "drops the views, routines, triggers and events that it made")

    def inspect(self, reader: Reader) -> ObjectsFacts:
        source, target = self.move.open_source(reader), self.move.open_target(reader)
        found = self._ours(source.objects(self.move.source_schema))
        wished = self.move.wished_objects(found, reader)
        is_there = target.options(self.move.target_schema) is not None
        there = self._ours(target.objects(self.move.target_schema)) if is_there else ()
        mapped = {w.label: f.definer for w, f in zip(wished, found, strict=True) if w.definer != f.definer}
        return ObjectsFacts(tuple(wished), there, mapped, source.translated(self.move.source_schema))

    def _ours(self, found: Iterable[StoredObject]) -> tuple[StoredObject, ...]:
        return tuple(o for o in found if o.kind not in self.without)

    def plan(self, facts: ObjectsFacts) -> Plan:
        there = {o.label: o for o in facts.there}
        changes = []
        for wished in facts.wished:
            found = there.get(wished.label)
            if found is None:
                notes: dict[str, Value] = {
                    "definer_at_source": facts.mapped_definers.get(wished.label, wished.definer)
                }
                if wished.label in facts.translated:
                    notes["translated"] = list(facts.translated[wished.label])
                changes.append(Change("create", wished.label, None, object_state(wished), notes))
            elif object_state(found) != object_state(wished):
                raise Refused(
                    f"{wished.label} of {self.move.to_label} is there with another definition: "
                    + object_difference(wished, found),
                    why="It is not ours and is never overwritten.",
                )
        if not changes:
            return Plan(nothing_because=f"all {len(facts.wished)} objects are there as at the source")
        return Plan(tuple(changes), duration=Duration(0.05 * len(changes), 0.3 * len(changes)))

    def apply(self, plan: Plan, writer: Writer) -> None:
        port = writer.open(self.move.target)
        left = [revived(change) for change in plan.changes]
        while left:
            postponed: list[tuple[StoredObject, ApplyFailed]] = []
            for wished in left:
                try:
                    port.create_object(self.move.target_schema, wished)
                except ApplyFailed as error:
                    # Perhaps it reads a view that comes later; without any progress it was no such thing.
                    postponed.append((wished, error))
            if len(postponed) == len(left):
                raise postponed[0][1]
            left = [wished for wished, _ in postponed]

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        checks = object_checks(facts.wished, facts.there)
        return tuple(checks) or (Check.equal(f"{self.move.from_label}: objects", 0, len(facts.there)),)

    def undo(self, plan: Plan, writer: Writer) -> None:
        look = self.move.look_at_target(writer.reader)
        there = {o.label for o in look.objects(self.move.target_schema)}
        for change in reversed(plan.changes):
            if change.object in there:
                kind: ObjectKind = change.after["kind"]
                writer.open(self.move.target).drop_object(self.move.target_schema, kind, change.after["name"])


def revived(change: Change) -> StoredObject:
    return StoredObject(**change.after)
