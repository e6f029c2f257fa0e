"""The steps of a database that is followed, and carrying them as the runner does."""

from collections.abc import Iterable
from typing import Any

from core.access import Reader, Writer
from core.checks import Check, Status, overall
from core.plan import Plan
from core.step import Step
from flows.databases import ALL_BUT_TRIGGERS, TRIGGERS
from tasks.databases.steps import (
    CompareDirty,
    CompareFollowed,
    CopyAccounts,
    CopyData,
    CreateObjects,
    CreateSchema,
    DrainChanges,
    EndReplication,
    FollowSource,
    FreezeSource,
    GetReady,
    Move,
    MoveEvents,
    PrepareReturn,
    Replicate,
    ReverseStream,
)


def before(move: Move) -> dict[str, Step[Any]]:
    """Phase databases."""
    replication = {"replication": Replicate(key="databases/shop/replication", move=move)}
    return {
        "schema": CreateSchema(key="databases/shop/schema", move=move),
        "data": CopyData(key="databases/shop/data", move=move, one_moment=True),
        "objects": CreateObjects(key="databases/shop/objects", move=move, without=TRIGGERS),
        "accounts": CopyAccounts(key="databases/shop/accounts", move=move),
        "comparison": CompareFollowed(key="databases/shop/comparison", move=move, without=TRIGGERS),
        **(replication if move.replicate_from else {}),
        "follow": FollowSource(key="databases/shop/follow", move=move),
    }


def over(move: Move) -> dict[str, Step[Any]]:
    """Phase cutover up to the switch."""
    ended = {"ended": EndReplication(key="cutover/shop/replication", move=move)}
    return {
        "readiness": GetReady(key="cutover/shop/readiness", move=move, most_s=20.0),
        "freeze": FreezeSource(key="cutover/shop/freeze", move=move, followed=(move,), wait_s=3),
        "drain": DrainChanges(key="cutover/shop/drain", move=move),
        **(ended if move.replicate_from else {}),
        "dirty": CompareDirty(key="cutover/shop/comparison", move=move, without=TRIGGERS),
        "triggers": CreateObjects(key="cutover/shop/triggers", move=move, without=ALL_BUT_TRIGGERS),
        "return": PrepareReturn(key="cutover/shop/return", move=move),
    }


def after(move: Move) -> dict[str, Step[Any]]:
    """Phase cutover after the switch."""
    return {
        "reverse": ReverseStream(key="cutover/shop/reverse", move=move, wait_s=3),
        "events": MoveEvents(key="cutover/shop/events", move=move),
    }


def planned(step: Step[Any]) -> Plan:
    reader = Reader()
    try:
        return step.plan(step.inspect(reader))
    finally:
        reader.close()


def checked(step: Step[Any]) -> tuple[Check, ...]:
    reader = Reader()
    try:
        return step.verify(reader)
    finally:
        reader.close()


def carried(steps: Iterable[Step[Any]]) -> dict[str, Plan]:
    """Each planned, applied and proved; gives the plans by key."""
    plans = {}
    for step in steps:
        plan = plans[step.key] = planned(step)
        if not plan.is_empty:
            written(lambda writer, step=step, plan=plan: step.apply(plan, writer))
        checks = checked(step)
        bad = [check for check in checks if check.status is not Status.PASS]
        assert overall(checks) is Status.PASS, (step.key, bad)
    return plans


def taken_back(steps: Iterable[Step[Any]], plans: dict[str, Plan]) -> None:
    """Undone in reverse order, by the plans as a ledger keeps them."""
    for step in reversed(list(steps)):
        if not (plan := plans[step.key]).is_empty:
            recorded = Plan.from_json(plan.to_json())
            written(lambda writer, step=step, plan=recorded: step.undo(plan, writer))


def written(work: Any) -> list[str]:
    """Run with a Writer; gives the journal."""
    journal: list[str] = []
    reader = Reader()
    writer = Writer(reader, journal.append)
    try:
        work(writer)
    finally:
        writer.close()
        reader.close()
    return journal
