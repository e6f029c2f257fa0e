"""The Prefect task that carries one step through its verbs; its state's name says what happened."""

from typing import Any

from prefect import State, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.runtime import task_run
from prefect.states import Completed, Failed
from prefect.tasks import Task

from core.secret import redact
from tasks.verbs import Outcome, StepRun, carried

MOST_RETRIES = 2
_TRANSIENT = "Transient"


def _is_transient(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    return state.name == _TRANSIENT


@task(
    cache_policy=NO_CACHE,
    retries=MOST_RETRIES,
    retry_delay_seconds=[1, 5],
    retry_condition_fn=_is_transient,
    task_run_name="{key}",
    persist_result=False,
)
def run_step(key: str, run: StepRun) -> State[None]:
    """Carry the step `key`; the state's name says what happened to it."""
    outcome = carried(run)
    error = outcome.error
    if error is not None and error.transient and (task_run.run_count or 1) <= MOST_RETRIES:
        return Failed(name=_TRANSIENT, message=redact(str(error)))
    run.recorder.ended(outcome)
    if error is not None:
        return Failed(name=str(outcome.state), message=redact(str(error)))
    return Completed(name=str(outcome.state), message=_said(outcome))


def _said(outcome: Outcome) -> str:
    if outcome.plan is None or outcome.plan.is_empty:
        return outcome.plan.nothing_because if outcome.plan else ""
    return "; ".join(change.summary for change in outcome.plan.changes[:5])
