"""The one loop: what runs, what is blocked, what is recorded, and that a rehearsal has no Writer."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import flows.runner
from core.errors import ApplyFailed, Refused, Unreadable
from core.graph import Graph
from core.plan import MigrationPlan
from core.step import Step, StepState
from flows.records import LedgerRecorder
from flows.runner import RunReport, execute_graph, plan_graph, rehearse_graph, undo_graph
from ledger.book import Ledger
from tests.worlds.toy import SetValues, Store, StoreEndpoint


class Project:
    """A ledger and a store, with the runner's functions called inside a flow as in a real run."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.store = Store({"a": 0, "old": 7})
        self.endpoint = StoreEndpoint(self.store)
        self.guards: list[Callable[[Step[Any]], None]] = []

    def step(self, name: str, *needs: str, value: int = 1, phase: str = "toy") -> SetValues:
        needs = tuple(f"{phase}/{need}" for need in needs)
        return SetValues(key=f"{phase}/{name}", needs=needs, wanted={name: value}, endpoint=self.endpoint)

    def run(
        self, carry: Callable[[LedgerRecorder], RunReport], plan: MigrationPlan | None = None
    ) -> RunReport:
        from prefect import flow

        @flow(name="test", persist_result=False)
        def inside() -> None:
            with Ledger.open(self.home, None, "test") as ledger:
                digest = plan.digest if plan else ""
                run_id = ledger.start_run("live" if plan else "rehearsal", requested_by="a@example.com")
                recorder = LedgerRecorder(
                    ledger, run_id, tuple(self.guards), plan, digest, ledger.begun_under(digest)
                )
                reports.append(carry(recorder))
                ledger.end_run(run_id, "Completed")

        reports: list[RunReport] = []
        inside()
        return reports[0]

    def rehearse(self, graph: Graph) -> RunReport:
        return self.run(lambda recorder: rehearse_graph(graph, recorder))

    def execute(self, graph: Graph, plan: MigrationPlan) -> RunReport:
        return self.run(lambda recorder: execute_graph(graph, set(graph.steps), recorder), plan)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def states(report: RunReport) -> dict[str, str]:
    return {key.partition("/")[2]: str(outcome.state) for key, outcome in report.outcomes.items()}


def test_a_rehearsal_writes_nothing_and_never_opens_a_writer(project: Project) -> None:
    report = project.rehearse(Graph([project.step("a"), project.step("old", "a", value=7)]))
    assert states(report) == {"a": "Rehearsed", "old": "Unchanged"}
    assert project.store.values == {"a": 0, "old": 7} and project.store.writers_opened == 0


def test_applied_then_run_again_does_nothing(project: Project) -> None:
    graph = Graph([project.step("a"), project.step("b", "a")])
    plan = project.rehearse(graph).plan
    assert states(project.execute(graph, plan)) == {"a": "Applied", "b": "Applied"}
    writers = project.store.writers_opened
    assert states(project.execute(graph, plan)) == {"a": "Unchanged", "b": "Unchanged"}
    assert project.store.writers_opened == writers and project.store.values["b"] == 1


def test_a_failed_step_stops_only_what_needs_it(project: Project) -> None:
    graph = Graph([project.step("a"), project.step("b", "a"), project.step("c", "b"), project.step("d")])
    plan = project.rehearse(graph).plan
    project.store.fail_on = {"a"}
    report = project.execute(graph, plan)
    assert states(report) == {"a": "Failed", "d": "Applied"}
    assert report.blocked == {"toy/b": "toy/a", "toy/c": "toy/a"} and not report.ok
    project.store.fail_on = set()
    assert states(project.execute(graph, plan)) == {
        "a": "Applied",
        "b": "Applied",
        "c": "Applied",
        "d": "Unchanged",
    }


def test_what_moved_since_the_approval_is_not_touched(project: Project) -> None:
    graph = Graph([project.step("a"), project.step("b")])
    plan = project.rehearse(graph).plan
    project.store.values["a"] = 5
    report = project.execute(graph, plan)
    assert states(report) == {"a": "Refused", "b": "Applied"}
    assert type(report.outcomes["toy/a"].error).__name__ == "StalePlan"
    assert project.store.values["a"] == 5


def test_a_step_outside_the_plan_is_refused(project: Project) -> None:
    plan = project.rehearse(Graph([project.step("a")])).plan
    report = project.execute(Graph([project.step("a"), project.step("b")]), plan)
    assert states(report) == {"a": "Applied", "b": "Refused"} and "b" not in project.store.values


