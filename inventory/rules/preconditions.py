"""Preconditions as they are written down; whether they hold today is asked before each run."""

from collections.abc import Iterator

from inventory.draft import Draft, Finding
from inventory.files import PRECONDITIONS, PROJECT
from inventory.migration import PRECONDITIONS as KINDS
from inventory.migration import Precondition
from inventory.preconditions import NEVER_WAIVED
from inventory.yaml_lines import Path

_MAY_NOT_APPLY = frozenset({"licences", "third-parties"})


def _each(draft: Draft) -> Iterator[tuple[Path, Precondition]]:
    if draft.preconditions is not None:
        yield from draft.each(PRECONDITIONS, ("preconditions",), draft.preconditions.preconditions)


def none_is_missing(draft: Draft) -> Iterator[Finding]:
    recorded = {kind for _, kind in draft.named(PRECONDITIONS, "preconditions", key="kind")}
    if draft.preconditions is None or not recorded <= set(KINDS):
        return  # a record with a mistyped kind may be the one that seems to be missing
    for kind in KINDS:
        if kind not in recorded:
            yield Finding(PRECONDITIONS, ("preconditions",), f"the precondition {kind!r} is missing")


def confirmed_by_somebody_known(draft: Draft) -> Iterator[Finding]:
    if draft.project is None:
        return
    contacts = {mail.lower() for _, mail in draft.named(PROJECT, "contacts", key="mail")}
    for path, record in _each(draft):
        if record.confirmed_by.lower() not in contacts:
            message = f"{record.confirmed_by} is no contact of the project"
            yield Finding(PRECONDITIONS, (*path, "confirmed_by"), message)


def backups_checked_by_the_customer(draft: Draft) -> Iterator[Finding]:
    """Source: service.md, preconditions (2.3): party A has checked its backups."""
    if draft.project is None:
        return
    for path, record in _each(draft):
        contact = draft.project.contact(record.confirmed_by)
        if record.kind == "backup-verified" and contact and contact.party != "customer":
            message = f"{contact.name} is of the provider: the customer checks its own backups"
            yield Finding(PRECONDITIONS, (*path, "confirmed_by"), message)


def waivers(draft: Draft) -> Iterator[Finding]:
    """Source: deliverables.md, section 5: only by the named lead, never for backup, scope or residency."""
    for path, record in _each(draft):
        if record.state == "waived" and record.kind in NEVER_WAIVED:
            yield Finding(PRECONDITIONS, (*path, "state"), f"{record.kind} is never waived")
        elif record.state == "not-applicable" and record.kind not in _MAY_NOT_APPLY:
            yield Finding(PRECONDITIONS, (*path, "state"), f"{record.kind} applies to every project")
        elif record.state == "waived" and draft.project is not None:
            contact = draft.project.contact(record.confirmed_by)
            if contact and (contact.party, contact.role) != ("customer", "project-lead"):
                message = f"{contact.name} may not waive it: only the customer's project lead may"
                yield Finding(PRECONDITIONS, (*path, "confirmed_by"), message)


def expiry_in_order(draft: Draft) -> Iterator[Finding]:
    for path, record in _each(draft):
        if record.expires_on and record.expires_on < record.confirmed_on:
            message = f"{record.expires_on} is before its confirmation on {record.confirmed_on}"
            yield Finding(PRECONDITIONS, (*path, "expires_on"), message)


RULES = (
    none_is_missing,
    confirmed_by_somebody_known,
    backups_checked_by_the_customer,
    waivers,
    expiry_in_order,
)
