"""CompareDatabase: proves that source and target hold the same, or names the rows that differ."""

from dataclasses import dataclass

from core.access import Reader
from core.checks import Check, Status
from core.facts import ABSENT, Fact, Known
from core.plan import Plan
from core.step import ReadingStep
from tasks.databases.content import differing_rows, table_digest
from tasks.databases.differences import object_checks, table_checks
from tasks.databases.move import Move, compare_time
from tasks.databases.port import Mark, Marks, ReadPort, Table

MOST_KEYS = 20


@dataclass(frozen=True)
class ComparisonFacts:
    source: tuple[Table, ...]
    target: Fact[tuple[Table, ...]]


@dataclass(frozen=True, kw_only=True)
class CompareDatabase(ReadingStep[ComparisonFacts]):
    """Definitions, objects, and per table the count and an order-independent hash made in the servers.

    While the source is in use its rows move on after the copy. Then a table passes where the target holds
    exactly what the source held in the copied snapshot (its digest was made in the source server); with
    `frozen` the source must be equal as it is now.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move
    frozen: bool = False

    def inspect(self, reader: Reader) -> ComparisonFacts:
        source, target = self.move.open_source(reader), self.move.open_target(reader)
        schema = self.move.target_schema
        return ComparisonFacts(
            source=source.tables(self.move.source_schema),
            target=Known(target.tables(schema)) if target.options(schema) else ABSENT,
        )

    def plan(self, facts: ComparisonFacts) -> Plan:
        return Plan(nothing_because="it only reads", duration=compare_time(list(facts.source)))

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        source, target = self.move.open_source(reader), self.move.open_target(reader)
        ours = {t.name: t for t in source.tables(self.move.source_schema)}
        theirs = {t.name: t for t in target.tables(self.move.target_schema)}
        found = source.objects(self.move.source_schema)
        checks = table_checks(
            {name: t.definition for name, t in ours.items()},
            {name: t.definition for name, t in theirs.items()},
        )
        checks += object_checks(
            self.move.wished_objects(found, reader), target.objects(self.move.target_schema)
        )
        marks = (target.marks(self.move.target_schema) or Marks()).tables
        with source.snapshot(), target.snapshot():
            for name, table in ours.items():
                other = theirs.get(name)
                if other is None:
                    continue  # its definition check has failed already
                if other.definition != table.definition:
                    checks.append(Check(f"table {name}: rows", Status.UNKNOWN, "equal", "definitions differ"))
                    continue
                checks.append(_auto_increment(table, other))
                checks.append(self._rows(source, target, table, other, marks.get(name)))
        return tuple(checks) or (Check(f"schema {self.move.to_label}", Status.UNKNOWN, "tables", "none"),)

    def _rows(
        self, source: ReadPort, target: ReadPort, ours: Table, theirs: Table, mark: Mark | None
    ) -> Check:
        name = f"table {ours.name}: rows"
        wanted = table_digest(source, self.move.source_schema, ours)
        actual = table_digest(target, self.move.target_schema, theirs)
        if wanted == actual:
            return Check(name, Status.PASS, str(wanted), str(actual))
        if not self.frozen and mark is not None and mark.state == "done" and mark.digest == str(actual):
            moved = f"{actual}, as in the copied snapshot; the source has moved on to {wanted.rows} rows"
            return Check(name, Status.PASS, mark.digest, moved)
        return Check(name, Status.FAIL, str(wanted), f"{actual}: {self._where(source, target, ours, theirs)}")

    def _where(self, source: ReadPort, target: ReadPort, ours: Table, theirs: Table) -> str:
        if not ours.key:
            return "it has no primary key by which rows could be named"
        found = list(
            differing_rows(
                (source, self.move.source_schema),
                (target, self.move.target_schema),
                ours,
                theirs,
                MOST_KEYS + 1,
            )
        )
        more = "; and more" if len(found) > MOST_KEYS else ""
        return "; ".join(found[:MOST_KEYS]) + more


def _auto_increment(ours: Table, theirs: Table) -> Check:
    name = f"table {ours.name}: next number"
    if ours.auto_increment is None:
        return Check(name, Status.PASS, "none", "none")
    there = theirs.auto_increment or 0
    # Higher does no harm; lower would give a number out twice.
    status = Status.PASS if there >= ours.auto_increment else Status.FAIL
    return Check(name, status, f"at least {ours.auto_increment}", str(there))
