"""The agreement's preconditions, evaluated before anything is touched.

Source: service.md, preconditions (2.3); deliverables.md, section 5.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TypeAlias
from zoneinfo import ZoneInfo

from inventory.migration import PreconditionKind
from inventory.model import Inventory
from inventory.phases import PHASE_NAMES

NEVER_WAIVED = frozenset({"backup-verified", "scope-list", "residency"})
MAINLAND_REGIONS = frozenset({"cn-north-1", "cn-northwest-1"})
"""AWS regions in mainland China, one by one: a prefix would let cn-hongkong-like names through."""

_EVERYTHING = PHASE_NAMES
_WRITING = PHASE_NAMES[1:-1]
_MOVING_DATA = ("databases", "files", "cutover")
_KEEPS_DAYS: dict[str, int] = {"backup-verified": 30, "account-funded": 30}
"""How long evidence without an expiry date is believed."""


class Answer(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    WAIVED = "waived"
    STALE = "stale"


@dataclass(frozen=True)
class Finding:
    """The answer of one precondition, what proves it, and the phases it blocks unless it holds."""

    kind: str
    clause: str
    answer: Answer
    evidence: str
    blocks: tuple[str, ...]
    expires_on: date | None = None

    @property
    def holds(self) -> bool:
        return self.answer in (Answer.PASS, Answer.WAIVED)


def evaluate(inventory: Inventory, today: date) -> tuple[Finding, ...]:
    """Every precondition of the agreement, answered from the inventory as it stands on `today`."""
    return tuple(_apply_never_waived(finding) for check in _CHECKS for finding in check(inventory, today))


def blocking(findings: Iterable[Finding], phase: str) -> tuple[Finding, ...]:
    """What forbids a live run of this phase; empty where it may begin."""
    return tuple(finding for finding in findings if not finding.holds and phase in finding.blocks)


def _apply_never_waived(finding: Finding) -> Finding:
    if finding.answer is Answer.WAIVED and finding.kind in NEVER_WAIVED:
        evidence = f"{finding.evidence} (may not be waived)"
        return Finding(finding.kind, finding.clause, Answer.FAIL, evidence, finding.blocks)
    return finding


def _recorded(inventory: Inventory, today: date, kind: PreconditionKind) -> tuple[Answer, str, date | None]:
    """What the record of this kind is worth today."""
    record = next((p for p in inventory.preconditions if p.kind == kind), None)
    if record is None:
        return Answer.FAIL, "no record in preconditions.yaml", None
    said = f"{record.evidence} ({record.confirmed_by}, {record.confirmed_on})"
    if inventory.project.contact(record.confirmed_by) is None:
        return Answer.FAIL, f"{said}: {record.confirmed_by} is no contact of the project", None
    if record.confirmed_on > today:
        return Answer.FAIL, f"{said}: confirmed in the future", None
    if record.state == "not-met":
        return Answer.FAIL, said, None
    keeps = _KEEPS_DAYS.get(kind)
    expires = record.expires_on or (record.confirmed_on + timedelta(days=keeps) if keeps else None)
    if expires and expires < today:
        return Answer.STALE, f"{said}: expired on {expires}", expires
    if record.state == "waived":
        lead = inventory.project.customer_lead
        if record.confirmed_by.lower() != lead.mail.lower():
            return Answer.FAIL, f"{said}: only {lead.mail} may waive", None
        return Answer.WAIVED, said, expires
    return Answer.PASS, said, expires


def _service_purchased(inventory: Inventory, today: date) -> Iterator[Finding]:
    contract = inventory.project.contract
    said = f"contract {contract.number}, {contract.signed_on} to {contract.ends_on}"
    answer = Answer.PASS
    if today < contract.signed_on:
        answer = Answer.FAIL
    elif today > contract.ends_on:
        answer = Answer.STALE
    yield Finding("service-purchased", "2.3", answer, said, _EVERYTHING, contract.ends_on)


def _project_lead(inventory: Inventory, today: date) -> Iterator[Finding]:
    answer, said, expires = _recorded(inventory, today, "project-lead")
    lead = inventory.project.customer_lead
    if answer is Answer.PASS and not lead.may_approve:
        answer, said = Answer.FAIL, f"{lead.name} <{lead.mail}> has no authority to approve"
    yield Finding("project-lead", "2.3", answer, said, _EVERYTHING, expires)


def _scope_list(inventory: Inventory, today: date) -> Iterator[Finding]:
    inside = [item.name for item in inventory.migration_list if item.in_scope]
    unexplained = [i.name for i in inventory.migration_list if not i.in_scope and not i.reason]
    if not inside:
        yield Finding("scope-list", "2.2", Answer.FAIL, "nothing is in scope", _EVERYTHING)
    elif unexplained:
        said = f"out of scope without a reason: {', '.join(unexplained)}"
        yield Finding("scope-list", "2.2", Answer.FAIL, said, _EVERYTHING)
    else:
        yield Finding("scope-list", "2.2", Answer.PASS, f"in scope: {', '.join(inside)}", _EVERYTHING)


def _licences(inventory: Inventory, today: date) -> Iterator[Finding]:
    names = [item.name for item in inventory.in_scope("application")]
    commercial = [a for a in map(inventory.application, names) if a.software == "commercial"]
    if not commercial:
        yield Finding("licences", "2.3", Answer.PASS, "no commercial software in scope", ("applications",))
        return
    answer, said, expires = _recorded(inventory, today, "licences")
    missing = [a.name for a in commercial if not a.licence]
    if missing and answer is Answer.PASS:
        answer, said = Answer.FAIL, f"no licence reference for {', '.join(missing)}"
    yield Finding("licences", "2.3", answer, said, ("applications", "cutover"), expires)


def _window(inventory: Inventory, today: date) -> Iterator[Finding]:
    answer, said, expires = _recorded(inventory, today, "window-announced")
    window = inventory.project.window
    if answer is Answer.PASS and window.announced_on > today:
        answer, said = Answer.FAIL, f"to be announced on {window.announced_on} only"
    elif answer is Answer.PASS and window.end.astimezone(ZoneInfo(window.timezone)).date() < today:
        answer, said = Answer.STALE, f"the window ended on {window.end:%Y-%m-%d %H:%M %z}"
    yield Finding("window-announced", "2.3", answer, said, ("cutover",), expires)


def _testers(inventory: Inventory, today: date) -> Iterator[Finding]:
    project = inventory.project
    testers = ("tester", "project-lead")
    people = [c.name for c in project.contacts if c.party == "customer" and c.role in testers]
    cases = [test.name for test in inventory.tests if test.priority == "P0"]
    answer = Answer.PASS if people and cases else Answer.FAIL
    said = f"testers: {', '.join(people) or 'none'}; P0 cases: {', '.join(cases) or 'none'}"
    yield Finding("customer-testers", "2.3", answer, said, ("testing", "cutover"))


def _residency(inventory: Inventory, today: date) -> Iterator[Finding]:
    region = inventory.targets.cloud.region
    allowed = inventory.project.residency.allowed_regions
    outside = sorted({region, *allowed} - MAINLAND_REGIONS)
    if region not in allowed:
        answer, said = Answer.FAIL, f"{region} is not on the residency list ({', '.join(allowed)})"
    elif outside:
        answer, said = Answer.FAIL, f"not in mainland China, and no consent on record: {', '.join(outside)}"
    else:
        answer, said = Answer.PASS, f"{region} is on the list of mainland regions"
    yield Finding("residency", "privacy 7.1", answer, said, _EVERYTHING)


Check: TypeAlias = Callable[[Inventory, date], Iterator[Finding]]


def _by_record(kind: PreconditionKind, blocks: tuple[str, ...]) -> Check:
    def check(inventory: Inventory, today: date) -> Iterator[Finding]:
        answer, said, expires = _recorded(inventory, today, kind)
        record = next((p for p in inventory.preconditions if p.kind == kind), None)
        if record and record.state == "not-applicable" and kind != "third-parties":
            answer, said = Answer.FAIL, f"{said}: applies to every project"
        yield Finding(kind, "2.3", answer, said, blocks, expires)

    return check


_CHECKS: tuple[Check, ...] = (
    _service_purchased,
    _project_lead,
    _scope_list,
    _by_record("system-facts", _WRITING),
    _by_record("backup-verified", _MOVING_DATA),
    _by_record("change-requested", _WRITING),
    _window,
    _by_record("account-funded", ("network", "environment", "security")),
    _licences,
    _by_record("third-parties", ("applications", "cutover")),
    _testers,
    _residency,
)
