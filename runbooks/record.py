"""What happened, as plain data: the facts of the ledger that documents are rendered from.

Times are aware and UTC. `steps` holds, for each step, the run that last changed it (a later run that
found nothing to do is no new fact), in the order of the graph.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from core.plan import sha256_json
from inventory.model import Inventory


@dataclass(frozen=True, kw_only=True)
class CheckLine:
    """One check of a step; `status` is PASS, FAIL, ERROR or UNKNOWN."""

    name: str
    status: str
    planned: str = ""
    actual: str = ""


@dataclass(frozen=True, kw_only=True)
class ChangeLine:
    """One change that was planned and, if the step is done, made."""

    action: str
    object: str
    before: str = ""
    after: str = ""
    measures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StepLine:
    """One step: what it plans and how it ended.

    `state`: Rehearsed, Unchanged, Applied, Refused, Failed, Undone or NotDone. `evidence`: id or digest
    of the stored proof. `command`: what a person types for this step alone; "" for its phase's command.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    state: str = "NotDone"
    reversal_kind: str = ""
    reversal_how: str = ""
    p50_s: float = 0.0
    p90_s: float = 0.0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    changes: tuple[ChangeLine, ...] = ()
    checks: tuple[CheckLine, ...] = ()
    evidence: str = ""
    command: str = ""

    @property
    def phase(self) -> str:
        return self.key.partition("/")[0]

    @property
    def done(self) -> bool:
        return self.state in ("Applied", "Unchanged")

    @property
    def proved(self) -> bool:
        return self.done and bool(self.checks) and all(check.status == "PASS" for check in self.checks)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Facts read from the world by the step `step`: `facts` as core.facts.to_json gives them."""

    step: str
    taken_at: datetime
    evidence: str
    facts: Any


@dataclass(frozen=True, kw_only=True)
class Approved:
    """A change approval: who approved which plan, asked by whom, when."""

    digest: str
    approved_by: str
    requested_by: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Issue:
    """Something left open, with who deals with it until when."""

    number: str
    text: str
    level: Literal["P0", "P1", "P2"]
    owner: str
    due: date | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """All that documents say about what was found, planned and done.

    `as_of` is the time of the last fact, and the date of the documents. `discovery` are the readings of
    the old side; `readings` those of the new side taken after cutover. `rollback_evidence` is the proof
    of a rehearsed way back, "" where it was not rehearsed.
    """

    as_of: datetime
    plan_digest: str = ""
    steps: tuple[StepLine, ...] = ()
    discovery: tuple[Reading, ...] = ()
    readings: tuple[Reading, ...] = ()
    approvals: tuple[Approved, ...] = ()
    issues: tuple[Issue, ...] = ()
    rollback_evidence: str = ""

    def phase(self, name: str) -> tuple[StepLine, ...]:
        return tuple(step for step in self.steps if step.phase == name)


@dataclass(frozen=True, kw_only=True)
class Edition:
    """Which version of a document is being made, and its standing."""

    version: int = 1
    status: Literal["draft", "submitted", "accepted"] = "submitted"


def basis(inventory: Inventory, record: Record) -> str:
    """Digest of what makes a new version of the documents necessary.

    Covers the inventory, what was changed and how it was proved. Leaves out times, readings and the
    acceptance steps themselves: making a document must not make its next version necessary.
    """
    steps = [
        [
            step.key,
            sorted([change.action, change.object] for change in step.changes),
            sorted([check.name, check.status] for check in step.checks),
        ]
        for step in record.steps
        if step.phase != "acceptance"
    ]
    issues = [[issue.number, issue.text, issue.level, issue.owner, str(issue.due)] for issue in record.issues]
    return sha256_json([inventory.model_dump(mode="json", by_alias=True), sorted(steps), issues])
