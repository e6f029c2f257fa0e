"""The order of steps: a directed acyclic graph over their keys."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from core.errors import Refused
from core.step import Step

_BUG = "This is a fault of Qianyun itself, not of your inventory: please report it with this text."


class Graph:
    """Steps by key; by default each waits for what it needs.

    Raises: errors.Refused for duplicate keys, needs that name no step, and cycles (named).
    """

    def __init__(
        self, steps: Iterable[Step[Any]], waits_for: Mapping[str, Collection[str]] | None = None
    ) -> None:
        self.steps: dict[str, Step[Any]] = {}
        for step in steps:
            if step.key in self.steps:
                raise Refused(f"two steps have the key {step.key!r}", why=_BUG)
            self.steps[step.key] = step
        self._needs = {
            key: tuple(dict.fromkeys(step.needs if waits_for is None else waits_for[key]))
            for key, step in self.steps.items()
        }
        self._needed_by: dict[str, list[str]] = {key: [] for key in self.steps}
        for key, needs in self._needs.items():
            for need in needs:
                if need not in self.steps:
                    raise Refused(f"{key!r} needs {need!r}, which is no step", why=_BUG)
                self._needed_by[need].append(key)
        self.order = self._topological()

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step[Any]]:
        """Every step, after all that it needs."""
        return (self.steps[key] for key in self.order)

    def needs(self, key: str) -> tuple[str, ...]:
        return self._needs[key]

    def needed_by(self, key: str) -> list[str]:
        return self._needed_by[key]

    def ancestors(self, keys: Iterable[str]) -> set[str]:
        """All that these keys need, directly or not, without the keys themselves."""
        return _closure(keys, self.needs)

    def descendants(self, keys: Iterable[str]) -> set[str]:
        """All that needs these keys, directly or not, without the keys themselves."""
        return _closure(keys, self.needed_by)

    def restricted_to(self, keys: Iterable[str]) -> "Graph":
        """The graph of these steps and of everything they need."""
        keys = set(keys)
        wanted = keys | self.ancestors(keys)
        return Graph(step for step in self if step.key in wanted)

    def backwards(self, keys: Collection[str]) -> "Graph":
        """These steps with the arrows turned round: what was built last comes first."""
        chosen = set(keys)
        waits_for = {key: self.descendants([key]) & chosen for key in chosen}
        return Graph((self.steps[key] for key in reversed(self.order) if key in chosen), waits_for)

    def _topological(self) -> tuple[str, ...]:
        missing = {key: len(needs) for key, needs in self._needs.items()}
        ready = deque(key for key, count in missing.items() if count == 0)
        order: list[str] = []
        while ready:
            key = ready.popleft()
            order.append(key)
            for dependant in self._needed_by[key]:
                missing[dependant] -= 1
                if missing[dependant] == 0:
                    ready.append(dependant)
        if len(order) < len(self.steps):
            circle = " -> ".join(self._cycle(set(order)))
            raise Refused(f"the steps need each other in a circle: {circle}", why=_BUG)
        return tuple(order)

    def _cycle(self, ordered: set[str]) -> list[str]:
        key = next(key for key in self.steps if key not in ordered)
        trail: list[str] = []
        while key not in trail:
            trail.append(key)
            key = next(need for need in self._needs[key] if need not in ordered)
        return [*trail[trail.index(key) :], key]


class Frontier:
    """Which steps of a graph may run now; grows as steps end."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._missing = {key: len(graph.needs(key)) for key in graph.order}
        self._ready: list[str] = [key for key, count in self._missing.items() if count == 0]
        self.blocked: dict[str, str] = {}

    def take(self) -> list[str]:
        """The steps that became ready since the last call, each given out once."""
        ready, self._ready = self._ready, []
        return ready

    def succeeded(self, key: str) -> None:
        for dependant in self._graph.needed_by(key):
            self._missing[dependant] -= 1
            if self._missing[dependant] == 0 and dependant not in self.blocked:
                self._ready.append(dependant)

    def failed(self, key: str) -> None:
        """Everything that needs this step is blocked by it; the rest goes on."""
        for dependant in self._graph.descendants([key]):
            self.blocked.setdefault(dependant, key)


def _closure(keys: Iterable[str], neighbours: Callable[[str], Iterable[str]]) -> set[str]:
    start = set(keys)
    seen: set[str] = set()
    queue = deque(start)
    while queue:
        for other in neighbours(queue.popleft()):
            if other not in seen:
                seen.add(other)
                queue.append(other)
    return seen - start
