"""ReadDatabase: what a source database is, holds and needs; whether all of it can be moved."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.access import Reader
from core.checks import Check
from core.facts import ABSENT, Fact, Known
from core.plan import Duration, Plan
from core.step import ReadingStep
from tasks.databases.assess import Assessment, assessed
from tasks.databases.content import range_rows
from tasks.databases.leaving import without
from tasks.databases.move import open_with
from tasks.databases.port import DatabaseServer


@dataclass(frozen=True)
class TableFacts:
    name: str
    engine: str
    columns: int
    rows_estimate: int
    size_bytes: int
    key: tuple[str, ...]
    rows_per_piece: int
    """As many rows are copied, and after a crash repeated, at a time."""


@dataclass(frozen=True)
class DatabaseFacts:
    """Shape: of the server its version and settings, of the schema its tables and objects."""

    server: str
    flavour: str
    version: str
    settings: Mapping[str, str]
    charset: str
    collation: str
    size_bytes: int
    rows_estimate: int
    tables: tuple[TableFacts, ...]
    objects: Mapping[str, tuple[str, ...]]
    """Names by kind, such as function or view."""
    without_key: tuple[str, ...]
    without_snapshot: tuple[str, ...]
    """Tables of engines without transactions: they are copied while they may change."""
    not_movable: tuple[str, ...]
    assessment: Assessment


@dataclass(frozen=True)
class DiscoveryFacts:
    database: Fact[DatabaseFacts]


@dataclass(frozen=True, kw_only=True)
class ReadDatabase(ReadingStep[DiscoveryFacts]):
    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    server: DatabaseServer
    schema: str
    method: str = "copy"
    left_out: tuple[str, ...] = ()
    """Labels ("table x") of what stays behind, by decision of the inventory."""
    replicator: str = ""
    """The account by which the target replicates itself; "" where it does not."""

    def inspect(self, reader: Reader) -> DiscoveryFacts:
        whole = open_with(reader, self.server, self.schema, "copy-from")
        port = without(whole, self.left_out)
        about, options = port.server(), port.options(self.schema)
        if options is None:
            return DiscoveryFacts(ABSENT)
        tables = port.tables(self.schema)
        kinds: dict[str, tuple[str, ...]] = {}
        for found in port.objects(self.schema):
            kinds[found.kind] = (*kinds.get(found.kind, ()), found.name)
        facts = DatabaseFacts(
            server=self.server.address,
            flavour=about.flavour,
            version=about.version,
            settings=about.settings,
            charset=options.charset,
            collation=options.collation,
            size_bytes=sum(t.size_bytes for t in tables),
            rows_estimate=sum(t.rows_estimate for t in tables),
            tables=tuple(
                TableFacts(
                    t.name,
                    t.engine,
                    len(t.columns),
                    t.rows_estimate,
                    t.size_bytes,
                    tuple(c.name for c in t.key),
                    range_rows(t),
                )
                for t in tables
            ),
            objects=kinds,
            without_key=tuple(t.name for t in tables if not t.key),
            without_snapshot=tuple(t.name for t in tables if t.engine not in ("InnoDB", "ROCKSDB")),
            not_movable=port.unmovable(self.schema),
            assessment=assessed(whole, self.schema, tables, self.method, self.left_out, self.replicator),
        )
        return DiscoveryFacts(Known(facts))

    def plan(self, facts: DiscoveryFacts) -> Plan:
        return Plan(nothing_because="it only reads", duration=Duration(1.0, 5.0))

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        found = self.inspect(reader).database
        there = Check.equal(f"schema {self.schema}", "present", "present" if found != ABSENT else "absent")
        if not isinstance(found, Known):
            return (there,)
        stuck = "; ".join(found.value.not_movable)
        return (
            there,
            Check.equal(f"schema {self.schema}: what cannot be moved", "nothing", stuck or "nothing"),
            *found.value.assessment.checks,
        )
