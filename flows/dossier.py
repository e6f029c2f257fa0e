"""What happened in a project, gathered from its ledger for the documents that people read."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from core.graph import Graph
from core.plan import canonical
from core.step import Step, StepState
from ledger.book import Ledger
from ledger.records import StepRecord
from runbooks.record import Approved, ChangeLine, CheckLine, Reading, Record, StepLine


def record_of(ledger: Ledger, graph: Graph) -> Record:
    """The project's record as its documents need it, without the readings of the new side."""
    latest = _latest_by_step(ledger)
    steps = tuple(_line(ledger, step, latest.get(step.key)) for step in graph)
    times = [line.ended_at for line in steps if line.ended_at]
    runs = [run for run in ledger.runs() if run.mode == "live"]
    return Record(
        as_of=max(times, default=datetime.now(UTC)),
        plan_digest=runs[-1].digest if runs else "",
        steps=steps,
        discovery=tuple(
            Reading(
                step=line.key,
                taken_at=line.ended_at,
                evidence=line.evidence,
                facts=ledger.read_evidence(line.evidence)["facts"],
            )
            for line in steps
            if line.phase == "discovery" and line.done and line.ended_at
        ),
        approvals=tuple(_approvals(ledger)),
    )


def _latest_by_step(ledger: Ledger) -> Mapping[str, StepRecord]:
    """Per step the live record that says most: what was applied, not that nothing was left later."""
    latest: dict[str, StepRecord] = {}
    for run in ledger.runs():
        if run.mode != "live":
            continue
        for record in ledger.steps(run.run_id):
            if _says_more(ledger, record, latest.get(record.key)):
                latest[record.key] = record
    return latest


def _says_more(ledger: Ledger, record: StepRecord, before: StepRecord | None) -> bool:
    if before is None or record.state != StepState.UNCHANGED:
        return True
    if before.state != StepState.UNCHANGED:
        return before.state != StepState.APPLIED
    # After the switch a settled step is not looked at any more: what proved it stays its last proof.
    return bool(record.evidence and ledger.read_evidence(record.evidence)["checks"])


def _line(ledger: Ledger, step: Step[Any], record: StepRecord | None) -> StepLine:
    line = StepLine(
        key=step.key,
        needs=step.needs,
        item=step.item,
        reversal_kind=step.reversal.kind,
        reversal_how=step.reversal.how,
    )
    if record is None or not record.evidence:
        return line
    proof = ledger.read_evidence(record.evidence)
    plan = proof["plan"] or {"changes": [], "duration_s": {"p50": 0.0, "p90": 0.0}}
    return replace(
        line,
        state=record.state,
        p50_s=plan["duration_s"]["p50"],
        p90_s=plan["duration_s"]["p90"],
        started_at=datetime.fromisoformat(record.started_at_utc),
        ended_at=datetime.fromisoformat(record.ended_at_utc),
        changes=tuple(_changes(plan["changes"])),
        checks=tuple(CheckLine(**check) for check in proof["checks"]),
        evidence=record.evidence,
    )


def _changes(changes: Iterable[Mapping[str, Any]]) -> Iterable[ChangeLine]:
    for change in changes:
        yield ChangeLine(
            action=change["action"],
            object=change["object"],
            before=_text(change["before"]),
            after=_text(change["after"]),
            measures=change["measures"],
        )


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(canonical(value), ensure_ascii=False, sort_keys=True)


def _approvals(ledger: Ledger) -> Iterable[Approved]:
    for digest in dict.fromkeys(run.digest for run in ledger.runs() if run.digest):
        approval = ledger.approval_for(digest)
        if approval:
            yield Approved(
                digest=digest,
                approved_by=approval.approved_by,
                requested_by=approval.requested_by,
                at=datetime.fromisoformat(approval.at_utc),
            )
