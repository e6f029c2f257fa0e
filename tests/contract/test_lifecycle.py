"""One suite over every step kind of the project; the cases are the CASES of each module in tests/worlds/."""

import importlib
import pkgutil
from typing import Any

import pytest

import tests.worlds
from core.access import Reader, Writer
from core.checks import Status, overall
from core.errors import Unreadable
from core.facts import unreadable_in
from core.plan import Plan
from core.step import ReadingStep, Step
from tests.contract.case import Case, World

CASES: list[Case] = [
    case
    for module in pkgutil.iter_modules(tests.worlds.__path__, "tests.worlds.")
    for case in getattr(importlib.import_module(module.name), "CASES", [])
]
MOST_WRITES = 400


class Crash(BaseException):
    """Stands for kill -9: nothing in the step may catch it."""


def writer_for(reader: Reader, journal: list[str], crash_before: int | None = None) -> Writer:
    def note(text: str) -> None:
        if crash_before is not None and len(journal) + 1 == crash_before:
            raise Crash
        journal.append(text)

    return Writer(reader, note)


def look_and_plan(step: Step[Any]) -> Plan:
    reader = Reader()
    try:
        facts = step.inspect(reader)
        assert not list(unreadable_in(facts)), facts
        return step.plan(facts)
    finally:
        reader.close()


def apply(step: Step[Any], crash_before: int | None = None) -> tuple[Plan, list[str]]:
    """As the runner does it: look, plan, write; gives the plan and the journal of writes."""
    plan = look_and_plan(step)
    journal: list[str] = []
    reader = Reader()
    writer = writer_for(reader, journal, crash_before)
    try:
        if not plan.is_empty:
            step.apply(plan, writer)
    finally:
        writer.close()
        reader.close()
    return plan, journal


def undo(step: Step[Any], plan: Plan) -> None:
    reader = Reader()
    writer = writer_for(reader, [])
    try:
        step.undo(plan, writer)
    finally:
        writer.close()
        reader.close()


def status(step: Step[Any]) -> Status:
    reader = Reader()
    try:
        return overall(step.verify(reader))
    finally:
        reader.close()


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def built(case: Case) -> Any:
    step, world = case.build()
    yield step, world
    world.close()


Built = tuple[Step[Any], World]


def test_looking_and_planning_write_nothing(built: Built) -> None:
    step, world = built
    before = world.snapshot()
    first, second = look_and_plan(step), look_and_plan(step)
    assert world.snapshot() == before
    assert first.to_json()["changes"] == second.to_json()["changes"]


def test_a_plan_survives_the_ledger(built: Built) -> None:
    plan = look_and_plan(built[0])
    revived = Plan.from_json(plan.to_json())
    assert revived.to_json() == plan.to_json()


def test_applied_then_nothing_is_left_and_it_verifies(built: Built) -> None:
    step, world = built
    plan, journal = apply(step)
    assert bool(journal) == bool(plan.changes), "a step that plans changes writes, and journals each write"
    left = look_and_plan(step)
    assert left.is_empty and left.nothing_because, left
    assert status(step) is Status.PASS
    settled = world.snapshot()
    assert apply(step)[1] == []
    assert world.snapshot() == settled


def test_a_crash_before_any_write_converges(case: Case) -> None:
    step, world = case.build()
    _, journal = apply(step)
    undisturbed = world.snapshot()
    world.close()
    assert len(journal) <= MOST_WRITES, "give the case a smaller world"
    for n in range(1, len(journal) + 1):
        step, world = case.build()
        try:
            with pytest.raises(Crash):
                apply(step, crash_before=n)
            apply(step)
            assert world.snapshot() == undisturbed, f"crash before write {n}: {journal[n - 1]}"
            assert look_and_plan(step).is_empty
            assert status(step) is Status.PASS
        finally:
            world.close()


def test_undo_restores(built: Built) -> None:
    step, world = built
    if step.reversal.kind != "reversible":
        assert step.reversal.how, "a step that cannot restore says why"
        return
    before = world.snapshot()
    plan, _ = apply(step)
    recorded = Plan.from_json(plan.to_json())
    undo(step, recorded)
    assert world.snapshot() == before
    undo(step, recorded)
    assert world.snapshot() == before, "undoing twice is safe"


def test_a_crash_while_applying_can_be_undone(case: Case) -> None:
    step, world = case.build()
    reversible = step.reversal.kind == "reversible"
    _, journal = apply(step)
    world.close()
    for n in range(1, len(journal) + 1) if reversible else ():
        step, world = case.build()
        try:
            before = world.snapshot()
            plan = look_and_plan(step)
            with pytest.raises(Crash):
                apply(step, crash_before=n)
            undo(step, Plan.from_json(plan.to_json()))
            assert world.snapshot() == before, f"undo after a crash before write {n}: {journal[n - 1]}"
        finally:
            world.close()


def test_what_cannot_be_read_is_never_taken_for_absent(built: Built) -> None:
    step, world = built
    world.make_unreadable()
    reader = Reader()
    try:
        facts = step.inspect(reader)
    except Unreadable:
        return
    finally:
        reader.close()
    assert list(unreadable_in(facts)), f"{step.key}: {facts}"


def test_verify_notices_damage(built: Built) -> None:
    step, world = built
    if not isinstance(step, ReadingStep):
        assert status(step) is not Status.PASS, "verify must fail where nothing was applied"
    apply(step)
    world.disturb()
    assert status(step) is not Status.PASS
