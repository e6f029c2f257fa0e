"""A source without what the inventory leaves behind: no step sees it, nothing waits for it or misses it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from tasks.databases.model import (
    Changes,
    SequenceState,
    StoredObject,
    Table,
)
from tasks.databases.port import ReadPort


def without(port: ReadPort, left_out: tuple[str, ...]) -> ReadPort:
    """`left_out` are labels such as "table invoices_2009" or "view old report"."""
    return cast(ReadPort, _Without(port, frozenset(left_out))) if left_out else port


@dataclass(frozen=True)
class _Without:
    """Everything that is not told apart here goes straight to the port."""

    port: ReadPort
    left_out: frozenset[str]

    def __getattr__(self, method: str) -> Any:
        return getattr(self.port, method)

    def tables(self, schema: str) -> tuple[Table, ...]:
        return tuple(t for t in self.port.tables(schema) if f"table {t.name}" not in self.left_out)

    def objects(self, schema: str) -> tuple[StoredObject, ...]:
        """Triggers go with their table."""
        return tuple(
            o
            for o in self.port.objects(schema)
            if o.label not in self.left_out and f"table {o.table}" not in self.left_out
        )

    def sequences(self, schema: str) -> Mapping[str, SequenceState]:
        found = self.port.sequences(schema)
        return {name: state for name, state in found.items() if f"sequence {name}" not in self.left_out}

    def unmovable(self, schema: str) -> tuple[str, ...]:
        return self._told(self.port.unmovable(schema))

    def not_followable(self, schema: str) -> tuple[str, ...]:
        return self._told(self.port.not_followable(schema))

    def _told(self, reasons: tuple[str, ...]) -> tuple[str, ...]:
        starts = tuple(f"{label}: " for label in self.left_out)
        return tuple(reason for reason in reasons if not reason.startswith(starts))

    def changes(self, schema: str, after: str, upto: str = "") -> Iterator[Changes]:
        for found in self.port.changes(schema, after, upto):
            kept = tuple(r for r in found.rows if f"table {r.table}" not in self.left_out)
            yield replace(found, rows=kept)
