"""Each precondition in the direction that passes and in the one that refuses."""

from copy import deepcopy
from datetime import date
from typing import Any

import pytest

from inventory.phases import PHASE_NAMES
from inventory.preconditions import Answer, blocking, evaluate
from tests.runbooks.estate import PARTS, inventory

TODAY = date(2026, 11, 22)


def test_a_complete_inventory_blocks_nothing() -> None:
    findings = evaluate(inventory(), TODAY)
    assert [f for f in findings if not f.holds] == []
    assert not any(blocking(findings, phase) for phase in PHASE_NAMES)
    assert all(f.evidence and set(f.blocks) <= set(PHASE_NAMES) for f in findings)


def record(kind: str, **fields: Any) -> Any:
    def change(parts: dict[str, Any]) -> None:
        for entry in parts["preconditions"]:
            if entry["kind"] == kind:
                entry.update(fields)

    return change


def without(kind: str) -> Any:
    def change(parts: dict[str, Any]) -> None:
        parts["preconditions"] = [p for p in parts["preconditions"] if p["kind"] != kind]

    return change


def put(*path: Any, value: Any) -> Any:
    def change(parts: dict[str, Any]) -> None:
        for name in path[:-1]:
            parts = parts[name]
        parts[path[-1]] = value

    return change


def commercial(parts: dict[str, Any]) -> None:
    parts["sources"]["applications"][0].update(software="commercial", licence="")
    record("licences", state="met")(parts)


CASES = [  # change, kind, answer, a phase that it blocks (None: none)
    (put("project", "contract", "ends_on", value="2026-11-01"), "service-purchased", "stale", "discovery"),
    (put("project", "contract", "signed_on", value="2026-12-01"), "service-purchased", "fail", "discovery"),
    (put("project", "contacts", 0, "may_approve", value=False), "project-lead", "fail", "acceptance"),
    (without("project-lead"), "project-lead", "fail", "cutover"),
    (put("migration_list", 3, "reason", value=""), "scope-list", "fail", "network"),
    (record("system-facts", state="not-met"), "system-facts", "fail", "environment"),
    (record("system-facts", state="not-applicable"), "system-facts", "fail", "environment"),
    (record("backup-verified", state="waived"), "backup-verified", "fail", "databases"),
    (record("backup-verified", confirmed_on="2026-10-01"), "backup-verified", "stale", "files"),
    (record("backup-verified", expires_on="2026-11-21"), "backup-verified", "stale", "cutover"),
    (record("backup-verified", confirmed_on="2026-11-23"), "backup-verified", "fail", "cutover"),
    (record("backup-verified", confirmed_by="who@example.cn"), "backup-verified", "fail", "databases"),
    (record("account-funded", state="waived"), "account-funded", "waived", None),
    (
        record("account-funded", state="waived", confirmed_by="wang@example.cn"),
        "account-funded",
        "fail",
        "network",
    ),
    (record("change-requested", state="not-met"), "change-requested", "fail", "databases"),
    (put("project", "window", "announced_on", value="2026-12-01"), "window-announced", "fail", "cutover"),
    (
        put("project", "window", "end", value="2026-11-20T04:00:00+08:00"),
        "window-announced",
        "stale",
        "cutover",
    ),
    (commercial, "licences", "fail", "applications"),
    (record("third-parties", state="not-met"), "third-parties", "fail", "cutover"),
    (put("tests", value=[]), "customer-testers", "fail", "testing"),
    (put("targets", "cloud", "region", value="cn-hongkong"), "residency", "fail", "discovery"),
    (
        put("project", "residency", "allowed_regions", value=["cn-north-1", "us-east-1"]),
        "residency",
        "fail",
        "files",
    ),
]


@pytest.mark.parametrize(
    ("change", "kind", "answer", "phase"), CASES, ids=[f"{n}-{c[1]}-{c[2]}" for n, c in enumerate(CASES)]
)
def test_a_precondition_that_does_not_hold(change: Any, kind: str, answer: str, phase: str | None) -> None:
    parts = deepcopy(PARTS)
    change(parts)
    findings = evaluate(inventory(**parts), TODAY)
    found = next(f for f in findings if f.kind == kind)
    assert found.answer == Answer(answer), found
    if phase is None:
        assert found.holds
    else:
        assert found in blocking(findings, phase)
    assert [f.kind for f in findings if not f.holds] == ([kind] if phase else [])


def test_a_window_ends_on_the_day_of_its_own_zone() -> None:
    """20:19 in Greenwich is the next morning in Shanghai, where it is that day already."""
    parts = deepcopy(PARTS)
    put("project", "window", "end", value="2026-11-21T20:19:00+00:00")(parts)
    found = {f.kind: f.answer for f in evaluate(inventory(**parts), TODAY)}
    assert found["window-announced"] is Answer.PASS
