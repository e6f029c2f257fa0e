"""Phase 9, cutover: freeze, bring over what changed, prove equality, switch the names, confirm.

Anything that fails before the switch takes back what this phase did: the source's writes open again.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from core.graph import Graph
from core.step import Step
from flows.cutover_checks import confirm
from flows.cutover_databases import freeze_and_refresh
from flows.cutover_files import final_sync
from inventory.model import Inventory
from tasks.aws import switch_records


def cutover(inventory: Inventory) -> list[Step[Any]]:
    databases = freeze_and_refresh(inventory)
    freezes = _keys(databases, "/freeze")
    files = [_needing(step, freezes) for step in final_sync(inventory)]
    proven = (*_keys(databases, "/comparison"), *(step.key for step in files))
    switches = [_needing(step, proven) for step in switch_records(inventory)]
    switched = tuple(step.key for step in switches) or proven
    return [*databases, *files, *switches, *(_needing(step, switched) for step in confirm(inventory))]


def is_switch(key: str) -> bool:
    """Whether this step sends users to the new side: before it, a failure takes the cutover back."""
    return key.startswith("cutover/dns/")


MOVED = ("applications", "databases", "files", "testing", "cutover")
"""Phases whose work is over once users are on the new side."""


def settled_keys(graph: Graph, proved: Collection[str], made: Collection[str]) -> set[str]:
    """What must not be touched again since users are on the new side: all that their switch rests on.

    They are there once every switch is `made`; where the project has none, once the whole cutover was
    `proved`. Empty until then.
    """
    cutover = {key for key in graph.order if graph.steps[key].phase == "cutover"}
    switches = {key for key in cutover if is_switch(key)}
    if switches:
        over = graph.ancestors(switches) if switches <= set(made) else set()
    elif cutover and cutover <= set(proved):
        last = {key for key in cutover if not key.startswith("cutover/check/")}
        over = last | graph.ancestors(last)
    else:
        return set()
    return {key for key in over if key in proved and graph.steps[key].phase in MOVED}


def _keys(steps: list[Step[Any]], ending: str) -> tuple[str, ...]:
    return tuple(step.key for step in steps if step.key.endswith(ending))


def _needing(step: Step[Any], needs: tuple[str, ...]) -> Step[Any]:
    return replace(step, needs=tuple(dict.fromkeys((*step.needs, *needs))))  # type: ignore[type-var]
