"""The last copy of every share, after the freeze."""

from typing import Any

from core.step import Step
from flows.files import copies
from inventory.model import Inventory
from tasks.files import CopyFiles


def final_sync(inventory: Inventory) -> list[Step[Any]]:
    return [
        CopyFiles(
            key=f"cutover/{copy.share}/{copy.place}",
            needs=(copy.key,),
            item=copy.share,
            source=copy.source,
            target=copy.target,
            copy=copy.key,
            last=True,
        )
        for copy in copies(inventory)
    ]
