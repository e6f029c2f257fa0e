"""What a run says: the JSON that scripts rely on, and the same as tables for people."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import MigrationError
from core.graph import Graph
from core.plan import Duration, MigrationPlan
from core.secret import redact
from core.step import Step
from inventory.model import Inventory
from inventory.preconditions import Finding

if TYPE_CHECKING:
    from flows.runner import RunReport

NOTHING = "nothing"


@dataclass
class Result:
    """What a command hands back: its JSON document, and the error that decides the exit status."""

    document: dict[str, Any]
    error: MigrationError | None = None


def plan_rows(graph: Graph, plan: MigrationPlan) -> list[dict[str, Any]]:
    """One row a change, in the order of the work; steps with nothing to do say why."""
    rows: list[dict[str, Any]] = []
    for step in graph:
        own = plan.steps.get(step.key)
        if own is None:
            continue
        rows.extend(
            _row(step, change.action, change.summary, dict(change.measures)) for change in own.changes
        )
        if own.is_empty:
            rows.append(_row(step, NOTHING, f"nothing because {own.nothing_because}", {}))
    return rows


def _row(step: Step[Any], action: str, summary: str, measures: dict[str, Any]) -> dict[str, Any]:
    return {
        "step": step.key,
        "phase": step.phase,
        "action": action,
        "summary": summary,
        "reversal": str(step.reversal),
        "measures": measures,
    }


def critical_path(graph: Graph, plan: MigrationPlan, phase: str = "") -> Duration:
    """How long the longest chain of steps takes (of one phase, or of all); seconds."""
    longest: dict[str, Duration] = {}
    for step in graph:
        own = plan.steps[step.key].duration if step.key in plan.steps else Duration()
        if phase and step.phase != phase:
            own = Duration()
        before = [longest[need] for need in graph.needs(step.key)]
        longest[step.key] = own + Duration(
            max((d.p50_s for d in before), default=0.0), max((d.p90_s for d in before), default=0.0)
        )
    return Duration(
        max((d.p50_s for d in longest.values()), default=0.0),
        max((d.p90_s for d in longest.values()), default=0.0),
    )


def cutover_need_s(graph: Graph, plan: MigrationPlan) -> float:
    """How long the cutover takes in nine of ten cases and, should it fail at its end, the way back.

    Source: deliverables.md, 1.2 (forward + verification + rollback must not exceed the window).
    """
    return 2 * critical_path(graph, plan, "cutover").p90_s


def window_fit(inventory: Inventory, needed_s: float) -> dict[str, Any]:
    """Whether the reserved window is long enough."""
    window = inventory.project.window
    length_s = (window.end - window.start).total_seconds()
    return {
        "start": window.start.isoformat(),
        "end": window.end.isoformat(),
        "needed_s": round(needed_s, 1),
        "fits": needed_s <= length_s,
    }


def rehearsal_document(
    inventory: Inventory,
    graph: Graph,
    run_id: str,
    plan: MigrationPlan,
    report: "RunReport",
    preconditions: Iterable[Finding],
) -> dict[str, Any]:
    whole = critical_path(graph, plan)
    return {
        "project": inventory.project.id,
        "run_id": run_id,
        "mode": "rehearsal",
        "digest": plan.digest if report.ok else "",
        "changes": plan_rows(graph, plan),
        "duration_s": {"p50": round(whole.p50_s, 1), "p90": round(whole.p90_s, 1)},
        "window": window_fit(inventory, cutover_need_s(graph, plan)),
        "preconditions": [
            {
                "kind": one.kind,
                "answer": str(one.answer),
                "evidence": one.evidence,
                "blocks": [] if one.holds else list(one.blocks),
            }
            for one in preconditions
        ],
        "errors": error_rows(report),
        "state": "Rehearsed" if report.ok else "Failed",
    }


def live_document(
    inventory: Inventory,
    run_id: str,
    digest: str,
    report: "RunReport",
    evidence: dict[str, str],
    error: MigrationError | None = None,
) -> dict[str, Any]:
    """`error` is one of the run itself, not of a step."""
    steps = [
        {
            "step": key,
            "phase": key.partition("/")[0],
            "state": str(outcome.state),
            "evidence": evidence.get(key, ""),
        }
        for key, outcome in report.outcomes.items()
    ]
    steps += [
        {"step": key, "phase": key.partition("/")[0], "state": "NotDone", "evidence": "", "waits_for": cause}
        for key, cause in report.blocked.items()
    ]
    return {
        "project": inventory.project.id,
        "run_id": run_id,
        "mode": "live",
        "digest": digest,
        "steps": steps,
        "errors": error_rows(report) + ([_error_row("", error)] if error else []),
        "state": "Completed" if report.ok and not error else "Failed",
    }


def error_rows(report: "RunReport") -> list[dict[str, str]]:
    return [_error_row(outcome.key, outcome.error) for outcome in report.failed if outcome.error]


def _error_row(key: str, error: MigrationError) -> dict[str, str]:
    # Drivers' texts may quote a connection string; from here they go to Prefect, files and terminals.
    return {"step": key, "class": class_of(error), "message": redact(str(error))}


def class_of(error: MigrationError) -> str:
    """The documented class of an error (docs/errors.md): rooms may have finer ones of their own."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == MigrationError.__module__)
