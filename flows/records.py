"""The runner's recorder: guards before a step is looked at, and the ledger's side of carrying it."""

from dataclasses import dataclass, field
from typing import Any

from core.access import Progress
from core.plan import MigrationPlan, Plan
from core.step import Step, StepState
from flows.guards import Guard
from flows.progress import ProgressArtifact
from ledger.book import Ledger
from tasks.verbs import Outcome


@dataclass
class LedgerRecorder:
    """Hears what happens to the steps of one run and writes it down.

    `guards` are asked before a step is looked at, `write_guards` before it writes.
    """

    ledger: Ledger
    run_id: str
    guards: tuple[Guard, ...]
    plan: MigrationPlan | None = None
    digest: str = ""
    begun_before: frozenset[str] = frozenset()
    write_guards: tuple[Guard, ...] = ()
    evidence: dict[str, str] = field(default_factory=dict)
    _begun_now: set[str] = field(default_factory=set)

    def guard(self, step: Step[Any]) -> None:
        for guard in self.guards:
            guard(step)

    def guard_write(self, step: Step[Any]) -> None:
        for guard in self.write_guards:
            guard(step)

    def approved(self, key: str) -> tuple[Plan, bool] | None:
        if self.plan is None or key not in self.plan.steps:
            return None
        # Also in this run: a step tried again after a passing error has less left to do.
        return self.plan.steps[key], key in self.begun_before or key in self._begun_now

    def begun(self, key: str, plan: Plan) -> None:
        self.ledger.step_begun(self.run_id, key, plan.to_json(), self.digest)
        self._begun_now.add(key)

    def ended(self, outcome: Outcome) -> None:
        nothing_done = outcome.state in (StepState.UNCHANGED, StepState.REHEARSED)
        digest = self.ledger.store_evidence(outcome.evidence(), durable=not nothing_done)
        self.ledger.step_ended(
            self.run_id,
            outcome.key,
            state=outcome.state,
            started_at=outcome.started_at,
            ended_at=outcome.ended_at or outcome.started_at,
            evidence=digest,
            error=str(outcome.error) if outcome.error else "",
        )
        self.evidence[outcome.key] = digest

    def progress(self, key: str) -> Progress:
        return ProgressArtifact(key)

    def undoing(self, key: str) -> list[Plan]:
        self.ledger.undo_begun(self.run_id, key)
        return [Plan.from_json(plan) for plan in self.ledger.applied_plans(key)]
