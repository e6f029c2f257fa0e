"""Cutover, database part: freeze the source, bring the target level, prove that they are equal."""

from typing import Any

from core.step import Step
from flows.databases import move_of
from inventory.model import Inventory
from tasks.databases.steps import CompareDatabase, FreezeSource, RefreshData


def freeze_and_refresh(inventory: Inventory) -> list[Step[Any]]:
    steps: list[Step[Any]] = []
    for item in inventory.in_scope("database"):
        move, stem = move_of(inventory, item), f"cutover/{item.name}"
        steps += [
            FreezeSource(
                key=f"{stem}/freeze", needs=(f"databases/{item.name}/comparison",), item=item.name, move=move
            ),
            RefreshData(key=f"{stem}/refresh", needs=(f"{stem}/freeze",), item=item.name, move=move),
            CompareDatabase(
                key=f"{stem}/comparison", needs=(f"{stem}/refresh",), item=item.name, move=move, frozen=True
            ),
        ]
    return steps
