"""Decisions of people: change approval and the answers at the acceptance gate, recorded in the ledger."""

import asyncio
from datetime import UTC, datetime

from core.errors import Refused
from flows import approval
from flows.report import Result
from flows.standing import gate_row
from flows.work import Work, open_project
from inventory.calendar import acceptance_deadline, load_calendar

MIGRATION = "migration/execute"
"""The deployment that an approval may start."""


def approve(project: str, digest: str, approved_by: str, reason: str = "", *, start: bool = False) -> Result:
    """Record the approval of a rehearsed plan; with `start`, schedule its migration."""
    with open_project(project) as work:
        whole = approval.approve(work.inventory, work.ledger, digest, approved_by, reason)
        document = {
            "project": work.inventory.project.id,
            "digest": whole,
            "approved_by": approved_by,
            "state": "Approved",
        }
    if start:
        document["started"] = asyncio.run(_start(project, whole))
    return Result(document)


async def _start(project: str, digest: str) -> str:
    """Schedule the migration on a worker, not as part of the approval; gives the flow run's id."""
    from prefect.deployments import arun_deployment

    parameters = {"project": project, "dry_run": False, "plan": digest}
    run = await arun_deployment(MIGRATION, parameters=parameters, timeout=0, as_subflow=False)
    return str(run.id)


def decide(project: str, decision: str, decided_by: str, reason: str, items: list[str]) -> Result:
    """Show the gate, or record the customer's answer there.

    Raises: errors.Refused where the person may not decide this or the gate is not in the state for it.
    Source: service.md, deliverables and the gate (5).
    """
    with open_project(project) as work:
        gate = work.ledger.gate
        now = datetime.now(UTC)
        if decision in ("accept", "object"):
            _require_customer(work, decided_by)
        elif decision in ("rework", "close"):
            _require_contact(work, decided_by)
        if decision == "accept":
            gate.accept(actor=decided_by, reason=reason)
        elif decision == "object":
            for item in items:
                work.inventory.require_in_scope(item)
            gate.object(actor=decided_by, text=reason, items=items, received_at=now)
        elif decision == "rework":
            gate.start_rework(actor=decided_by, reason=reason)
        elif decision == "close":
            submitted = datetime.fromisoformat(gate.status().submitted_at_utc or now.isoformat())
            deadline = acceptance_deadline(submitted, load_calendar(work.inventory.folder))
            gate.deem_accepted(now=now, deadline=deadline, actor=decided_by)
        return Result({"project": work.inventory.project.id, "gate": gate_row(work.ledger)})


def _require_contact(work: Work, mail: str) -> None:
    if work.inventory.project.contact(mail) is None:
        raise Refused(
            f"{mail or 'nobody'} is not a contact of {work.inventory.project.id}",
            why="Every move of the gate must be answerable to somebody.",
            next_command=f"qianyun gate {work.inventory.folder}",
        )


def _require_customer(work: Work, mail: str) -> None:
    contact = work.inventory.project.contact(mail) if mail else None
    if contact is None or contact.party != "customer" or not contact.may_approve:
        people = work.inventory.project.contacts
        allowed = ", ".join(c.mail for c in people if c.may_approve and c.party == "customer")
        raise Refused(
            f"{mail or 'nobody'} may not answer at the gate; the inventory names: {allowed}",
            why="Acceptance and objection are the customer's to give.",
            next_command=f"qianyun gate {work.inventory.folder} accept --as MAIL",
        )
