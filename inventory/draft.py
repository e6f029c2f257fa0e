"""A project folder as far as it could be read: what the cross-checks look at while there are still faults."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeVar

from inventory.files import MigrationList, Preconditions, Tests
from inventory.project import Project
from inventory.sources import Sources
from inventory.targets import Targets
from inventory.yaml_lines import Node, Path

T = TypeVar("T")

_MOST_CANDIDATES = 200


@dataclass(frozen=True)
class Finding:
    """A fault that a rule found; the loader adds the line."""

    file: str
    path: Path
    message: str


@dataclass(frozen=True)
class Draft:
    """The valid parts as models, and the texts of all parts.

    A list's faulty elements are left out of its model; `each` gives the others with their true index.
    """

    nodes: Mapping[str, Node]
    project: Project | None = None
    sources: Sources = field(default_factory=Sources)
    targets: Targets | None = None
    migration_list: MigrationList | None = None
    preconditions: Preconditions | None = None
    tests: Tests | None = None
    kept: Mapping[tuple[str, Path], list[int]] = field(default_factory=dict)

    def each(self, file: str, path: Path, things: Iterable[T]) -> Iterator[tuple[Path, T]]:
        """Things of the list at `path` with the path of each in the file."""
        kept = self.kept.get((file, path))
        for index, thing in enumerate(things):
            yield (*path, kept[index] if kept else index), thing

    def named(self, file: str, *path: str | int, key: str = "name") -> list[tuple[Path, str]]:
        """The name of every element of a list, faulty ones included, with its path."""
        node = self._node(file, path)
        if node is None or not isinstance(node.value, list):
            return []
        return [
            ((*path, index, key), element.children[key].value)
            for index, element in node.children.items()
            if key in element.children and isinstance(element.children[key].value, str)
        ]

    def names(self, file: str, *path: str) -> frozenset[str] | None:
        """All names of a list, or None where they are unknown because it could not be read."""
        section = self._node(file, path)
        if file not in self.nodes or (section is not None and not isinstance(section.value, list)):
            return None
        return frozenset(name for _, name in self.named(file, *path))

    def _node(self, file: str, path: Path) -> Node | None:
        if file not in self.nodes:
            return None
        node, _, depth = self.nodes[file].at(path)
        return node if depth == len(path) else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A hint to append to a fault, or nothing."""
    known = sorted(candidates)
    # Comparing is slow; with very many names every fault would take milliseconds.
    close = get_close_matches(word, known, n=1) if len(known) <= _MOST_CANDIDATES else []
    return f"; did you mean {close[0]!r}?" if close else ""
