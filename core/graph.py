"""The order of steps: a directed acyclic graph over their keys."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from core.errors import Refused
from core.step import Step


class Graph:
    """Steps by key, with needs resolved.

    Raises: errors.Refused for duplicate keys, needs that name no step, and cycles (named).
    """

    def __init__(self, steps: Iterable[Step[Any]]) -> None:
        self.steps: dict[str, Step[Any]] = {}
        for step in steps:
            if step.key in self.steps:
                raise Refused(f"two steps have the key {step.key!r}", why=_BUG)
            self.steps[step.key] = step
        self._needed_by: dict[str, list[str]] = {key: [] for key in self.steps}
        for step in self.steps.values():
            for need in step.needs:
                if need not in self.steps:
                    raise Refused(f"{step.key!r} needs {need!r}, which is no step", why=_BUG)
                self._needed_by[need].append(step.key)
        self.order = self._topological()

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step[Any]]:
        """Every step, after all that it needs."""
        return (self.steps[key] for key in self.order)

    def needed_by(self, key: str) -> tuple[str, ...]:
        return tuple(self._needed_by[key])

    def ancestors(self, keys: Iterable[str]) -> set[str]:
        """All that these keys need, directly or not, without the keys themselves."""
        return self._closure(keys, lambda key: self.steps[key].needs)

    def descendants(self, keys: Iterable[str]) -> set[str]:
        """All that needs these keys, directly or not, without the keys themselves."""
        return self._closure(keys, self.needed_by)

    def restricted_to(self, keys: Collection[str]) -> "Graph":
        """The graph of these steps and of everything they need."""
        wanted = set(keys) | self.ancestors(keys)
        return Graph(step for step in self if step.key in wanted)

    def _closure(self, keys: Iterable[str], neighbours: Any) -> set[str]:
        start = set(keys)
        seen: set[str] = set()
        queue = deque(start)
        while queue:
            for other in neighbours(queue.popleft()):
                if other not in seen:
                    seen.add(other)
                    queue.append(other)
        return seen - start

    def _topological(self) -> tuple[str, ...]:
        missing = {key: len(set(step.needs)) for key, step in self.steps.items()}
        ready = deque(key for key, count in missing.items() if count == 0)
        order: list[str] = []
        while ready:
            key = ready.popleft()
            order.append(key)
            for dependant in dict.fromkeys(self._needed_by[key]):
                missing[dependant] -= 1
                if missing[dependant] == 0:
                    ready.append(dependant)
        if len(order) < len(self.steps):
            raise Refused(
                f"the steps need each other in a circle: {' -> '.join(self._cycle(set(order)))}", why=_BUG
            )
        return tuple(order)

    def _cycle(self, ordered: set[str]) -> list[str]:
        key = next(key for key in self.steps if key not in ordered)
        trail: list[str] = []
        while key not in trail:
            trail.append(key)
            key = next(need for need in self.steps[key].needs if need not in ordered)
        return [*trail[trail.index(key) :], key]


class Frontier:
    """Which steps of a graph may run now; grows as steps end."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._missing = {step.key: len(set(step.needs)) for step in graph}
        self.ready: list[str] = [key for key, count in self._missing.items() if count == 0]
        self.blocked: dict[str, str] = {}

    def take(self) -> list[str]:
        """The steps that became ready since the last call, each given out once."""
        ready, self.ready = self.ready, []
        return ready

    def succeeded(self, key: str) -> None:
        for dependant in dict.fromkeys(self._graph.needed_by(key)):
            self._missing[dependant] -= 1
            if self._missing[dependant] == 0 and dependant not in self.blocked:
                self.ready.append(dependant)

    def failed(self, key: str) -> None:
        """Everything that needs this step is blocked by it; the rest goes on."""
        for dependant in self._graph.descendants([key]):
            self.blocked.setdefault(dependant, key)


_BUG = "This is a fault of Qianyun itself, not of your inventory: please report it with this text."
