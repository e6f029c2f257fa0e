"""Phase 9, cutover: level, freeze, bring over what changed, prove equality, switch the names, confirm.

Anything that fails before the switch takes back what this phase did: the source's writes open again.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from core.graph import Graph
from core.step import Step
from flows.cutover_checks import confirm
from flows.cutover_databases import freeze_and_refresh, turn_round
from flows.cutover_files import final_sync, levelled
from flows.dms import serves_replication
from inventory.model import Inventory
from tasks.aws import switch_records


def cutover(inventory: Inventory) -> list[Step[Any]]:
    shares = levelled(inventory)
    # Large shares are read for hours: a database that was ready before would be far behind again.
    databases = [
        _needing(step, tuple(share.key for share in shares))
        if step.key.endswith(("/readiness", "/freeze"))
        else step
        for step in freeze_and_refresh(inventory)
    ]
    freezes = _keys(databases, "/freeze")
    files = [_needing(step, freezes) for step in final_sync(inventory)]
    proven = (
        *_keys(databases, "/comparison"),
        *_keys(databases, "/return"),
        *(step.key for step in files),
    )
    switches = [_needing(step, proven) for step in switch_records(inventory)]
    switched = tuple(step.key for step in switches) or proven
    # The way back of a followed database begins with what was done last: its stream is taken back first.
    turned = [_needing(step, switched) for step in turn_round(inventory)]
    confirmed = [_needing(step, switched) for step in confirm(inventory)]
    return [*shares, *databases, *files, *switches, *turned, *confirmed]


def is_switch(key: str) -> bool:
    """Whether this step sends users to the new side: before it, a failure takes the cutover back."""
    return key.startswith("cutover/dns/")


def is_reversed(key: str) -> bool:
    """Whether this step brings back to the source what users wrote on the new side."""
    return key.startswith("cutover/") and key.endswith("/reverse")


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
    # What served the replication may have been taken back since, and is not made again.
    settled = {key for key in over if key in proved and graph.steps[key].phase in MOVED}
    return settled | {key for key in over if serves_replication(key)}


def _keys(steps: list[Step[Any]], ending: str) -> tuple[str, ...]:
    return tuple(step.key for step in steps if step.key.endswith(ending))


def _needing(step: Step[Any], needs: tuple[str, ...]) -> Step[Any]:
    return replace(step, needs=tuple(dict.fromkeys((*step.needs, *needs))))  # type: ignore[type-var]
