"""What all AWS steps share: changes are made and taken back one by one."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import TypeVar

from botocore.exceptions import ParamValidationError

from core import facts
from core.access import Reader, Writer
from core.errors import ApplyFailed, Refused, UndoFailed, Unreadable
from core.facts import ABSENT, Absent, Fact, Known
from core.plan import AfterApply, Change, Plan
from core.step import Step
from tasks.aws.endpoint import AwsAccount, AwsReader, AwsWriter
from tasks.aws.marks import VPC_KEY, Mark

F = TypeVar("F")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class AwsStep(Step[F]):
    """A step on an AWS account.

    Subclasses look in `_look`, carry out a single change in `_make` and take one back in `_unmake`; both
    find the world in any state that a crash can leave.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    account: AwsAccount

    @property
    def mark(self) -> Mark:
        return Mark(self.account.project, self.key)

    def inspect(self, reader: Reader) -> F:
        cloud = reader.open(self.account)
        try:
            return self._look(cloud)
        except ParamValidationError as error:
            # A wish that AWS has no form for, such as a bucket's name with an underscore.
            raise Refused(
                f"{self.key}: {error}",
                why="AWS could never take this value: correct it in targets.yaml.",
                next_command=self.account.next_command,
            ) from error

    def apply(self, plan: Plan, writer: Writer) -> None:
        cloud = writer.open(self.account)
        for done, change in enumerate(plan.changes):
            try:
                self._make(cloud, change)
            except ApplyFailed as error:
                raise ApplyFailed(
                    f"{error.detail}; done: {_named(plan.changes[:done])}; "
                    f"not done: {_named(plan.changes[done:])}",
                    why=error.why,
                    next_command=error.next_command,
                    transient=error.transient,
                ) from error
            writer.progress(done + 1, len(plan.changes), "changes")

    def undo(self, plan: Plan, writer: Writer) -> None:
        cloud = writer.open(self.account)
        for left in range(len(plan.changes), 0, -1):
            try:
                self._unmake(cloud, plan.changes[left - 1])
            except (ApplyFailed, Unreadable) as error:
                raise UndoFailed(
                    f"{error.detail}; still standing: {_named(plan.changes[:left])}",
                    why=error.why,
                    next_command=error.next_command,
                    transient=error.transient,
                ) from error

    @abstractmethod
    def _look(self, cloud: AwsReader) -> F: ...

    @abstractmethod
    def _make(self, cloud: AwsWriter, change: Change) -> None: ...

    @abstractmethod
    def _unmake(self, cloud: AwsWriter, change: Change) -> None: ...


def fact(value: T | None) -> Known[T] | Absent:
    """What a complete look gave: the thing, or its absence."""
    return ABSENT if value is None else Known(value)


def known(fact: Fact[T]) -> T | None:
    """The value, or None where it is truly absent.

    Raises: errors.Unreadable: what could not be looked at is neither.
    """
    match fact:
        case Known(value):
            return value
        case Absent():
            return None
        case facts.Unreadable(reason, transient):
            raise Unreadable(reason, transient=transient)


def id_or_later(fact: Fact[str], step: str) -> str | AfterApply:
    """The id of what another step makes, as far as it is made."""
    return known(fact) or AfterApply(step, "id")


def vpc_or_later(fact: Fact[str]) -> str | AfterApply:
    return id_or_later(fact, VPC_KEY)


def _named(changes: tuple[Change, ...]) -> str:
    return ", ".join(f"{change.action} {change.object}" for change in changes) or "nothing"
