"""Discovery, database part: every database on the migration list is read."""

from typing import Any

from core.step import Step
from inventory.model import Inventory
from tasks.databases.engines import server_of
from tasks.databases.steps import ReadDatabase


def databases_read(inventory: Inventory) -> list[Step[Any]]:
    steps: list[Step[Any]] = []
    for item in inventory.in_scope("database"):
        database = inventory.database(item.name)
        wish = inventory.target_database(item.target[0]).replicate_from
        steps.append(
            ReadDatabase(
                key=f"discovery/database/{item.name}",
                item=item.name,
                server=server_of(database, inventory.folder),
                schema=database.schema_name,
                method=item.method,
                left_out=database.leave_out,
                replicator=wish.user if wish and item.method == "follow" else "",
            )
        )
    return steps
