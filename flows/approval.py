"""Change approval: who may say yes to which plan. Decisions live in the ledger, not in Prefect."""

from dataclasses import dataclass

from core.errors import Refused
from core.plan import MigrationPlan
from inventory.model import Inventory
from ledger.book import Ledger

REHEARSED = "Rehearsed"
LEAST_DIGEST = 12
"""Signs of a digest that must be given at least."""


@dataclass(frozen=True)
class Rehearsal:
    """A complete rehearsal: the plan it showed and who asked for it."""

    digest: str
    plan: MigrationPlan
    requested_by: str


def find_rehearsal(ledger: Ledger, digest: str) -> Rehearsal | None:
    """The latest complete rehearsal whose digest begins so; None where there is none.

    Raises: errors.Refused where the digest is too short or fits two plans.
    """
    digest = digest.strip().lower()
    if len(digest) < LEAST_DIGEST:
        raise Refused(
            f"the digest {digest!r} is too short",
            why=f"At least {LEAST_DIGEST} signs name a plan safely; a rehearsal shows them.",
            next_command="qianyun rehearse",
        )
    runs = [run for run in ledger.runs() if run.mode == "rehearsal" and run.digest.startswith(digest)]
    runs = [run for run in runs if run.state == REHEARSED]
    if len({run.digest for run in runs}) > 1:
        raise Refused(f"the digest {digest} fits {len(runs)} plans", why="Give all of its signs.")
    if not runs:
        return None
    plan = MigrationPlan.from_json(ledger.plan_of(runs[-1].digest))
    return Rehearsal(runs[-1].digest, plan, runs[-1].requested_by)


def requester(inventory: Inventory, named: str) -> str:
    """The mail of who raises the change request: the one named, or the provider's first engineer.

    Raises: errors.Refused where that is nobody of the project.
    """
    if named:
        contact = inventory.project.contact(named)
    else:
        contact = next((c for c in inventory.project.contacts if c.party == "provider"), None)
    if contact is None:
        raise Refused(
            f"{named or 'no provider contact'} is not a contact of {inventory.project.id}",
            why="A change request names the person who answers for it.",
            next_command=f"qianyun check {inventory.folder}",
        )
    return contact.mail


def approve(inventory: Inventory, ledger: Ledger, digest: str, approver: str, reason: str = "") -> str:
    """Record the change approval of one rehearsed plan; gives the full digest.

    Raises: errors.Refused where the plan was never rehearsed whole, or the approver is not named in the
    inventory, may not approve, or requested the change.
    Source: service.md, preconditions (a change request is raised before implementation).
    """
    rehearsal = find_rehearsal(ledger, digest)
    if rehearsal is None:
        raise Refused(
            f"no complete rehearsal produced the plan {digest}",
            why="What is approved is a plan that was shown, nothing else.",
            next_command=f"qianyun rehearse {inventory.folder}",
        )
    contact = inventory.project.contact(approver)
    if contact is None or not contact.may_approve:
        allowed = ", ".join(c.mail for c in inventory.project.contacts if c.may_approve)
        raise Refused(
            f"{approver} may not approve; the inventory names: {allowed}",
            why="An approval binds the customer, so it must come from who was named for it.",
            next_command=f"qianyun approve {inventory.folder} --plan {digest} --as MAIL",
        )
    if contact.mail.lower() == rehearsal.requested_by.lower():
        raise Refused(
            f"{approver} requested this change and cannot approve it",
            why="Requester and approver must be two people.",
            next_command=f"qianyun approve {inventory.folder} --plan {digest} --as MAIL",
        )
    ledger.record_approval(
        rehearsal.digest, approved_by=contact.mail, requested_by=rehearsal.requested_by, reason=reason
    )
    return rehearsal.digest
