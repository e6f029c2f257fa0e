"""Cutover, database part: freeze the source, bring the target level, prove that they are equal.

Method copy copies what changed once more under the freeze. Method follow has done so before, drains what
is left of the change log, and turns the stream round after the switch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.step import Step
from flows.databases import ALL_BUT_TRIGGERS, TRIGGERS, move_of
from flows.dms import dms_stopped
from inventory.model import Inventory
from tasks.databases.port import DatabaseServer
from tasks.databases.steps import (
    CompareDatabase,
    CompareDirty,
    CreateObjects,
    DrainChanges,
    EndReplication,
    FreezeSource,
    GetReady,
    Move,
    MoveEvents,
    PrepareReturn,
    RefreshData,
    ReverseStream,
)


@dataclass(frozen=True)
class _Moved:
    name: str
    move: Move
    followed: bool

    @property
    def stem(self) -> str:
        return f"cutover/{self.name}"


def freeze_and_refresh(inventory: Inventory) -> list[Step[Any]]:
    """What comes before the switch."""
    moved = _all(inventory)
    # A source that freezes while another still catches up would stand still for nothing.
    ready = tuple(f"{one.stem}/readiness" for one in moved if one.followed)
    steps: list[Step[Any]] = [
        GetReady(
            key=f"{one.stem}/readiness", needs=(f"databases/{one.name}/follow",), item=one.name, move=one.move
        )
        for one in moved
        if one.followed
    ]
    frozen: dict[DatabaseServer, str] = {}
    for one in moved:
        if one.move.source not in frozen:
            freeze = _freeze(one, [other for other in moved if other.move.source == one.move.source])
            steps.append(replace(freeze, needs=(*freeze.needs, *ready)))
            frozen[one.move.source] = freeze.key
        steps += (_drained if one.followed else _refreshed)(one, frozen[one.move.source])
    return dms_stopped(inventory, {one.name: one.move for one in moved}, steps)


def turn_round(inventory: Inventory) -> list[Step[Any]]:
    """What comes after the switch, and is undone before the names lead back."""
    steps: list[Step[Any]] = []
    for one in _all(inventory):
        if one.followed:
            common: dict[str, Any] = {"item": one.name, "move": one.move}
            reverse = ReverseStream(key=f"{one.stem}/reverse", needs=(f"{one.stem}/return",), **common)
            steps += [reverse, MoveEvents(key=f"{one.stem}/events", needs=(reverse.key,), **common)]
    return steps


def _all(inventory: Inventory) -> list[_Moved]:
    return [
        _Moved(item.name, move_of(inventory, item), item.method == "follow")
        for item in inventory.in_scope("database")
    ]


def _freeze(first: _Moved, here: Sequence[_Moved]) -> FreezeSource:
    """One for a server and all that moves from there: read-only is a setting of the whole server."""
    return FreezeSource(
        key=f"{first.stem}/freeze",
        needs=tuple(f"databases/{one.name}/comparison" for one in here),
        item=first.name,
        move=first.move,
        followed=tuple(one.move for one in here if one.followed),
    )


def _refreshed(one: _Moved, freeze: str) -> list[Step[Any]]:
    common: dict[str, Any] = {"item": one.name, "move": one.move}
    refresh = RefreshData(key=f"{one.stem}/refresh", needs=(freeze,), **common)
    return [
        refresh,
        CompareDatabase(key=f"{one.stem}/comparison", needs=(refresh.key,), frozen=True, **common),
    ]


def _drained(one: _Moved, freeze: str) -> list[Step[Any]]:
    common: dict[str, Any] = {"item": one.name, "move": one.move}
    drain = DrainChanges(key=f"{one.stem}/drain", needs=(freeze,), **common)
    drained: list[Step[Any]] = [drain]
    if one.move.replicate_from:
        drained.append(EndReplication(key=f"{one.stem}/replication", needs=(drain.key,), **common))
    last = drained[-1].key
    compared = CompareDirty(key=f"{one.stem}/comparison", needs=(last,), without=TRIGGERS, **common)
    triggers = CreateObjects(
        key=f"{one.stem}/triggers", needs=(compared.key,), without=ALL_BUT_TRIGGERS, **common
    )
    # Last of all: whatever is written on the target from here on belongs to its users.
    return [
        *drained,
        compared,
        triggers,
        PrepareReturn(key=f"{one.stem}/return", needs=(triggers.key,), **common),
    ]
