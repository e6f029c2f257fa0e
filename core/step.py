"""The step: everything that changes the world, in five verbs."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Literal, TypeAlias, TypeVar

from core.access import Reader, Writer
from core.checks import Check
from core.plan import Plan

F = TypeVar("F")
ReversalKind: TypeAlias = Literal["reversible", "compensating", "one-way"]


class StepState(StrEnum):
    """What happened to a step; the name of its Prefect state and of its ledger records."""

    REHEARSED = "Rehearsed"
    UNCHANGED = "Unchanged"
    APPLIED = "Applied"
    REFUSED = "Refused"
    FAILED = "Failed"
    UNDONE = "Undone"

    @property
    def good(self) -> bool:
        return self not in (StepState.REFUSED, StepState.FAILED)


@dataclass(frozen=True)
class Reversal:
    """How a step is taken back.

    reversible: undo restores the state before. compensating: undo makes good without restoring all.
    one-way: there is no way back, for the reason given in `how`.
    """

    kind: ReversalKind
    how: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.how}"


class Step(ABC, Generic[F]):
    """Inspect the world read-only, plan the difference, apply it, verify it, undo it.

    Subclasses are frozen keyword-only dataclasses holding the wanted state and the endpoints. F is the
    type of their facts: a frozen dataclass of plain values and of `facts.Fact`s.

    `key` is the ledger key ("databases/shop/data"): its first part is the phase; never renamed without
    an alias. `needs` are the keys of steps that must hold first. `item` is the name on the migration
    list this step works for, or "" for work on the project's own foundation (network, account).
    """

    key: str
    needs: tuple[str, ...]
    item: str

    @property
    def phase(self) -> str:
        return self.key.partition("/")[0]

    @property
    @abstractmethod
    def reversal(self) -> Reversal:
        """Declared by every step, shown before approval."""

    @abstractmethod
    def inspect(self, reader: Reader) -> F:
        """Look, and only look. What cannot be read is Unreadable, never Absent."""

    @abstractmethod
    def plan(self, facts: F) -> Plan:
        """The difference between wanted and found. Pure: no clock, no randomness, no I/O."""

    @abstractmethod
    def apply(self, plan: Plan, writer: Writer) -> None:
        """Make the difference go away; the runner planned afresh just before. Safe to repeat.

        Raises: errors.ApplyFailed
        """

    @abstractmethod
    def verify(self, reader: Reader) -> tuple[Check, ...]:
        """Prove against the world, not against our memory, that the wanted state holds."""

    @abstractmethod
    def undo(self, plan: Plan, writer: Writer) -> None:
        """Take back what `plan` (as recorded when it was applied) changed. Safe to repeat.

        Raises: errors.UndoFailed
        """


class ReadingStep(Step[F]):
    """A step that only looks: discovery and tests. Its facts and checks are its result."""

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "nothing is changed")

    def plan(self, facts: F) -> Plan:
        return Plan(nothing_because="it only reads")

    def apply(self, plan: Plan, writer: Writer) -> None:
        return None

    def undo(self, plan: Plan, writer: Writer) -> None:
        return None
