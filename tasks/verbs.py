"""How a step is carried through its verbs: rehearsed, executed, confirmed, undone.

Never sees the ledger: it reports to a Recorder, and only the runner behind that claims success.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from core.access import Pool, Progress, Reader, Writer
from core.checks import Check, Status, overall
from core.errors import (
    ApplyFailed,
    MigrationError,
    Refused,
    StalePlan,
    UndoFailed,
    Unreadable,
    VerifyFailed,
)
from core.facts import to_json, unreadable_in
from core.plan import Plan, step_drift
from core.secret import redact
from core.step import Step, StepState


@dataclass
class Outcome:
    """All that is known of one step after it was carried."""

    key: str
    state: StepState = StepState.FAILED
    plan: Plan | None = None
    facts: Any = None
    writes: list[str] = field(default_factory=list)
    checks: tuple[Check, ...] = ()
    error: MigrationError | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None

    def evidence(self) -> dict[str, Any]:
        """What is stored as proof: what was found, planned, written and checked."""
        return {
            "step": self.key,
            "state": str(self.state),
            "facts": to_json(self.facts),
            "plan": self.plan.to_json() if self.plan else None,
            "writes": self.writes,
            "checks": [
                {"name": c.name, "status": str(c.status), "planned": c.planned, "actual": c.actual}
                for c in self.checks
            ],
            "error": redact(str(self.error)) if self.error else "",
        }


class Recorder(Protocol):
    """What the runner wants to hear while a step is carried."""

    def guard(self, step: Step[Any]) -> None:
        """Raise errors.Refused where the step must not even be looked at."""

    def guard_write(self, step: Step[Any]) -> None:
        """Raise errors.Refused where the step may be looked at but must not write now."""

    def approved(self, key: str) -> tuple[Plan, bool] | None:
        """The approved plan of this step and whether it was begun under it; None: not approved."""

    def begun(self, key: str, plan: Plan) -> None:
        """Durably recorded before the first write."""

    def ended(self, outcome: Outcome) -> None: ...

    def progress(self, key: str) -> Progress: ...

    def undoing(self, key: str) -> list[Plan]:
        """The plans applied and not yet undone, oldest first."""


class StepRun:
    """One step with what carrying it needs; opaque, so that Prefect does not search it for futures."""

    __slots__ = ("carry", "pool", "recorder", "step")

    def __init__(
        self, step: Step[Any], pool: Pool, recorder: Recorder, carry: "Callable[[StepRun, Outcome], None]"
    ) -> None:
        self.step = step
        self.pool = pool
        self.recorder = recorder
        self.carry = carry


def rehearse(run: StepRun, outcome: Outcome) -> None:
    """Look and plan; no Writer exists here."""
    _look_and_plan(run, outcome)
    assert outcome.plan is not None
    outcome.state = StepState.UNCHANGED if outcome.plan.is_empty else StepState.REHEARSED


def confirm(run: StepRun, outcome: Outcome) -> None:
    """Require that the step holds already: used for what a part of the project builds on.

    Proved like any other: a test that only reads has an empty plan whether it passes or not.
    """
    _look_and_plan(run, outcome)
    assert outcome.plan is not None
    if not outcome.plan.is_empty:
        changes = "; ".join(change.summary for change in outcome.plan.changes[:3])
        raise Refused(
            f"{run.step.key} is not done yet ({changes})",
            why="What you asked for builds on it, and it is not part of this run.",
            next_command=f"qianyun migrate --phase {run.step.phase} --plan DIGEST",
        )
    _prove(run, outcome)
    outcome.state = StepState.UNCHANGED


def settled(run: StepRun, outcome: Outcome) -> None:
    """Not looked at any more: since the switch the target is the production, and what users write there
    must be neither compared with the old side nor overwritten from it."""
    run.recorder.guard(run.step)
    outcome.plan = Plan(nothing_because="users are on the new side since the switch")
    outcome.state = StepState.UNCHANGED


def execute(run: StepRun, outcome: Outcome) -> None:
    """Look, plan, compare with the approved plan, write, and prove it."""
    _look_and_plan(run, outcome)
    plan = outcome.plan
    assert plan is not None
    _require_approved(run, plan)
    if not plan.is_empty:
        run.recorder.guard_write(run.step)
        run.recorder.begun(run.step.key, plan)
        _apply(run, plan, outcome)
    _prove(run, outcome)
    outcome.state = StepState.UNCHANGED if plan.is_empty else StepState.APPLIED


def undo(run: StepRun, outcome: Outcome) -> None:
    """Take back what was applied and not undone yet, the last first."""
    run.recorder.guard(run.step)
    with _writer(run, outcome) as writer:
        for plan in reversed(run.recorder.undoing(run.step.key)):
            outcome.plan = plan
            try:
                run.step.undo(plan, writer)
            except UndoFailed:
                raise
            except Exception as error:
                raise _undo_failed(run.step.key, error, outcome) from error
    outcome.state = StepState.UNDONE


def _undo_failed(key: str, error: Exception, outcome: Outcome) -> UndoFailed:
    said = error.detail if isinstance(error, MigrationError) else redact(repr(error))
    return UndoFailed(
        f"{key}: {said}; last write begun: {_last_write(outcome)}",
        why="What it had changed may still stand. Taking back is safe to repeat.",
        next_command=f"qianyun rollback --phase {key.partition('/')[0]}",
        transient=isinstance(error, MigrationError) and error.transient,
    )


def _look_and_plan(run: StepRun, outcome: Outcome) -> None:
    run.recorder.guard(run.step)
    with _reader(run) as reader:
        outcome.facts = run.step.inspect(reader)
    for path, unreadable in unreadable_in(outcome.facts):
        raise Unreadable(
            f"{run.step.key}: {path or 'facts'}: {unreadable.reason}",
            why="What cannot be read is never taken for absent: nothing was planned or touched.",
            next_command="qianyun rehearse",
            transient=unreadable.transient,
        )
    outcome.plan = run.step.plan(outcome.facts)


def _require_approved(run: StepRun, plan: Plan) -> None:
    approval = run.recorder.approved(run.step.key)
    if approval is None:
        raise StalePlan(
            f"{run.step.key} is not part of the approved plan",
            why="Only what was approved is carried out.",
            next_command="qianyun rehearse",
        )
    differences = list(step_drift(approval[0], plan, begun=approval[1]))
    if differences:
        raise StalePlan(
            f"{run.step.key}: " + "; ".join(differences),
            why="The world moved since the approval; this step was not touched.",
            next_command="qianyun rehearse",
        )


def _apply(run: StepRun, plan: Plan, outcome: Outcome) -> None:
    with _writer(run, outcome) as writer:
        try:
            run.step.apply(plan, writer)
        except MigrationError:
            raise
        except Exception as error:
            raise ApplyFailed(
                f"{run.step.key}: {redact(repr(error))}; last write begun: {_last_write(outcome)}",
                why="The run is safe to repeat: it looks again and does only what is left.",
                next_command="qianyun migrate --plan DIGEST",
            ) from error


def _last_write(outcome: Outcome) -> str:
    return outcome.writes[-1] if outcome.writes else "nothing"


def _prove(run: StepRun, outcome: Outcome) -> None:
    with _reader(run) as reader:
        outcome.checks = run.step.verify(reader)
    if overall(outcome.checks) is not Status.PASS:
        raise VerifyFailed(
            f"{run.step.key}: {_failures(outcome.checks)}",
            why="What depends on it was not started.",
            next_command="qianyun status",
        )


def _failures(checks: tuple[Check, ...]) -> str:
    if not checks:
        return "no check was made"
    bad = [c for c in checks if c.status is not Status.PASS]
    return "; ".join(f"{c.name} {c.status}: planned {c.planned}, actual {c.actual}" for c in bad[:5])


class _reader:
    """A Reader whose connections go back to the pool only if nothing went wrong."""

    def __init__(self, run: StepRun) -> None:
        self._reader = Reader(run.pool)

    def __enter__(self) -> Reader:
        return self._reader

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._reader.close(healthy=kind is None)


class _writer:
    """A Writer whose every write is noted, with its time, before it happens."""

    def __init__(self, run: StepRun, outcome: Outcome) -> None:
        def journal(text: str) -> None:
            outcome.writes.append(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {redact(text)}")

        self._reader = Reader(run.pool)
        self._writer = Writer(self._reader, journal, run.recorder.progress(run.step.key))

    def __enter__(self) -> Writer:
        return self._writer

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._writer.close()
        self._reader.close(healthy=kind is None)


def carried(run: StepRun) -> Outcome:
    """Carry one step; every error ends in the outcome, none is lost and none is a success."""
    outcome = Outcome(run.step.key)
    try:
        run.carry(run, outcome)
    except MigrationError as error:
        outcome.error = error
        # Refused promises that nothing was touched.
        untouched = isinstance(error, (Refused, Unreadable)) and not outcome.writes
        outcome.state = StepState.REFUSED if untouched else StepState.FAILED
    except Exception as error:  # noqa: BLE001 - recorded as a failure with its trace, never passed over
        trace = redact("".join(traceback.format_exception(error)[-3:]))
        outcome.error = MigrationError(
            f"{run.step.key}: {redact(repr(error))}",
            why=f"This was not foreseen; please report it:\n{trace}",
        )
    outcome.ended_at = datetime.now(UTC)
    return outcome
