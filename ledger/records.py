"""What the ledger's records say, typed; every class here is read from entries and never stored itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from ledger.entry import Json

Mode: TypeAlias = Literal["rehearsal", "live"]


BEGUN = "Begun"
"""State of a step that began to write and has no end on record: at work, or cut off by a crash."""

UNFINISHED = "Unfinished"
"""State of a run without an end on record."""


class DeliverableStatus(StrEnum):
    """How far a deliverable is, in order."""

    DRAFT = "draft"
    FINAL = "final"
    SENT = "sent"


@dataclass(frozen=True)
class Run:
    """One run; `deliverables` and `gate` are what it stated at its end."""

    run_id: str
    mode: str
    digest: str
    requested_by: str
    started_at_utc: str
    ended_at_utc: str
    state: str
    summary: Json
    deliverables: tuple[Mapping[str, Json], ...]
    gate: str


@dataclass(frozen=True)
class StepRecord:
    """What one run recorded of one step; `evidence` is a digest or empty."""

    run_id: str
    key: str
    state: str
    digest: str
    started_at_utc: str
    ended_at_utc: str
    evidence: str
    error: str


@dataclass(frozen=True)
class Approval:
    """A change request approved: exactly the plan with this digest."""

    digest: str
    approved_by: str
    requested_by: str
    reason: str
    at_utc: str


@dataclass(frozen=True)
class Waiver:
    """A named person's word that a check or precondition may stay open, and why."""

    name: str
    reason: str
    by: str
    at_utc: str


@dataclass(frozen=True)
class Deliverable:
    """A document handed to the customer, in one version; `sha256` is of the file as recorded last."""

    kind: str
    version: int
    status: DeliverableStatus
    sha256: str
    path: str
    run_id: str
    at_utc: str
