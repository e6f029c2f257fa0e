"""What can go wrong, by name.

Every error says, in this order: a fixed summary, the object with both values, why it matters, and the
next command alone on an indented line. `transient` tells the runner whether trying again may help.
"""

from collections.abc import Sequence
from dataclasses import dataclass

DONE, FAILED, INVALID, REFUSED = 0, 1, 2, 3
"""Exit statuses of the command line; scripts rely on them."""


class MigrationError(Exception):
    """The root of everything Qianyun raises on purpose."""

    exit_status = FAILED
    summary = "The migration stopped"

    def __init__(
        self,
        detail: str,
        *,
        why: str = "",
        next_command: str = "",
        transient: bool = False,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.why = why
        self.next_command = next_command
        self.transient = transient

    def __str__(self) -> str:
        lines = [f"{self.summary}: {self.detail}"]
        if self.why:
            lines.append(self.why)
        if self.next_command:
            lines.append(f"    {self.next_command}")
        return "\n".join(lines)


@dataclass(frozen=True, order=True)
class Fault:
    """One fault of an inventory: where it stands and what is wrong with it."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}: {self.message}"


class InventoryInvalid(MigrationError):
    """The inventory has faults; all of them are listed, each with file, line and path."""

    exit_status = INVALID
    summary = "The inventory is not valid"

    def __init__(self, faults: Sequence[Fault], *, next_command: str = "") -> None:
        self.faults = tuple(sorted(faults))
        listing = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(
            f"{len(self.faults)} fault(s)\n{listing}",
            why="Nothing was looked at or touched: a plan made from a faulty inventory would be wrong.",
            next_command=next_command,
        )


class Unreadable(MigrationError):
    """Something could not be looked at, so nothing may be concluded about it."""

    summary = "Cannot be read"


class Refused(MigrationError):
    """A rule forbids it (scope, approval, gate, precondition, window); nothing was touched."""

    exit_status = REFUSED
    summary = "Refused"


class StalePlan(Refused):
    """The world or the inventory moved since the plan was approved; nothing was touched."""

    summary = "The approved plan is stale"


class LedgerMismatch(Refused):
    """The ledger belongs to something else or its chain is broken."""

    summary = "The ledger does not match"


class ApplyFailed(MigrationError):
    """A write failed; says what was done and what was not."""

    summary = "Applying failed"


class VerifyFailed(MigrationError):
    """The world is not as planned after applying; gives planned and actual."""

    summary = "Verification failed"


class UndoFailed(MigrationError):
    """Going back failed; says what still stands."""

    summary = "Undoing failed"
