"""After the switch: the checks that keep the gate shut, once more, against the target alone."""

from typing import Any

from core.step import Step
from flows.testing import check_step
from inventory.model import Inventory


def confirm(inventory: Inventory) -> list[Step[Any]]:
    """Without comparison: the source is frozen, and the target is already in use and goes its own way."""
    in_scope = {item.name for item in inventory.migration_list if item.in_scope}
    return [
        check_step(inventory, check, f"cutover/check/{check.name}", (), compare=False)
        for check in inventory.tests
        if check.priority == "P0" and check.item in in_scope
    ]
