"""CompareDatabase: proves that source and target hold the same, or names the rows that differ."""

from dataclasses import dataclass

from core.access import Reader
from core.checks import Check, Status
from core.facts import ABSENT, Fact, Known
from core.plan import Plan
from core.step import ReadingStep
from tasks.databases.comparison import USUAL, Comparison, Pace, TableResult, Verdict
from tasks.databases.differences import object_checks, options_checks, same_rows, table_checks
from tasks.databases.model import Marks, ObjectKind, Table
from tasks.databases.move import Move, compare_time
from tasks.databases.sequences import sequence_checks


@dataclass(frozen=True)
class ComparisonFacts:
    source: tuple[Table, ...]
    target: Fact[tuple[Table, ...]]


@dataclass(frozen=True, kw_only=True)
class CompareDatabase(ReadingStep[ComparisonFacts]):
    """Definitions, objects, and per table the count and an order-independent hash made in the servers.

    While the source is in use its rows move on after the copy. Then a table passes where the target holds
    exactly what the source held in the copied snapshot (its digest was made in the source server); with
    `frozen` the source must be equal as it is now. With `followed` a relay is at work: what differs is
    looked at again, and what could not be proved does not pass.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move
    frozen: bool = False
    followed: bool = False
    without: frozenset[ObjectKind] = frozenset()
    """Kinds of objects that are made later."""
    pace: Pace = USUAL

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
        checks, pairs = self.definitions(reader)
        marks = self.move.open_target(reader).marks(self.move.target_schema) or Marks()
        if self.frozen:
            source, target = self.move.open_source(reader), self.move.open_target(reader)
            checks += sequence_checks((source, self.move.source_schema), (target, self.move.target_schema))
        results = list(self.comparison.run(reader, pairs, marks, lambda done, total, unit: None))
        # A source that has moved on has given out more numbers since; they come over with its rows.
        at_rest = {r.name for r in results if not (r.as_copied and r.source != r.target)}
        checks += [_auto_increment(ours, theirs) for ours, theirs in pairs if ours.name in at_rest]
        checks += [row_check(result) for result in results]
        return tuple(checks) or (Check(f"schema {self.move.to_label}", Status.UNKNOWN, "tables", "none"),)

    @property
    def comparison(self) -> Comparison:
        return Comparison(
            move=self.move,
            pace=self.pace,
            frozen=self.frozen,
            followed=self.followed and not self.frozen,
            narrow_moved=False,
        )

    def definitions(self, reader: Reader) -> tuple[list[Check], list[tuple[Table, Table]]]:
        """Schema, tables and objects by definition; and the tables whose rows can be compared."""
        source, target = self.move.open_source(reader), self.move.open_target(reader)
        ours = {t.name: t for t in source.tables(self.move.source_schema)}
        theirs = {t.name: t for t in target.tables(self.move.target_schema)}
        checks = options_checks(
            source.options(self.move.source_schema), target.options(self.move.target_schema)
        )
        checks += table_checks(
            {name: t.definition for name, t in ours.items()},
            {name: t.definition for name, t in theirs.items()},
        )
        wished = self.move.wished_objects(source.objects(self.move.source_schema), reader)
        there = target.objects(self.move.target_schema)
        both = ([o for o in side if o.kind not in self.without] for side in (wished, there))
        checks += object_checks(*both)
        pairs = []
        for name, table in ours.items():
            other = theirs.get(name)
            if other is None:
                continue  # its definition check has failed already
            if same_rows(table, other):
                pairs.append((table, other))
            else:
                checks.append(Check(f"table {name}: rows", Status.UNKNOWN, "equal", "columns differ"))
        return checks, pairs


def row_check(result: TableResult) -> Check:
    """The rows of one table as a check; only what was proved equal passes, or is still as it was copied."""
    name = f"table {result.name}: rows"
    wanted, actual = str(result.source), str(result.target)
    if result.as_copied and wanted != actual:
        moved = f"{actual}, as in the copied snapshot; the source has moved on to {result.source.rows} rows"
        return Check(name, Status.PASS, actual, moved)
    if result.verdict is Verdict.EQUAL:
        again = f"; {result.looked_again} ranges equal when looked at again" if result.looked_again else ""
        return Check(name, Status.PASS, wanted, actual + again)
    status = Status.FAIL if result.verdict is Verdict.DIFFERENT else Status.UNKNOWN
    return Check(name, status, wanted, f"{actual}: {result.words}")


def _auto_increment(ours: Table, theirs: Table) -> Check:
    name = f"table {ours.name}: next number"
    if ours.auto_increment is None:
        return Check(name, Status.PASS, "none", "none")
    there = theirs.auto_increment or 0
    # Higher does no harm; lower would give a number out twice.
    status = Status.PASS if there >= ours.auto_increment else Status.FAIL
    return Check(name, status, f"at least {ours.auto_increment}", str(there))
