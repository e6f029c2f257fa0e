"""Databases: schema, data, objects, accounts, and the comparison that proves them."""

from typing import Any, get_args

from core.access import Reader
from core.errors import Refused
from core.step import Step
from flows.dms import dms_moved
from inventory.migration import Item
from inventory.model import Inventory
from inventory.secrets import SecretSource
from inventory.sources import Database
from inventory.targets import TargetDatabase
from tasks.databases.engines import server_of
from tasks.databases.follow import RETURNING
from tasks.databases.model import ObjectKind, Origin
from tasks.databases.steps import (
    CompareDatabase,
    CompareFollowed,
    CopyAccounts,
    CopyData,
    CreateObjects,
    CreateSchema,
    FollowSource,
    Move,
    Replicate,
)

TRIGGERS: frozenset[ObjectKind] = frozenset({"trigger"})
"""A target that follows has none before its last change: they would fire for every row applied."""
ALL_BUT_TRIGGERS: frozenset[ObjectKind] = frozenset(get_args(ObjectKind)) - TRIGGERS


def databases(inventory: Inventory) -> list[Step[Any]]:
    return [step for item in inventory.in_scope("database") for step in _moved(inventory, item)]


def move_of(inventory: Inventory, item: Item) -> Move:
    """From where to where an item of the migration list moves.

    Raises: errors.Refused for a method or engine that is not carried out.
    """
    if item.method not in ("copy", "follow", "dms"):
        raise Refused(
            f"database {item.name!r}: method {item.method} is not yet carried out",
            why="A database that cannot be moved must not look as if it had been.",
            next_command=f"qianyun check {inventory.folder}",
        )
    source, target = inventory.database(item.name), inventory.target_database(item.target[0])
    return Move(
        source=server_of(source, inventory.folder),
        source_schema=source.schema_name,
        target=server_of(target, inventory.folder),
        target_schema=target.schema_name,
        accounts=source.accounts,
        left_out=source.leave_out,
        replicate_from=_origin(inventory, source, target) if item.method == "follow" else None,
    )


def target_leads(move: Move, reader: Reader) -> bool:
    """Whether users are on the target, and the source follows: then our marks stand there, and it is shut.

    A note of an earlier cutover that went no further stands beside an open source.
    """
    source = move.open_source(reader)
    marks = source.marks(move.source_schema)
    return bool(marks and marks.position and (marks.stage == RETURNING or source.is_frozen()))


def _origin(inventory: Inventory, source: Database, target: TargetDatabase) -> Origin | None:
    wish = target.replicate_from
    if wish is None:
        return None
    return Origin(
        host=wish.address or source.address,
        port=wish.port or source.port,
        user=wish.user,
        password=SecretSource(wish.password, inventory.folder),
        tls=wish.tls or bool(wish.ca),
        ca=wish.ca,
    )


def _moved(inventory: Inventory, item: Item) -> list[Step[Any]]:
    move, name = move_of(inventory, item), item.name
    stem = f"databases/{name}"
    if item.method == "dms":
        return dms_moved(inventory, item, move)
    if item.method == "follow":
        return _followed(move, name)
    return [
        CreateSchema(key=f"{stem}/schema", needs=(f"discovery/database/{name}",), item=name, move=move),
        CopyData(key=f"{stem}/data", needs=(f"{stem}/schema",), item=name, move=move),
        CreateObjects(key=f"{stem}/objects", needs=(f"{stem}/data",), item=name, move=move),
        # A right on one routine or view can only be given once that is there.
        CopyAccounts(key=f"{stem}/accounts", needs=(f"{stem}/objects",), item=name, move=move),
        CompareDatabase(key=f"{stem}/comparison", needs=(f"{stem}/accounts",), item=name, move=move),
    ]


def _followed(move: Move, name: str) -> list[Step[Any]]:
    stem = f"databases/{name}"
    return [
        CreateSchema(key=f"{stem}/schema", needs=(f"discovery/database/{name}",), item=name, move=move),
        CopyData(key=f"{stem}/data", needs=(f"{stem}/schema",), item=name, move=move, one_moment=True),
        CreateObjects(key=f"{stem}/objects", needs=(f"{stem}/data",), item=name, move=move, without=TRIGGERS),
        CopyAccounts(key=f"{stem}/accounts", needs=(f"{stem}/objects",), item=name, move=move),
        # Before the first change is applied: only now does the target hold what can be compared at rest.
        CompareFollowed(
            key=f"{stem}/comparison", needs=(f"{stem}/accounts",), item=name, move=move, without=TRIGGERS
        ),
        Replicate(key=f"{stem}/replication", needs=(f"{stem}/comparison",), item=name, move=move),
        FollowSource(key=f"{stem}/follow", needs=(f"{stem}/replication",), item=name, move=move),
    ]
