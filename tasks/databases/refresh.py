"""RefreshData: under the freeze, the tables that moved on since the copy are brought level."""

from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check, Status
from core.errors import Refused
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from tasks.databases.content import bring_level, level_auto_increment, table_digest
from tasks.databases.differences import table_checks
from tasks.databases.model import (
    Mark,
    Marks,
    StoredObject,
    Table,
)
from tasks.databases.move import Move, compare_time
from tasks.databases.port import ReadPort, WritePort
from tasks.databases.sequences import level_sequences


@dataclass(frozen=True)
class RefreshFacts:
    frozen: bool
    refreshed: bool
    """Whether our mark on the target says so."""
    moved_on: tuple[str, ...]
    """Tables of the source that are no longer as marked; looked at only where frozen and refreshed."""
    tables: tuple[Table, ...]


@dataclass(frozen=True, kw_only=True)
class RefreshData(Step[RefreshFacts]):
    """Which tables differ is known only under the freeze, so one `run` is planned for all of them.

    Once marked as refreshed nothing is planned while the frozen source stays as it is, whatever the target
    holds: after the switch the target belongs to its users.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move

    @property
    def reversal(self) -> Reversal:
        how = "the newer rows stay on the target, which nobody uses yet, to be refreshed again"
        return Reversal("compensating", how)

    def inspect(self, reader: Reader) -> RefreshFacts:
        source, target = self.move.open_source(reader), self.move.open_target(reader)
        frozen = self.move.open_source(reader, "freeze").is_frozen()
        marks = target.marks(self.move.target_schema) or Marks()
        tables = source.tables(self.move.source_schema)
        moved: tuple[str, ...] = ()
        if frozen and marks.refreshed:
            with source.snapshot():
                moved = tuple(t.name for t, _ in self._moved_on(source, tables, marks))
        return RefreshFacts(frozen, marks.refreshed, moved, tables)

    def plan(self, facts: RefreshFacts) -> Plan:
        if facts.frozen and facts.refreshed and not facts.moved_on:
            return Plan(nothing_because=f"{self.move.from_label} has not changed since it was refreshed")
        compared = compare_time(list(facts.tables))
        change = Change(
            "run",
            f"refresh of the tables of {self.move.to_label} that differ, under the freeze",
            None,
            {"equal to": self.move.from_label},
        )
        # Usually few tables have moved on; each range is digested on both sides, then read once more.
        return Plan((change,), duration=Duration(2 * compared.p50_s, 3 * compared.p90_s))

    def apply(self, plan: Plan, writer: Writer) -> None:
        source, look = self.move.open_source(writer.reader), self.move.open_target(writer.reader)
        port = writer.open(self.move.target)
        self._refuse_unless_frozen(source)
        schema = self.move.target_schema
        marks = look.marks(schema) or Marks()
        tables = source.tables(self.move.source_schema)
        self._refuse_other_definitions(tables, look.tables(schema))
        wished = self.move.wished_objects(source.objects(self.move.source_schema), writer.reader)
        total, done = sum(t.rows_estimate for t in tables), 0
        with source.snapshot():
            moved = list(self._moved_on(source, tables, marks))
            for table, now in moved:
                self._refuse_foreign(look, table, marks.tables.get(table.name), now)
            self._drop_triggers(look, port, {table.name for table, _ in moved})
            for table, _ in moved:
                sides = (source, self.move.source_schema), (look, schema)
                bring_level(*sides, port, table, marks.tables.get(table.name), lambda rows: None)
                done += table.rows_estimate
                writer.progress(done, total, "rows")
        for table in tables:
            level_auto_increment(table, look, schema, port)
        level_sequences((source, self.move.source_schema), (look, schema), port)
        self._make_triggers(look, port, wished)
        port.set_refreshed(schema, True)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        source, target = self.move.open_source(reader), self.move.open_target(reader)
        frozen = self.move.open_source(reader, "freeze").is_frozen()
        marks = target.marks(self.move.target_schema) or Marks()
        there = {t.name: t for t in target.tables(self.move.target_schema)}
        checks = [
            Check.equal(f"{self.move.source.address}: frozen", True, frozen),
            Check.equal(f"{self.move.to_label}: marked as refreshed", True, marks.refreshed),
        ]
        with source.snapshot(), target.snapshot():
            for table in source.tables(self.move.source_schema):
                name = f"table {table.name}: rows"
                if table.name not in there:
                    checks.append(Check(name, Status.FAIL, "present", "absent"))
                    continue
                wanted = table_digest(source, self.move.source_schema, table)
                actual = table_digest(target, self.move.target_schema, there[table.name])
                checks.append(Check.equal(name, str(wanted), str(actual)))
        return tuple(checks)

    def undo(self, plan: Plan, writer: Writer) -> None:
        marks = writer.reader.open(self.move.target).marks(self.move.target_schema)
        if marks is not None and marks.refreshed:
            writer.open(self.move.target).set_refreshed(self.move.target_schema, False)

    def _moved_on(self, source: ReadPort, tables: tuple[Table, ...], marks: Marks) -> list[tuple[Table, str]]:
        """The tables whose content at the source is not what was copied, with its digest now."""
        moved = []
        for table in tables:
            mark = marks.tables.get(table.name)
            now = str(table_digest(source, self.move.source_schema, table))
            if mark is None or mark.state != "done" or mark.digest != now:
                moved.append((table, now))
        return moved

    def _refuse_unless_frozen(self, source: ReadPort) -> None:
        state = source.write_state()
        if not state.frozen or state.writing:
            raise Refused(
                f"{self.move.source.address} can be written to: {'; '.join(state.writing) or state.settings}",
                why="What is copied now would be stale at once; the freeze comes first.",
            )

    def _refuse_other_definitions(self, ours: tuple[Table, ...], theirs: tuple[Table, ...]) -> None:
        wanted, found = ({t.name: t.definition for t in side} for side in (ours, theirs))
        if wrong := [check for check in table_checks(wanted, found) if check.status is not Status.PASS]:
            raise Refused(
                f"{self.move.to_label}: " + "; ".join(f"{c.name}: {c.actual}" for c in wrong),
                why="Tables were altered since the copy; go back and copy again.",
            )

    def _refuse_foreign(self, look: ReadPort, table: Table, mark: Mark | None, now: str) -> None:
        schema = self.move.target_schema
        if mark is not None and mark.state == "copying":
            return  # we were at it ourselves when the run ended
        there = str(table_digest(look, schema, table))
        if there == now or (mark is not None and mark.digest == there):
            return
        if mark is None and look.is_empty(schema, table.name):
            return
        raise Refused(
            f"table {table.name} of {self.move.to_label} is no longer what was copied:"
            f" {mark.digest if mark else 'nothing'} was copied, {there} is there",
            why="Somebody else wrote to the target; what they wrote is never overwritten.",
        )

    def _drop_triggers(self, look: ReadPort, port: WritePort, tables: set[str]) -> None:
        # They would fire for every row brought over. Made again below, also after a crash in between.
        for trigger in look.objects(self.move.target_schema):
            if trigger.kind == "trigger" and trigger.table in tables:
                port.drop_object(self.move.target_schema, "trigger", trigger.name)

    def _make_triggers(self, look: ReadPort, port: WritePort, wished: tuple[StoredObject, ...]) -> None:
        there = {o.label for o in look.objects(self.move.target_schema)}
        for trigger in wished:
            if trigger.kind == "trigger" and trigger.label not in there:
                port.create_object(self.move.target_schema, trigger)
