"""Phase 1, discovery: what the customer has, read and recorded."""

from typing import Any

from core.step import Step
from flows.discovery_databases import databases_read
from flows.discovery_hosts import hosts
from flows.discovery_shares import shares
from inventory.model import Inventory


def discovery(inventory: Inventory) -> list[Step[Any]]:
    return [*hosts(inventory), *databases_read(inventory), *shares(inventory)]
