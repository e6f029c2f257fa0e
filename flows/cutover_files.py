"""Cutover, file shares: levelled while users still write, and copied for the last time after the freeze."""

from typing import Any

from core.step import Step
from flows.files import Copy, copies
from inventory.model import Inventory
from tasks.files import CopyFiles, LevelFiles


def levelled(inventory: Inventory) -> list[Step[Any]]:
    """What comes before the freeze: the last copies then have little left to do and to prove."""
    return [
        LevelFiles(
            key=_readiness(copy),
            needs=(copy.key,),
            item=copy.share,
            source=copy.source,
            target=copy.target,
            copy=copy.key,
        )
        for copy in copies(inventory)
    ]


def final_sync(inventory: Inventory) -> list[Step[Any]]:
    return [
        CopyFiles(
            key=f"cutover/{copy.share}/{copy.place}",
            needs=(_readiness(copy),),
            item=copy.share,
            source=copy.source,
            target=copy.target,
            copy=copy.key,
            last=True,
        )
        for copy in copies(inventory)
    ]


def _readiness(copy: Copy) -> str:
    return f"cutover/{copy.share}/{copy.place}/readiness"
