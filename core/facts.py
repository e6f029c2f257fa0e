"""What looking at the world can give: a value, its absence, or the inability to tell.

Unreadable is never taken for Absent: "could not look" and "is not there" lead to opposite plans.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Known(Generic[T]):
    """It is there, and this is it."""

    value: T


@dataclass(frozen=True)
class Absent:
    """It was looked for and is not there."""


@dataclass(frozen=True)
class Unreadable:
    """It could not be looked at; `reason` says why (no secret in it)."""

    reason: str
    transient: bool = False


Fact: TypeAlias = Known[T] | Absent | Unreadable
ABSENT = Absent()


def unreadable_in(facts: Any, path: str = "") -> Iterator[tuple[str, Unreadable]]:
    """Every Unreadable inside a facts value, with the path that leads to it."""
    if isinstance(facts, Unreadable):
        yield path, facts
    elif is_dataclass(facts) and not isinstance(facts, type):
        for field in fields(facts):
            yield from unreadable_in(getattr(facts, field.name), f"{path}.{field.name}".lstrip("."))
    elif isinstance(facts, Mapping):
        for name, value in facts.items():
            yield from unreadable_in(value, f"{path}[{name}]")
    elif isinstance(facts, (list, tuple)):
        for index, value in enumerate(facts):
            yield from unreadable_in(value, f"{path}[{index}]")


def to_json(facts: Any) -> Any:
    """Facts as JSON for the evidence: dataclasses by field, Known as its value, the other two by name."""
    if isinstance(facts, Known):
        return to_json(facts.value)
    if isinstance(facts, Absent):
        return {"absent": True}
    if isinstance(facts, Unreadable):
        return {"unreadable": facts.reason}
    if is_dataclass(facts) and not isinstance(facts, type):
        return {field.name: to_json(getattr(facts, field.name)) for field in fields(facts)}
    if isinstance(facts, Mapping):
        return {str(name): to_json(value) for name, value in facts.items()}
    if isinstance(facts, (list, tuple, set, frozenset)):
        values = [to_json(value) for value in facts]
        return sorted(values, key=str) if isinstance(facts, (set, frozenset)) else values
    if facts is None or isinstance(facts, (bool, int, float, str)):
        return facts
    return str(facts)
