"""CopyData: all rows of all tables, as of one consistent moment of the source, each range exactly once."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check, Status
from core.errors import Refused
from core.facts import ABSENT, Fact, Known
from core.plan import Change, Plan
from core.step import Reversal, Step
from tasks.databases.content import Copying, bring_all_level, range_rows, table_digest
from tasks.databases.crew import NO_LIMITS, Crew, Hand, Limits, Pace
from tasks.databases.estimate import UNMEASURED, Rates, measured_rates
from tasks.databases.model import Mark, Marks, Table
from tasks.databases.move import Move, copy_time
from tasks.databases.port import ReadPort


@dataclass(frozen=True)
class DataFacts:
    """The source's tables; of the target which tables hold rows, and our marks ("copying" | "done")."""

    tables: tuple[Table, ...]
    holding_rows: tuple[str, ...]
    with_triggers: tuple[str, ...]
    marks: Fact[Mapping[str, str]]
    position: str = ""
    """Of the source's change log, where the whole copy is of one moment."""
    one_reader_because: str = ""
    rates: Rates = UNMEASURED


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
    one_moment: bool = False
    """All tables must end as of one moment of the source, whose place in its change log is recorded."""
    workers: int = 4
    limits: Limits = NO_LIMITS
    rows_per_range: int = 0
    late_indexes_bytes: int = 4 << 20
    """From this size on a table's indexes are made after its rows."""

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "empties the tables that it filled and drops its marks")

    def inspect(self, reader: Reader) -> DataFacts:
        source, target = self.move.open_source(reader), self.move.open_target(reader)
        schema = self.move.target_schema
        marks = target.marks(schema)
        one_reader_because = source.one_reader_because()
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
            position=marks.position if marks else "",
            one_reader_because=one_reader_because,
            rates=measured_rates(source, self.move.source_schema, _not_done(tables, marks)),
        )

    def plan(self, facts: DataFacts) -> Plan:
        marks = facts.marks.value if isinstance(facts.marks, Known) else {}
        # What was copied in an earlier run is of an earlier moment.
        again = self.one_moment and not facts.position
        left = [t for t in facts.tables if again or marks.get(t.name) != "done"]
        for table in left:
            self._refuse_foreign(table.name, facts, marks)
            if self.one_moment and facts.position:
                raise Refused(
                    f"table {table.name} of {self.move.from_label} is not part of what was copied,"
                    f" which has been followed to {facts.position}",
                    why="Copied now it would be of a later moment than the others: changes would be lost.",
                    next_command="qianyun rollback PROJECT  # then copy again, with all tables",
                )
        changes = [] if isinstance(facts.marks, Known) else [self._marks_change]
        changes += [
            Change(
                "copy",
                f"table {table.name}",
                None,
                {"rows of": f"{self.move.from_label}.{table.name}"},
                {
                    "rows_estimate": table.rows_estimate,
                    "size_bytes": table.size_bytes,
                    "readers": facts.one_reader_because or self.workers,
                },
            )
            for table in left
        ]
        if again:
            changes.append(Change("create", self._position, None, {"of": "the moment that was copied"}))
        if not changes:
            return Plan(
                nothing_because=f"all {len(facts.tables)} tables were copied and marked so on the target"
            )
        return Plan(tuple(changes), duration=copy_time(left, facts.rates))

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
        done, total, counting = 0, sum(t.rows_estimate for t in wanted), threading.Lock()

        def count(rows: int) -> None:
            nonlocal done
            with counting:
                done += rows
                writer.progress(done, max(total, done), "rows")

        lead = Hand(source, look, port)
        with self._hands(lead, wanted) as hands, source.snapshot_with([h.source for h in hands]) as position:
            if self.one_moment and not position:
                raise Refused(
                    f"{self.move.source.address}: the place of a snapshot in its change log cannot be read",
                    why="Changes made after the copy could then neither be told from those before it.",
                    next_command="SHOW MASTER STATUS;  # is log_bin on, may our account read it?",
                )
            copying = Copying(
                (self.move.source_schema, schema),
                position if self.one_moment else "",
                Pace(self.limits, source),
                count,
                self.rows_per_range,
                self.late_indexes_bytes,
            )
            with Crew(hands or [lead]) as crew:
                bring_all_level(crew, lead, wanted, marks.tables, copying)
        if self.one_moment:
            port.set_position(schema, position)

    @contextmanager
    def _hands(self, lead: Hand, tables: list[Table]) -> Iterator[list[Hand]]:
        """Workers beside the lead, as many as there is work for; none where one reader must do."""
        pieces = sum(1 + t.rows_estimate // (self.rows_per_range or range_rows(t)) for t in tables)
        wanted = min(self.workers, pieces)
        with ExitStack() as opened:
            hands: list[Hand] = []
            if wanted > 1 and not lead.source.one_reader_because():
                for _ in range(wanted):
                    source = opened.enter_context(closing(lead.source.another()))
                    look = opened.enter_context(closing(lead.look.another()))
                    hands.append(Hand(source, look, opened.enter_context(closing(lead.write.another()))))
            yield hands

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
        if _moved_on(mark, marks):
            # By now it holds what the source held later, which is for the comparison to prove.
            return Check.equal(f"table {name}: copied, then followed", mark.state, "done")
        actual = table_digest(target, self.move.target_schema, found)
        return Check.equal(f"table {name}: rows", mark.digest, str(actual))

    def undo(self, plan: Plan, writer: Writer) -> None:
        look = self.move.look_at_target(writer.reader)
        schema = self.move.target_schema
        marks = look.marks(schema) or Marks()
        port = writer.open(self.move.target)
        there = {table.name for table in look.tables(schema)}
        for change in plan.changes:
            table = _table(change)
            if change.action == "copy" and table in marks.tables and table in there:
                port.empty_table(schema, table)
                port.make_indexes(schema, table)
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

    @property
    def _position(self) -> str:
        return f"position of {self.move.from_label} in its change log"


def _moved_on(mark: Mark, marks: Marks) -> bool:
    """Whether the relay has brought changes since the copied moment."""
    moved = marks.replicated or mark.position != marks.position
    return bool(mark.position and marks.position and moved)


def _table(change: Change) -> str:
    return change.object.removeprefix("table ")


def _not_done(tables: Iterable[Table], marks: Marks | None) -> list[Table]:
    done = {name for name, mark in marks.tables.items() if mark.state == "done"} if marks else set()
    return [table for table in tables if table.name not in done]
