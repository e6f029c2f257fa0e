"""Checks against the world: only PASS opens a gate, and a missing check is UNKNOWN."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The four answers, mildest first."""

    PASS = "PASS"
    UNKNOWN = "UNKNOWN"  # not run, or it cannot say
    ERROR = "ERROR"  # the check itself broke
    FAIL = "FAIL"  # the world is not as planned


_SEVERITY = {status: rank for rank, status in enumerate(Status)}


@dataclass(frozen=True)
class Check:
    """One comparison of what was planned with what is there."""

    name: str
    status: Status
    planned: str = ""
    actual: str = ""

    @classmethod
    def equal(cls, name: str, planned: object, actual: object) -> "Check":
        status = Status.PASS if planned == actual else Status.FAIL
        return cls(name, status, str(planned), str(actual))


def overall(checks: Iterable[Check]) -> Status:
    """The worst status of all; UNKNOWN where there is no check at all."""
    return max((check.status for check in checks), key=_SEVERITY.__getitem__, default=Status.UNKNOWN)
