"""Rows that the relay changed since they were last proved: compared one by one, by key, in both servers."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.access import Reader
from core.checks import Check, Status
from core.facts import ABSENT, Fact, Known
from core.plan import Duration, Plan
from core.step import ReadingStep
from tasks.databases.content import table_digest
from tasks.databases.differences import object_checks, table_checks
from tasks.databases.model import ObjectKind, Table
from tasks.databases.move import Move
from tasks.databases.port import WritePort
from tasks.databases.relay import Side
from tasks.databases.sequences import sequence_checks

_KEYS_AT_ONCE = 500
_MOST_NAMED = 20
ALL = 10_000_000
"""More dirty rows than a relay leaves behind."""

Key = tuple[str, str]
"""Table and key literal."""


@dataclass
class Proof:
    equal: list[Key] = field(default_factory=list)
    differing: list[Key] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    """Tables without key that were touched: their rows have no names, so only the whole table tells."""


def prove(source: Side, target: Side, most: int) -> Proof:
    """Compare at most so many dirty rows. A row absent on both sides is equal.

    While the source is in use a row that differs may only be on its way.
    """
    tables = {t.name: t for t in target.port.tables(target.schema)}
    found, proof = defaultdict[str, list[str]](list), Proof()
    for name, key in target.port.dirty(target.schema, most):
        found[name].append(key)
    for name, keys in found.items():
        table = tables.get(name)
        if table is None or not table.key:
            proof.whole.append(name)
            continue
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            _prove_some(source, target, table, keys[start : start + _KEYS_AT_ONCE], proof)
    return proof


def _prove_some(source: Side, target: Side, table: Table, keys: Sequence[str], proof: Proof) -> None:
    theirs = target.port.key_digests(target.schema, table, keys)
    ours = source.port.key_digests(source.schema, table, keys)
    for key in keys:
        side = proof.equal if ours.get(key) == theirs.get(key) else proof.differing
        side.append((table.name, key))


def prove_and_clear(source: Side, target: Side, write: WritePort, most: int) -> Proof:
    """Whoever calls this applies no changes meanwhile: what is cleared was equal as it stands."""
    proof = prove(source, target, most)
    if proof.equal:
        write.clear_dirty(target.schema, proof.equal)
    return proof


def dirty_checks(source: Side, target: Side) -> Iterator[Check]:
    """All dirty rows, with nobody writing on either side; keys only, values may be personal data."""
    proof = prove(source, target, ALL)
    named = "; ".join(f"{table}: {key}" for table, key in proof.differing[:_MOST_NAMED])
    more = "; and more" if len(proof.differing) > _MOST_NAMED else ""
    compared = len(proof.equal) + len(proof.differing)
    differing = f"{len(proof.differing)} differ: {named}{more}"
    yield Check(
        f"{target.label}: rows changed since they were proved",
        Status.FAIL if proof.differing else Status.PASS,
        f"{compared} equal",
        differing if proof.differing else f"{compared} equal",
    )
    ours = {t.name: t for t in source.port.tables(source.schema)} if proof.whole else {}
    theirs = {t.name: t for t in target.port.tables(target.schema)} if proof.whole else {}
    for name in proof.whole:
        yield _whole(source, target, name, ours, theirs)


def _whole(
    source: Side, target: Side, name: str, ours: Mapping[str, Table], theirs: Mapping[str, Table]
) -> Check:
    if name not in ours or name not in theirs:
        return Check(f"table {name}: rows", Status.FAIL, "on both sides", "on one side only")
    wanted = table_digest(source.port, source.schema, ours[name])
    actual = table_digest(target.port, target.schema, theirs[name])
    return Check.equal(f"table {name}: rows", str(wanted), str(actual))


@dataclass(frozen=True)
class DirtyFacts:
    source: tuple[str, ...]
    target: Fact[tuple[str, ...]]
    """Names of the tables."""


@dataclass(frozen=True, kw_only=True)
class CompareDirty(ReadingStep[DirtyFacts]):
    """Under the freeze: all definitions, and the rows that the relay changed since they were proved.

    Everything else was proved while the source was in use, and has not changed since: otherwise it would
    be among these.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move
    without: frozenset[ObjectKind] = frozenset()

    def inspect(self, reader: Reader) -> DirtyFacts:
        source, target = self.move.open_source(reader), self.move.open_target(reader)
        there = target.options(self.move.target_schema) is not None
        return DirtyFacts(
            tuple(t.name for t in source.tables(self.move.source_schema)),
            Known(tuple(t.name for t in target.tables(self.move.target_schema))) if there else ABSENT,
        )

    def plan(self, facts: DirtyFacts) -> Plan:
        return Plan(nothing_because="it only reads", duration=Duration(0.3, 3.0))

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        source, target = sides(self.move, reader)
        if target.port.marks(target.schema) is None:
            return (Check(f"schema {self.move.to_label}", Status.FAIL, "our copy", "no marks of ours"),)
        ours, theirs = (
            {t.name: t.definition for t in side.port.tables(side.schema)} for side in (source, target)
        )
        wished, there = (
            [o for o in found if o.kind not in self.without]
            for found in (
                self.move.wished_objects(source.port.objects(source.schema), reader),
                target.port.objects(target.schema),
            )
        )
        numbers = sequence_checks((source.port, source.schema), (target.port, target.schema))
        return (
            *table_checks(ours, theirs),
            *object_checks(wished, there),
            *numbers,
            *dirty_checks(source, target),
        )


def sides(move: Move, reader: Reader) -> tuple[Side, Side]:
    """Both ends of a move as they are looked at while following."""
    return (
        Side(move.open_source(reader, "follow-from"), move.source_schema, move.from_label),
        Side(move.open_target(reader), move.target_schema, move.to_label),
    )


def returning(move: Move, reader: Reader) -> tuple[Side, Side]:
    """The same the other way round: what users write on the target comes back to the source."""
    return (
        Side(move.open_target(reader, "follow-from"), move.target_schema, move.to_label),
        Side(move.open_source(reader, "return-to"), move.source_schema, move.from_label),
    )
