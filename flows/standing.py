"""How a project stands, read from its ledger: the phase board, the gate, the deliverables, the runs."""

from typing import Any

from flows.work import Work
from inventory.phases import PHASE_NAMES
from ledger.book import Ledger
from ledger.gate_state import GateState

DONE_STATES = ("Applied", "Unchanged")


def standing(work: Work) -> dict[str, Any]:
    """The document of `qianyun status --json`."""
    return {
        "project": work.inventory.project.id,
        "phases": phase_rows(work),
        "gate": gate_row(work.ledger),
        "deliverables": deliverable_rows(work.ledger),
        "runs": run_rows(work.ledger),
        "window": {
            "start": work.inventory.project.window.start.isoformat(),
            "end": work.inventory.project.window.end.isoformat(),
        },
    }


def phase_rows(work: Work) -> list[dict[str, Any]]:
    """One row a phase: how many of its steps are done in the world, by live runs; rehearsed counts apart."""
    live = work.ledger.latest_states("live")
    rehearsed = work.ledger.latest_states("rehearsal")
    rows = []
    for phase in PHASE_NAMES:
        keys = [step.key for step in work.whole if step.phase == phase]
        states = [live.get(key, "") for key in keys]
        done = sum(state in DONE_STATES for state in states)
        ready = sum(rehearsed.get(key) in ("Rehearsed", "Unchanged") for key in keys)
        rows.append(
            {
                "phase": phase,
                "state": _phase_state(states, done, ready),
                "done": done,
                "total": len(keys),
                "failed": [k for k, s in zip(keys, states, strict=True) if s in ("Failed", "Refused")],
            }
        )
    return rows


def _phase_state(states: list[str], done: int, ready: int) -> str:
    if states and done == len(states):
        return "done"
    if "Failed" in states:
        return "failed"
    if "Refused" in states:
        return "refused"
    if "Begun" in states:
        return "interrupted"
    if done:
        return "in progress"
    if "Undone" in states:
        return "rolled back"
    return "rehearsed" if states and ready == len(states) else "open"


def gate_row(ledger: Ledger) -> dict[str, Any]:
    """The gate and its clock; times in UTC, null where no clock runs."""
    gate = ledger.gate.status()
    return {
        "state": str(gate.state),
        "submitted_at": gate.submitted_at_utc or None,
        "due_at": gate.due_at_utc or None,
        "due_status": gate.due_status,
        "due_explanation": gate.due_explanation,
        "round": gate.round,
        "objection": gate.objection,
        "items": list(gate.items),
        "settled": gate.state in (GateState.ACCEPTED, GateState.DEEMED_ACCEPTED),
    }


def deliverable_rows(ledger: Ledger, run_id: str = "") -> list[dict[str, Any]]:
    """Every version of every deliverable, or those of one run."""
    return [
        {
            "kind": one.kind,
            "version": one.version,
            "status": str(one.status),
            "sha256": one.sha256,
            "path": one.path,
        }
        for one in ledger.deliverables(run_id)
    ]


def run_rows(ledger: Ledger) -> list[dict[str, Any]]:
    return [
        {
            "run_id": run.run_id,
            "mode": run.mode,
            "state": run.state,
            "digest": run.digest,
            "started_at": run.started_at_utc,
            "ended_at": run.ended_at_utc,
            "deliverables": list(run.deliverables),
            "gate": run.gate,
        }
        for run in ledger.runs()
    ]
