"""What forbids a step to be looked at (scope) or to write: preconditions, the window, the gate, a thaw."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from core.access import Reader
from core.checks import Status
from core.errors import Refused
from core.graph import Graph
from core.step import Step
from inventory.model import Inventory
from inventory.preconditions import Finding, blocking, evaluate
from ledger.gate_state import OPEN_TO_DELIVERY
from ledger.reading import LedgerReader

Guard: TypeAlias = Callable[[Step[Any]], None]


def scope_guard(inventory: Inventory) -> Guard:
    """Refuses every step whose item is not on the migration list as in scope."""

    def guard(step: Step[Any]) -> None:
        if step.item:
            inventory.require_in_scope(step.item)

    return guard


def preconditions_of(inventory: Inventory) -> tuple[Finding, ...]:
    """The agreement's preconditions as they stand today, where the customer is.

    In UTC, evidence of this morning would lie in the future.
    """
    zone = ZoneInfo(inventory.project.window.timezone)
    return evaluate(inventory, datetime.now(zone).date())


def precondition_guard(inventory: Inventory) -> Guard:
    """Refuses to write in phases whose preconditions are not met; asked once, at the start of a run."""
    findings = preconditions_of(inventory)
    unmet: dict[str, str] = {}

    def reasons(phase: str) -> str:
        return "; ".join(f"{one.kind} is {one.answer} ({one.evidence})" for one in blocking(findings, phase))

    def guard(step: Step[Any]) -> None:
        reason = unmet.setdefault(step.phase, reasons(step.phase))
        if reason:
            raise Refused(
                f"{step.key}: {reason}",
                why="The agreement asks for it before this work begins.",
                next_command=f"qianyun check {inventory.folder}",
            )

    return guard


def window_guard(inventory: Inventory, needed_s: float) -> Guard:
    """Refuses to write for the cutover outside its reserved window, or where that is too short for it.

    Asked at each step: a window may close while a long run is under way. Looking is always allowed: what
    was cut over must be found done by the acceptance, days after the window. `needed_s` is the time the
    cutover takes with its way back.
    """
    window = inventory.project.window
    reserved = f"the reserved window is {window.start.isoformat()} to {window.end.isoformat()}"

    def guard(step: Step[Any]) -> None:
        if step.phase != "cutover":
            return
        now = datetime.now(UTC)
        if not window.start <= now < window.end:
            reason = f"{reserved}, now is {now.isoformat(timespec='minutes')}"
        elif needed_s > (window.end - window.start).total_seconds():
            reason = f"{reserved}; cutover with its way back needs {needed_s:.0f} s"
        else:
            return
        raise Refused(
            f"{step.key}: {reason}",
            why="Users were told of this window; outside of it nothing of theirs may stand still.",
            next_command=f"qianyun status {inventory.folder}",
        )

    return guard


def gate_guard(inventory: Inventory, ledger: LedgerReader) -> Guard:
    """Refuses new deliverables while the customer answers to those sent, and after the answer."""

    def guard(step: Step[Any]) -> None:
        if step.phase != "acceptance":
            return
        gate = ledger.gate_status()
        if gate.state not in OPEN_TO_DELIVERY:
            raise Refused(
                f"{step.key}: the gate is {gate.state} since {gate.at_utc}, round {gate.round}",
                why="Other documents in the middle of it would leave open what the customer answers to.",
                next_command=f"qianyun gate {inventory.folder}",
            )

    return guard


_HOLDING = ("/freeze", "/drain")
"""What must hold at the very moment of the switch, and may have ended since it was proved."""


def switch_guard(graph: Graph, is_switch: Callable[[str], bool]) -> Guard:
    """Refuses to send users to the new side once what their switch rests on does not hold any more.

    A server that restarts has forgotten that it is read-only, and takes writes that nobody brings over.
    """

    def guard(step: Step[Any]) -> None:
        if is_switch(step.key):
            rests_on = graph.ancestors([step.key])
            refuse_unless_still_ready(graph.steps[key] for key in graph.order if key in rests_on)

    return guard


def refuse_unless_still_ready(steps: Iterable[Step[Any]]) -> None:
    """Proves once more, just before a switch, what came before it under the freeze.

    Raises: errors.Refused
    """
    reader = Reader()
    try:
        for step in steps:
            if not step.key.endswith(_HOLDING):
                continue
            for check in step.verify(reader):
                if check.status is not Status.PASS:
                    raise Refused(
                        f"{step.key} does not hold any more: {check.name}: planned {check.planned},"
                        f" actual {check.actual}",
                        why="A server that restarts forgets that it was read-only, and what was written there"
                        " since would be lost.",
                        next_command="qianyun cutover  # again; keep the source from restarting meanwhile",
                    )
    finally:
        reader.close()
