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
