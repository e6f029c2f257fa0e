"""Small plans and records that the tests share."""

from datetime import UTC, datetime
from typing import Any

from core.plan import Change, MigrationPlan, Plan
from ledger.book import Ledger

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
LATER = datetime(2026, 11, 20, 9, 31, tzinfo=UTC)


def plan(name: str = "orders") -> Plan:
    return Plan((Change("create", f"table {name}", None, {"rows": "all", "名称": f"“{name}”表's"}),))


def migration_plan(*keys: str) -> MigrationPlan:
    return MigrationPlan({key: plan(key) for key in keys or ("databases/shop/data",)})


def rehearse(ledger: Ledger, whole: MigrationPlan, requested_by: str = "wang@provider.cn") -> str:
    """A rehearsal on record, with its plan; gives the digest."""
    run_id = ledger.start_run("rehearsal", requested_by=requested_by)
    for key in whole.steps:
        ended(ledger, run_id, key, "Rehearsed")
    ledger.record_plan(run_id, whole.digest, whole.to_json())
    ledger.end_run(run_id, "Completed")
    return whole.digest


def ended(ledger: Ledger, run_id: str, key: str, state: str, **more: Any) -> None:
    ledger.step_ended(run_id, key, state, started_at=NOW, ended_at=LATER, **more)


def apply(ledger: Ledger, run_id: str, key: str, digest: str) -> None:
    ledger.step_begun(run_id, key, plan(key).to_json(), digest)
    ended(ledger, run_id, key, "Applied", evidence=ledger.store_evidence({"step": key, "checks": ["PASS"]}))
