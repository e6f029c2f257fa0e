"""CopyData: all rows of all tables, as of one consistent moment of the source, each range exactly once."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check, Status
from core.errors import Refused
from core.facts import ABSENT, Fact, Known
from core.plan import Change, Plan
from core.step import Reversal, Step
from tasks.databases.content import bring_level, table_digest
from tasks.databases.move import Move, copy_time
from tasks.databases.port import Marks, ReadPort, Table


@dataclass(frozen=True)
class DataFacts:
    """The source's tables; of the target which tables hold rows, and our marks ("copying" | "done")."""

    tables: tuple[Table, ...]
    holding_rows: tuple[str, ...]
    with_triggers: tuple[str, ...]
    marks: Fact[Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class CopyData(Step[DataFacts]):
    """Its marks on the target (a schema beside the copied one) say which content is our copy.

    They commit together with the rows they speak of, and stay until this step is undone: by them a later
    run tells our copy from what somebody else wrote, and the comparison knows the snapshot's digests.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move
    rows_per_range: int = 0

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "empties the tables that it filled and drops its marks")

    def inspect(self, reader: Reader) -> DataFacts:
        source, target = self.move.open_source(reader), self.move.open_target(reader)
        schema = self.move.target_schema
        marks = target.marks(schema)
        there = {table.name for table in target.tables(schema)} if target.options(schema) else set()
        tables = source.tables(self.move.source_schema)
        return DataFacts(
            tables=tables,
            holding_rows=tuple(
                t.name for t in tables if t.name in there and not target.is_empty(schema, t.name)
            ),
            with_triggers=tuple(sorted({o.table for o in target.objects(schema) if o.kind == "trigger"}))
            if there
            else (),
            marks=ABSENT
            if marks is None
            else Known({table: mark.state for table, mark in marks.tables.items()}),
        )

    def plan(self, facts: DataFacts) -> Plan:
        marks = facts.marks.value if isinstance(facts.marks, Known) else {}
        left = [t for t in facts.tables if marks.get(t.name) != "done"]
        for table in left:
            self._refuse_foreign(table.name, facts, marks)
        changes = [] if isinstance(facts.marks, Known) else [self._marks_change]
        changes += [
            Change(
                "copy",
                f"table {table.name}",
                None,
                {"rows of": f"{self.move.from_label}.{table.name}"},
                {"rows_estimate": table.rows_estimate, "size_bytes": table.size_bytes},
            )
            for table in left
        ]
        if not changes:
            return Plan(
                nothing_because=f"all {len(facts.tables)} tables were copied and marked so on the target"
            )
        return Plan(tuple(changes), duration=copy_time(left))

    def apply(self, plan: Plan, writer: Writer) -> None:
        source, look = self.move.open_source(writer.reader), self.move.open_target(writer.reader)
        port = writer.open(self.move.target)
        schema = self.move.target_schema
        if look.marks(schema) is None:
            port.create_marks(schema)
        marks = look.marks(schema) or Marks()
        # Read before the snapshot begins: a table that is altered in between fails by itself (error 1412).
        tables = {t.name: t for t in source.tables(self.move.source_schema)}
        wanted = [tables[_table(c)] for c in plan.changes if c.action == "copy" and _table(c) in tables]
        done, total = 0, sum(t.rows_estimate for t in wanted)

        def count(rows: int) -> None:
            nonlocal done
            done += rows
            writer.progress(done, max(total, done), "rows")

        with source.snapshot():
            for table in wanted:
                bring_level(
                    (source, self.move.source_schema),
                    (look, schema),
                    port,
                    table,
                    marks.tables.get(table.name),
                    count,
                    self.rows_per_range,
                )

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        """The target's content against the digests of the source's content in the copied snapshot."""
        source, target = self.move.open_source(reader), self.move.open_target(reader)
        marks = target.marks(self.move.target_schema) or Marks()
        found = {t.name: t for t in target.tables(self.move.target_schema)}
        return tuple(
            self._check(target, table.name, found.get(table.name), marks)
            for table in source.tables(self.move.source_schema)
        ) or (Check.equal(f"{self.move.from_label}: tables", 0, len(found)),)

    def _check(self, target: ReadPort, name: str, found: Table | None, marks: Marks) -> Check:
        mark = marks.tables.get(name)
        if found is None or mark is None or mark.state != "done":
            return Check(f"table {name}: rows", Status.FAIL, "copied", "not copied")
        actual = table_digest(target, self.move.target_schema, found)
        return Check.equal(f"table {name}: rows", mark.digest, str(actual))

    def undo(self, plan: Plan, writer: Writer) -> None:
        look = writer.reader.open(self.move.target)
        schema = self.move.target_schema
        marks = look.marks(schema) or Marks()
        port = writer.open(self.move.target)
        there = {table.name for table in look.tables(schema)}
        for change in plan.changes:
            table = _table(change)
            if change.action == "copy" and table in marks.tables and table in there:
                port.empty_table(schema, table)
        if any(change.object == self._marks_change.object for change in plan.changes):
            port.drop_marks(schema)

    def _refuse_foreign(self, table: str, facts: DataFacts, marks: Mapping[str, str]) -> None:
        if table in facts.holding_rows and table not in marks:
            raise Refused(
                f"table {table} of {self.move.to_label} holds rows that are not our copy",
                why="A table that somebody else filled is never overwritten.",
                next_command=f"SELECT * FROM `{table}` LIMIT 10;  # on the target: whose rows are these?",
            )
        if table in facts.with_triggers:
            raise Refused(
                f"table {table} of {self.move.to_label} has triggers already",
                why="They would fire for every copied row; triggers are made after the data.",
            )

    @property
    def _marks_change(self) -> Change:
        return Change(
            "create",
            f"marks beside schema {self.move.target_schema}",
            None,
            {"purpose": "which tables are our copy, with digests; kept until this step is undone"},
        )


def _table(change: Change) -> str:
    return change.object.removeprefix("table ")
