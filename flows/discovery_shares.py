"""Discovery of file shares: how much they hold and what needs a decision."""

from typing import Any

from core.step import Step
from flows.files import source_of
from inventory.model import Inventory
from tasks.files import ReadShare


def shares(inventory: Inventory) -> list[Step[Any]]:
    return [
        ReadShare(key=f"discovery/share/{item.name}", item=item.name, source=source_of(inventory, item.name))
        for item in inventory.in_scope("file_share")
    ]
