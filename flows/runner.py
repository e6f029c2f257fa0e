"""The only inspect-plan-apply-verify loop: carries a graph of steps, independent branches at once."""

import queue
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from prefect import State
from prefect.futures import PrefectFuture

from core.access import Pool
from core.errors import MigrationError, UndoFailed
from core.graph import Frontier, Graph
from core.plan import MigrationPlan
from core.secret import redact
from core.step import StepState
from tasks.run import run_step
from tasks.verbs import Outcome, Recorder, StepRun, carried, confirm, execute, rehearse, settled, undo

WORKERS = 6
"""Steps carried at once: enough to overlap waiting on hosts, few enough for a customer's servers."""

Carry = Callable[[StepRun, Outcome], None]


@dataclass
class RunReport:
    """What a run did and did not do."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes.values() if not outcome.state.good]

    @property
    def ok(self) -> bool:
        return not self.failed and not self.blocked

    @property
    def plan(self) -> MigrationPlan:
        return MigrationPlan({key: o.plan for key, o in self.outcomes.items() if o.plan is not None})

    @property
    def worst_error(self) -> MigrationError | None:
        """What decides how the run ended: what could not be taken back, then failures, then refusals."""
        errors = [outcome.error for outcome in self.failed if outcome.error]
        return min(errors, key=lambda e: (not isinstance(e, UndoFailed), e.exit_status), default=None)


class _Collector:
    """Forwards to the runner's recorder and keeps the outcomes of this run."""

    def __init__(self, recorder: Recorder, report: RunReport) -> None:
        self._recorder = recorder
        self._report = report

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recorder, name)

    def ended(self, outcome: Outcome) -> None:
        # Recorded first: what the ledger did not take did not succeed.
        self._recorder.ended(outcome)
        self._report.outcomes[outcome.key] = outcome


def carry_graph(
    graph: Graph, carry_of: Callable[[str], Carry], recorder: Recorder, *, stops: bool = True
) -> RunReport:
    """Carry every step once all it needs is good; a failed one stops only what needs it (`stops`).

    Must be called inside a Prefect flow: every step is one task run of it.
    """
    report = RunReport()
    collector: Any = _Collector(recorder, report)
    pool, frontier = Pool(), Frontier(graph)
    ended: queue.SimpleQueue[tuple[str, PrefectFuture[State[None]]]] = queue.SimpleQueue()

    def tell(key: str) -> Callable[[PrefectFuture[State[None]]], None]:
        return lambda future: ended.put((key, future))

    waiting: list[str] = []
    running = 0
    try:
        while True:
            waiting.extend(frontier.take())
            # Submitting a bounded number keeps a graph of thousands of steps from flooding Prefect.
            while waiting and running < WORKERS:
                key = waiting.pop(0)
                future = run_step.submit(key, StepRun(graph.steps[key], pool, collector, carry_of(key)))
                future.add_done_callback(tell(key))
                running += 1
            if not running:
                break
            key, future = ended.get()
            running -= 1
            outcome = report.outcomes.get(key)
            if outcome is None:
                outcome = report.outcomes[key] = _lost(key, future)
            if outcome.state.good or not stops:
                frontier.succeeded(key)
            else:
                frontier.failed(key)
    finally:
        # Interrupted: what is in flight still writes, and the next run must not start beside it.
        for _ in range(running):
            ended.get()
        pool.close()
    report.blocked = dict(frontier.blocked)
    report.outcomes = {key: report.outcomes[key] for key in graph.order if key in report.outcomes}
    return report


def rehearse_graph(graph: Graph, recorder: Recorder, over: Collection[str] = ()) -> RunReport:
    """Look at everything and plan it; what cannot be planned hides nothing of the rest."""
    return carry_graph(graph, lambda key: settled if key in over else rehearse, recorder, stops=False)


def execute_graph(
    graph: Graph, wanted: Collection[str], recorder: Recorder, over: Collection[str] = ()
) -> RunReport:
    """Apply the wanted steps; what they build on and is not wanted must hold already.

    Steps in `over` are settled: they did their work before the switch and are left alone.
    """

    def carry_of(key: str) -> Carry:
        if key in over:
            return settled
        return execute if key in wanted else confirm

    return carry_graph(graph, carry_of, recorder)


def plan_graph(graph: Graph, recorder: Recorder, over: Collection[str] = ()) -> RunReport:
    """Look at everything and plan it, without Prefect and without a Writer: the check before a live run."""
    pool = Pool()
    try:
        with ThreadPoolExecutor(WORKERS) as threads:
            outcomes = threads.map(
                lambda step: carried(
                    StepRun(step, pool, recorder, settled if step.key in over else rehearse)
                ),
                list(graph),
            )
            return RunReport({outcome.key: outcome for outcome in outcomes})
    finally:
        pool.close()


def undo_graph(graph: Graph, keys: Collection[str], recorder: Recorder, *, stops: bool = True) -> RunReport:
    """Undo these steps, each after all that needs it; one that fails keeps what it built on (`stops`)."""
    return carry_graph(graph.backwards(keys), lambda key: undo, recorder, stops=stops)


def _lost(key: str, future: PrefectFuture[State[None]]) -> Outcome:
    """A step whose end was not recorded; where the ledger refused it, that is the reason."""
    future.wait()  # it has ended; only now does it know its last state
    state = future.state
    reason = future.result(raise_on_failure=False)
    if isinstance(reason, MigrationError):
        return Outcome(key, StepState.FAILED, error=reason)
    error = MigrationError(
        f"{key}: its task ended without a report ({redact(state.message or state.name or '')})",
        why="What it did is unknown; the next run looks at the world again and does what is left.",
        next_command="qianyun status",
    )
    return Outcome(key, StepState.FAILED, error=error)
