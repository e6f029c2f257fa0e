"""CreateSchema: the schema, its sequences, and its empty tables with keys, constraints and partitions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.access import Reader, Writer
from core.checks import Check, Status
from core.errors import Refused, UndoFailed
from core.facts import ABSENT, Fact, Known
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from tasks.databases.differences import first_difference, table_checks
from tasks.databases.model import (
    Marks,
    SchemaOptions,
    Server,
    StoredObject,
    Table,
)
from tasks.databases.move import Move
from tasks.databases.port import ReadPort
from tasks.databases.sequences import level_sequences


@dataclass(frozen=True)
class SchemaState:
    """charset and collation of a schema, and the definition of each table and sequence by name."""

    charset: str
    collation: str
    tables: Mapping[str, str]
    sequences: Mapping[str, str] = field(default_factory=dict)

    @property
    def definitions(self) -> dict[str, str]:
        """Shape: by label, in the order of making: a column's default may ask a sequence."""
        return {
            **{f"sequence {name}": definition for name, definition in self.sequences.items()},
            **{f"table {name}": definition for name, definition in self.tables.items()},
        }


@dataclass(frozen=True)
class SchemaFacts:
    source: SchemaState
    target: Fact[SchemaState]
    translated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By label what the target says in other words than the source."""


@dataclass(frozen=True, kw_only=True)
class CreateSchema(Step[SchemaFacts]):
    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "drops the tables and the schema that it made, once they are empty")

    def inspect(self, reader: Reader) -> SchemaFacts:
        source, target = self.move.open_source(reader), self.move.open_target(reader)
        self.move.refuse_unless_possible(source, target)
        if stuck := source.unmovable(self.move.source_schema):
            raise Refused(
                f"{self.move.from_label} holds what cannot be carried: {'; '.join(stuck)}",
                why="Leaving it behind silently would be worse than not moving at all. What is to stay behind"
                " is named in sources.yaml, as the text before the colon.",
                next_command=f"leave_out: [{', '.join(dict.fromkeys(map(_quoted, stuck)))}]",
            )
        found = schema_state(target, self.move.target_schema)
        wanted = require_schema(source, self.move.source_schema, self.move.from_label)
        self._refuse_other_case(source.server(), target.server(), wanted)
        return SchemaFacts(
            source=wanted,
            target=ABSENT if found is None else Known(found),
            translated=source.translated(self.move.source_schema),
        )

    def _refuse_other_case(self, source: Server, target: Server, wanted: SchemaState) -> None:
        setting = "lower_case_table_names"
        ours, theirs = source.settings.get(setting), target.settings.get(setting)
        mixed = sorted(name for name in wanted.tables if name != name.lower())
        if ours != theirs and mixed:
            raise Refused(
                f"{setting} is {ours} at {self.move.source.address}, {theirs} at {self.move.target.address};"
                f" in capitals are {', '.join(mixed)}",
                why="The target would know them by other names than the programs that ask for them.",
                next_command=f"SELECT @@global.{setting};  # set when a server is first started",
            )

    def plan(self, facts: SchemaFacts) -> Plan:
        wanted = facts.source
        options = {"charset": wanted.charset, "collation": wanted.collation}
        changes: list[Change] = []
        there: Mapping[str, str] = {}
        if isinstance(facts.target, Known):
            there = facts.target.value.definitions
            before = {"charset": facts.target.value.charset, "collation": facts.target.value.collation}
            if before != options:
                changes.append(Change("change", self._schema, before, options))
        else:
            changes.append(Change("create", self._schema, None, options))
        for label, definition in wanted.definitions.items():
            if label not in there:
                shown = {"translated": list(facts.translated[label])} if label in facts.translated else {}
                changes.append(Change("create", label, None, {"definition": definition}, shown))
            elif there[label] != definition:
                raise Refused(
                    f"{label} of {self.move.to_label} is there with another definition: "
                    + first_difference(definition, there[label]),
                    why="It is not ours and is never overwritten.",
                )
        if not changes:
            return Plan(nothing_because=f"all {len(wanted.tables)} tables are there as at the source")
        p50 = 0.1 * len(changes)
        return Plan(tuple(changes), duration=Duration(p50, 4 * p50))

    def apply(self, plan: Plan, writer: Writer) -> None:
        port = writer.open(self.move.target)
        for change in plan.changes:
            if change.object == self._schema:
                make = port.create_schema if change.action == "create" else port.change_schema
                make(self.move.target_schema, SchemaOptions(**change.after))
            elif sequence := _sequence(change):
                made = StoredObject("sequence", sequence, change.after["definition"], "", {})
                port.create_object(self.move.target_schema, made)
            else:
                port.create_table(self.move.target_schema, _table(change), change.after["definition"])
        if made_here := {s for change in plan.changes if (s := _sequence(change))}:
            source, target = self.move.open_source(writer.reader), self.move.open_target(writer.reader)
            sides = (source, self.move.source_schema), (target, self.move.target_schema)
            level_sequences(*sides, port, made_here)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        source, target = self.move.open_source(reader), self.move.open_target(reader)
        wanted = require_schema(source, self.move.source_schema, self.move.from_label)
        found = schema_state(target, self.move.target_schema)
        if found is None:
            return (Check(self._schema, Status.FAIL, "present", "absent"),)
        return (
            Check.equal(f"{self._schema}: collation", wanted.collation, found.collation),
            *table_checks(wanted.tables, found.tables),
            *(
                Check.equal(f"sequence {name}: definition", definition, found.sequences.get(name, "absent"))
                for name, definition in wanted.sequences.items()
            ),
        )

    def undo(self, plan: Plan, writer: Writer) -> None:
        schema = self.move.target_schema
        look = self.move.look_at_target(writer.reader)
        there = schema_state(look, schema)
        if there is None:
            return
        port = writer.open(self.move.target)
        # All that could be lost is looked at before anything is dropped.
        for change in plan.changes:
            self._refuse_to_lose(change, there, look)
        for change in reversed(plan.changes):
            if change.object != self._schema:
                if _table(change) in there.tables:
                    port.drop_table(schema, _table(change))
                elif _sequence(change) in there.sequences:
                    port.drop_object(schema, "sequence", _sequence(change))
            elif change.action == "create":
                self._drop_if_bare(writer)
            elif there.collation != change.before["collation"]:
                port.change_schema(schema, SchemaOptions(**change.before))

    def _refuse_to_lose(self, change: Change, there: SchemaState, look: ReadPort) -> None:
        found = there.definitions.get(change.object)
        if found is None:
            return
        altered = found != change.after["definition"]
        holds = not _sequence(change) and not look.is_empty(self.move.target_schema, _table(change))
        if altered or holds:
            raise UndoFailed(
                f"{change.object} of {self.move.to_label} {'was altered' if altered else 'holds rows'}",
                why="Dropping it could lose what somebody else did; drop it by hand if that is meant.",
            )

    def _drop_if_bare(self, writer: Writer) -> None:
        schema = self.move.target_schema
        left = self.move.look_at_target(writer.reader)
        held = [*(t.name for t in left.tables(schema)), *(o.label for o in left.objects(schema))]
        if held:
            raise UndoFailed(
                f"schema {schema} at {self.move.target.address} still holds {', '.join(held)}",
                why="They were not made by this step.",
            )
        writer.open(self.move.target).drop_schema(schema)

    @property
    def _schema(self) -> str:
        return f"schema {self.move.target_schema}"


def schema_state(port: ReadPort, schema: str) -> SchemaState | None:
    options = port.options(schema)
    if options is None:
        return None
    marks = port.marks(schema) or Marks()
    return SchemaState(
        options.charset,
        options.collation,
        {t.name: _as_it_will_be(t, marks) for t in port.tables(schema)},
        {o.name: o.definition for o in port.objects(schema) if o.kind == "sequence"},
    )


def _as_it_will_be(table: Table, marks: Marks) -> str:
    """Its definition, with the indexes that our copy has put off until the rows are there."""
    mark = marks.tables.get(table.name)
    return mark.whole if mark and mark.whole and mark.bare == table.definition else table.definition


def require_schema(port: ReadPort, schema: str, label: str) -> SchemaState:
    """Raises: errors.Refused where the source has no such schema."""
    found = schema_state(port, schema)
    if found is None:
        raise Refused(f"{label}: there is no such schema", why="Check sources.yaml: nothing was touched.")
    return found


def _table(change: Change) -> str:
    return change.object.removeprefix("table ")


def _sequence(change: Change) -> str:
    """The name of the sequence that a change makes, or ""."""
    kind, _, name = change.object.partition(" ")
    return name if kind == "sequence" else ""


def _quoted(reason: str) -> str:
    """The label before the colon of a reason, as a YAML string."""
    return json.dumps(reason.partition(": ")[0], ensure_ascii=False)
