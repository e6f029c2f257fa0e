"""A step with nothing to do, and a recorder that keeps nothing: what the benchmarks carry."""

from dataclasses import dataclass
from typing import Any

from core.access import Progress, Reader, Writer
from core.checks import Check, Status
from core.plan import Plan
from core.step import Reversal, Step
from tasks.verbs import Outcome


@dataclass(frozen=True, kw_only=True)
class NoOp(Step[int]):
    """Finds the world as wanted."""

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "nothing is changed")

    def inspect(self, reader: Reader) -> int:
        return 1

    def plan(self, facts: int) -> Plan:
        return Plan(nothing_because="it is as wanted")

    def apply(self, plan: Plan, writer: Writer) -> None:
        return None

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        return (Check("as wanted", Status.PASS),)

    def undo(self, plan: Plan, writer: Writer) -> None:
        return None


class SilentRecorder:
    """Lets everything through and records nothing."""

    def guard(self, step: Step[Any]) -> None:
        return None

    def approved(self, key: str) -> tuple[Plan, bool] | None:
        return Plan(nothing_because="it is as wanted"), False

    def begun(self, key: str, plan: Plan) -> None:
        return None

    def ended(self, outcome: Outcome) -> None:
        return None

    def progress(self, key: str) -> Progress:
        return lambda done, total, unit: None

    def undoing(self, key: str) -> list[Plan]:
        return []
