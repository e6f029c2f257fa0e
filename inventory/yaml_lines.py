"""YAML read into plain values that remember their lines.

Scalars stay text: what a text means is the model's business, so `name: no`, `version: 1.10` or
`account: 012345678901` arrive as they were typed, not as YAML 1.1 would guess (False, 1.1, octal).
Built from the parser's events rather than its node tree: libyaml's composer recurses in C and a deeply
nested file crashes the process (measured with PyYAML 6.0.3: 100,000 brackets, SIGSEGV).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

Value: TypeAlias = Any
Path: TypeAlias = tuple[str | int, ...]

MAXIMUM_DEPTH = 20
MAXIMUM_NODES = 1_000_000
"""Both are counted with every alias written out: a few lines could otherwise unfold into a full memory."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_CONTROL = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotYaml(Exception):
    """The text cannot be read on from this line."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(slots=True)
class Node:
    """A value, with the line of each key or list item directly in it."""

    line: int
    value: Value = None
    lines: dict[str | int, int] = field(default_factory=dict)
    children: dict[str | int, "Node"] = field(default_factory=dict)
    weight: int = 1
    height: int = 0
    complete: bool = False
    pending: tuple[str, int] | None = None

    def at(self, path: Path) -> "tuple[Node, int, int]":
        """The deepest node that exists along `path`, its line, and how many parts of the path led there."""
        node, line = self, self.line
        for depth, part in enumerate(path):
            if part not in node.children:
                return node, node.lines.get(part, line), depth
            node, line = node.children[part], node.lines[part]
        return node, line, len(path)

    def scalars(self, path: Path = ()) -> Iterator[tuple[Path, str]]:
        """Every text in it with its path."""
        if isinstance(self.value, str):
            yield path, self.value
        for part, child in self.children.items():
            yield from child.scalars((*path, part))


@dataclass(frozen=True)
class Document:
    """A file's content, and the faults that did not keep it from being read on."""

    root: Node
    faults: tuple[tuple[Path, int, str], ...]


def read(text: str) -> Document:
    """Read one YAML document.

    Raises: NotYaml where the text cannot be read to its end.
    """
    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        raise NotYaml(line, f"the character U+{ord(control[0]):04X} is not allowed in YAML")
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_Loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f" ({error.context})" if error.context else ""
        raise NotYaml((mark.line if mark else 0) + 1, f"not valid YAML: {error.problem}{context}") from None
    except yaml.YAMLError as error:
        raise NotYaml(1, f"not valid YAML: {type(error).__name__}") from None
    if builder.root is None:
        raise NotYaml(1, "the file is empty")
    return Document(builder.root, tuple(builder.faults))


class _Builder:
    """Turns events into nodes with a stack of its own, so depth costs no recursion."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.faults: list[tuple[Path, int, str]] = []
        self._stack: list[Node] = []
        self._path: list[str | int] = []
        self._anchors: dict[str, Node] = {}

    def take(self, event: Event) -> None:
        line = _line(event)
        if isinstance(event, DocumentStartEvent) and self.root is not None:
            raise NotYaml(line, "a second document (---) in one file")
        if isinstance(event, (SequenceEndEvent, MappingEndEvent)):
            self._end()
        elif isinstance(event, AliasEvent):
            if not self._took_as_key(event, line):
                self._put(self._aliased(str(event.anchor), line), line)
        elif isinstance(event, (ScalarEvent, SequenceStartEvent, MappingStartEvent)):
            if event.tag not in (None, "!"):
                raise NotYaml(line, f"the YAML tag {event.tag} is not supported: remove it")
            if not self._took_as_key(event, line):
                self._put(self._new(event, line), line)

    def _took_as_key(self, event: NodeEvent, line: int) -> bool:
        parent = self._stack[-1] if self._stack else None
        if parent is None or not isinstance(parent.value, dict) or parent.pending:
            return False
        if not isinstance(event, ScalarEvent):
            raise NotYaml(line, "a key must be a plain text")
        if event.value == "<<":
            raise NotYaml(line, "merge keys (<<) are not supported: write the keys out")
        parent.pending = (event.value, line)
        return True

    def _aliased(self, anchor: str, line: int) -> Node:
        node = self._anchors.get(anchor)
        if node is None:
            raise NotYaml(line, f"the alias *{anchor} has no anchor &{anchor} before it")
        if not node.complete:
            raise NotYaml(line, f"the alias *{anchor} contains itself")
        return node

    def _new(self, event: ScalarEvent | SequenceStartEvent | MappingStartEvent, line: int) -> Node:
        node = Node(line)
        if isinstance(event, ScalarEvent):
            node.value = None if event.implicit[0] and event.value in _NULLS else event.value
            node.complete = True
        else:
            node.value = [] if isinstance(event, SequenceStartEvent) else {}
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _put(self, node: Node, line: int) -> None:
        part = self._attach(node, line)
        if node.complete:
            self._count(node, line)
        else:
            self._stack.append(node)
            self._path.append(part)
            self._count(None, line)

    def _attach(self, node: Node, line: int) -> str | int:
        if not self._stack:
            self.root = node
            return ""
        parent = self._stack[-1]
        if isinstance(parent.value, list):
            part: str | int = len(parent.value)
            parent.value.append(node.value)
        else:
            assert parent.pending is not None
            (part, line), parent.pending = parent.pending, None
            if part in parent.children:
                path = (*self._path[1:], part)
                first = parent.lines[part]
                self.faults.append((path, line, f"the key stands twice, first on line {first}"))
                return part
            parent.value[part] = node.value
        parent.lines[part] = line
        parent.children[part] = node
        return part

    def _end(self) -> None:
        node = self._stack.pop()
        self._path.pop()
        node.complete = True
        self._count(node, node.line)

    def _count(self, node: Node | None, line: int) -> None:
        """Bound depth and size as they will be once every alias is written out."""
        height = node.height if node else 0
        if len(self._stack) + height > MAXIMUM_DEPTH:
            raise NotYaml(line, f"nested deeper than {MAXIMUM_DEPTH} levels")
        if node and self._stack:
            parent = self._stack[-1]
            parent.height = max(parent.height, height + 1)
            parent.weight += node.weight
            if parent.weight > MAXIMUM_NODES:
                raise NotYaml(line, f"unfolds into more than {MAXIMUM_NODES:,} values")


def _line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