def test_a_guard_refuses_before_the_world_is_looked_at(project: Project) -> None:
    def guard(step: Step[Any]) -> None:
        raise Refused("not on the list")

    project.guards.append(guard)
    project.store.readable = False
    report = project.rehearse(Graph([project.step("a")]))
    assert states(report) == {"a": "Refused"} and "not on the list" in str(report.outcomes["toy/a"].error)


def test_unreadable_refuses(project: Project) -> None:
    project.store.readable = False
    report = project.rehearse(Graph([project.step("a")]))
    assert states(report) == {"a": "Refused"} and "connection refused" in str(report.outcomes["toy/a"].error)


def test_the_way_back_restores_in_reverse_order(project: Project) -> None:
    graph = Graph([project.step("a"), project.step("b", "a"), project.step("old", "b", value=8)])
    project.execute(graph, project.rehearse(graph).plan)
    order: list[str] = []
    report = project.run(lambda recorder: undo_graph(graph, set(graph.steps), recorder))
    order = list(report.outcomes)
    assert order == ["toy/old", "toy/b", "toy/a"]
    assert set(states(report).values()) == {"Undone"} and project.store.values == {"a": 0, "old": 7}


def test_what_a_part_builds_on_must_hold_already(project: Project) -> None:
    graph = Graph([project.step("a"), project.step("b", "a")])
    plan = project.rehearse(graph).plan
    report = project.run(lambda recorder: execute_graph(graph, {"toy/b"}, recorder), plan)
    assert states(report) == {"a": "Refused"} and report.blocked == {"toy/b": "toy/a"}
    assert project.store.values["a"] == 0


def test_planning_without_prefect_gives_the_same_plan(project: Project) -> None:
    graph = Graph([project.step("a"), project.step("b", "a")])
    rehearsed = project.rehearse(graph).plan
    with Ledger.open(project.home, None, "test") as ledger:
        planned = plan_graph(graph, LedgerRecorder(ledger, "", ())).plan
    assert planned.digest == rehearsed.digest


def test_every_step_has_evidence_in_the_ledger(project: Project) -> None:
    graph = Graph([project.step("a")])
    project.execute(graph, project.rehearse(graph).plan)
    with Ledger.open(project.home, None, "test") as ledger:
        assert ledger.verify().ok
        step = ledger.steps(ledger.runs()[-1].run_id)[0]
        proof = ledger.read_evidence(step.evidence)
    assert step.state == StepState.APPLIED and proof["writes"][0].endswith("put a")
    assert proof["checks"][0]["status"] == "PASS"


def test_a_step_that_the_ledger_did_not_take_says_why(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise ApplyFailed("the ledger cannot be written: disk full")

    graph = Graph([project.step("a"), project.step("b", "a")])
    plan = project.rehearse(graph).plan
    monkeypatch.setattr(Ledger, "step_ended", full)
    report = project.execute(graph, plan)
    assert "disk full" in str(report.outcomes["toy/a"].error) and report.blocked == {"toy/b": "toy/a"}


def test_an_interrupted_run_waits_for_what_still_writes(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = threading.Event()

    def slow() -> None:
        started.set()
        time.sleep(0.5)
        project.store.values["finished"] = 1

    class Interrupted(queue.SimpleQueue[Any]):
        asked = 0

        def get(self, *rest: Any) -> Any:
            self.asked += 1
            if self.asked == 1:
                started.wait()
                raise KeyboardInterrupt
            return super().get(*rest)

    step = replace(project.step("a"), after_write=slow)
    plan = project.rehearse(Graph([step])).plan
    monkeypatch.setattr(flows.runner, "queue", SimpleNamespace(SimpleQueue=Interrupted))
    with pytest.raises(KeyboardInterrupt):
        project.execute(Graph([step]), plan)
    with Ledger.open(project.home, None, "test") as ledger:
        assert project.store.values["finished"] and ledger.latest_states("live") == {"toy/a": "Applied"}


def test_what_was_written_before_a_look_failed_is_no_refusal(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object) -> None:
        raise Unreadable("memory: connection reset")

    graph = Graph([project.step("a")])
    plan = project.rehearse(graph).plan
    monkeypatch.setattr(SetValues, "verify", cut_off)
    report = project.execute(graph, plan)
    assert states(report) == {"a": "Failed"} and project.store.values["a"] == 1
