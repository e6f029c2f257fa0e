"""The agreement: who may decide, until when, and where data may be."""

from collections.abc import Iterator
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from inventory.draft import Draft, Finding, did_you_mean
from inventory.files import PROJECT, TARGETS
from inventory.preconditions import MAINLAND_REGIONS


def people_who_decide(draft: Draft) -> Iterator[Finding]:
    """Source: service.md, process (4): requester and approver differ, and one lead speaks for party A."""
    if draft.project is None or (PROJECT, ("contacts",)) in draft.kept:
        return
    contacts = draft.project.contacts
    leads = [c.name for c in contacts if c.party == "customer" and c.role == "project-lead"]
    if len(leads) != 1:
        found = ", ".join(leads) or "none"
        yield Finding(PROJECT, ("contacts",), f"the customer has exactly one project-lead, found {found}")
    if not any(c.party == "customer" and c.may_approve for c in contacts):
        yield Finding(PROJECT, ("contacts",), "nobody on the customer's side may approve (may_approve: true)")
    if not any(c.party == "provider" and c.role == "engineer" for c in contacts):
        message = "the provider has no engineer who could request a change"
        yield Finding(PROJECT, ("contacts",), message)


def approvers_are_the_customers(draft: Draft) -> Iterator[Finding]:
    if draft.project is None:
        return
    for path, contact in draft.each(PROJECT, ("contacts",), draft.project.contacts):
        if contact.may_approve and contact.party != "customer":
            message = f"{contact.name} is of the provider: only the customer's people approve"
            yield Finding(PROJECT, (*path, "may_approve"), message)


def times_in_order(draft: Draft) -> Iterator[Finding]:
    if draft.project is None:
        return
    window, contract = draft.project.window, draft.project.contract
    if contract.ends_on < contract.signed_on:
        message = f"{contract.ends_on} is before it was signed on {contract.signed_on}"
        yield Finding(PROJECT, ("contract", "ends_on"), message)
    if window.end <= window.start:
        yield Finding(PROJECT, ("window", "end"), f"{window.end} is not after the start {window.start}")
    if window.timezone not in _time_zones():
        return
    zone = ZoneInfo(window.timezone)
    first, last = window.start.astimezone(zone).date(), window.end.astimezone(zone).date()
    if last > contract.ends_on:
        message = f"{window.end} is after the contract's end on {contract.ends_on}"
        yield Finding(PROJECT, ("window", "end"), message)
    if first < contract.signed_on:
        message = f"{window.start} is before the contract was signed on {contract.signed_on}"
        yield Finding(PROJECT, ("window", "start"), message)
    if window.announced_on > first:
        message = f"{window.announced_on} is after the window's start {window.start}"
        yield Finding(PROJECT, ("window", "announced_on"), message)


def known_time_zones(draft: Draft) -> Iterator[Finding]:
    known = _time_zones()
    if draft.project is not None and draft.project.window.timezone not in known:
        yield _unknown_zone(PROJECT, ("window", "timezone"), draft.project.window.timezone, known)
    if draft.targets is not None:
        for path, server in draft.each(TARGETS, ("servers",), draft.targets.servers):
            if server.timezone not in known:
                yield _unknown_zone(TARGETS, (*path, "timezone"), server.timezone, known)


def _unknown_zone(file: str, path: tuple[str | int, ...], zone: str, known: frozenset[str]) -> Finding:
    near = [name for name in known if name[:2].lower() == zone[:2].lower()]
    return Finding(file, path, f"{zone!r} is no time zone{did_you_mean(zone, near)}")


def regions_in_the_mainland(draft: Draft) -> Iterator[Finding]:
    """One by one, never by prefix: cn-hongkong is not mainland China.

    Source: deliverables.md, section 3, mainland residency and cross-border consent (default deny).
    """
    if draft.project is None:
        return
    for index, region in enumerate(draft.project.residency.allowed_regions):
        if region not in MAINLAND_REGIONS:
            known = ", ".join(sorted(MAINLAND_REGIONS))
            message = f"{region!r} is not known as a region in mainland China ({known})"
            yield Finding(PROJECT, ("residency", "allowed_regions", index), message)


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


RULES = (
    people_who_decide,
    approvers_are_the_customers,
    times_in_order,
    known_time_zones,
    regions_in_the_mainland,
)
