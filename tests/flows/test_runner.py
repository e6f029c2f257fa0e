"""The one loop: what runs, what is blocked, what is recorded, and that a rehearsal has no Writer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import Refused
from core.graph import Graph
from core.plan import MigrationPlan
from core.step import Step
from flows.records import LedgerRecorder
from flows.runner import RunReport, execute_graph, plan_graph, rehearse_graph, undo_graph
from ledger.book import Ledger
from tasks.run import StepState
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
