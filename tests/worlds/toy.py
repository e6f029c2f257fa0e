"""The smallest world: named values in memory. Proves the contract suite itself and drives the flow tests."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.access import Endpoint, Journal, Reader, Writer
from core.checks import Check
from core.errors import ApplyFailed, Unreadable
from core.facts import ABSENT, Fact, Known
from core.plan import Change, Plan
from core.step import Reversal, Step
from tests.contract.case import Case


class Store:
    """The world: values by name; it can break, and counts how often it was opened for writing."""

    def __init__(self, values: dict[str, int] | None = None) -> None:
        self.values = dict(values or {})
        self.readable = True
        self.fail_on: set[str] = set()
        self.writers_opened = 0

    def snapshot(self) -> object:
        return dict(self.values)

    def make_unreadable(self) -> None:
        self.readable = False

    def disturb(self) -> None:
        self.values = {name: value + 1 for name, value in self.values.items()}

    def close(self) -> None:
        return None


class StoreReader:
    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, name: str) -> Fact[int]:
        return Known(self._store.values[name]) if name in self._store.values else ABSENT

    def close(self) -> None:
        return None


class StoreWriter:
    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal

    def put(self, name: str, value: int) -> None:
        self._journal(f"put {name}")
        if name in self._store.fail_on:
            raise ApplyFailed(f"{name}: the store is full", next_command="qianyun status")
        self._store.values[name] = value

    def remove(self, name: str) -> None:
        self._journal(f"remove {name}")
        self._store.values.pop(name, None)

    def close(self) -> None:
        return None


@dataclass(frozen=True)
class StoreEndpoint(Endpoint[StoreReader, StoreWriter]):
    store: Store = field(hash=False, compare=False)

    @property
    def address(self) -> str:
        return "memory"

    def open_reader(self) -> StoreReader:
        if not self.store.readable:
            raise Unreadable("memory: connection refused", next_command="qianyun check", transient=False)
        return StoreReader(self.store)

    def open_writer(self, journal: Journal) -> StoreWriter:
        self.store.writers_opened += 1
        return StoreWriter(self.store, journal)


@dataclass(frozen=True)
class Values:
    found: dict[str, Fact[int]]


@dataclass(frozen=True, kw_only=True)
class SetValues(Step[Values]):
    """Wants some names to have some values."""

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    wanted: dict[str, int] = field(hash=False)
    endpoint: StoreEndpoint
    after_write: Callable[[], None] = field(default=lambda: None, hash=False, compare=False)

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "puts the values before back")

    def inspect(self, reader: Reader) -> Values:
        store = reader.open(self.endpoint)
        return Values({name: store.get(name) for name in self.wanted})

    def plan(self, facts: Values) -> Plan:
        changes = []
        for name, value in self.wanted.items():
            found = facts.found[name]
            if isinstance(found, Known) and found.value != value:
                changes.append(Change("change", name, found.value, value))
            elif not isinstance(found, Known):
                changes.append(Change("create", name, None, value))
        return Plan(tuple(changes)) if changes else Plan(nothing_because="every value is as wanted")

    def apply(self, plan: Plan, writer: Writer) -> None:
        store = writer.open(self.endpoint)
        for change in plan.changes:
            store.put(change.object, change.after)
            self.after_write()

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        store = reader.open(self.endpoint)
        return tuple(Check.equal(name, Known(value), store.get(name)) for name, value in self.wanted.items())

    def undo(self, plan: Plan, writer: Writer) -> None:
        store = writer.open(self.endpoint)
        for change in reversed(plan.changes):
            if change.before is None:
                store.remove(change.object)
            else:
                store.put(change.object, change.before)


def _build() -> tuple[Step[Any], Store]:
    store = Store({"old": 1})
    wanted = {"old": 2, "new": 3, "名'称": 4}
    return SetValues(key="toy/values", wanted=wanted, endpoint=StoreEndpoint(store)), store


CASES = [Case("toy/set-values", _build)]
