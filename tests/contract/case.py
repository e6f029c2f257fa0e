"""How a step kind enrols in the lifecycle contract: a few lines in one module of tests/worlds/."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from core.step import Step


class World(Protocol):
    """A double (or a local real server) that steps act on."""

    def snapshot(self) -> object:
        """The whole observable state, comparable with ==; generated ids and times normalised."""

    def make_unreadable(self) -> None:
        """From now on every look at the world fails (connection refused, access denied)."""

    def disturb(self) -> None:
        """Damage what the step made, so that an honest `verify` no longer passes."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class Case:
    """`build` makes a fresh world with everything the step needs, and the step upon it."""

    name: str
    build: Callable[[], tuple[Step[Any], World]]
