"""Databases that AWS DMS brings (method: dms): what it works with, the load, the stop at cutover.

DMS carries rows only. Schema, objects, accounts and the proof are our own steps, as for every database.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.errors import Refused
from core.step import Step
from inventory.migration import Item
from inventory.model import Inventory
from inventory.secrets import SecretSource
from inventory.sources import Database
from inventory.targets import DmsProvider, TargetDatabase
from tasks.aws import cloud_of
from tasks.aws.dms import step_key
from tasks.aws.dms_connections import TryReplicationConnections
from tasks.aws.dms_cutover import CheckReplication, StopReplication
from tasks.aws.dms_data import ReplicateData
from tasks.aws.dms_endpoints import CreateReplicationEndpoint, Role
from tasks.aws.dms_instance import RunReplicationInstance
from tasks.aws.dms_subnets import CreateReplicationSubnetGroup
from tasks.aws.dms_task import CreateReplicationTask
from tasks.aws.marks import group_key, subnet_key
from tasks.databases.model import ObjectKind
from tasks.databases.steps import CopyAccounts, CreateObjects, CreateSchema, Move

_TRIGGERS: frozenset[ObjectKind] = frozenset({"trigger"})
"""While DMS writes there is none on the target: they would fire for every row that it brings."""


def dms_set_up(inventory: Inventory, item: Item, move: Move) -> list[Step[Any]]:
    """What DMS works with; also when all is over, `rollback --phase environment --item NAME` removes it."""
    name, wish, account = item.name, _wish(inventory, item), cloud_of(inventory)
    common: dict[str, Any] = {"item": name, "account": account, "database": name}
    keys = {role: step_key(name, role) for role in ("subnets", "instance", "source", "target", "connections")}
    source, target = inventory.database(name), inventory.target_database(item.target[0])
    return [
        CreateReplicationSubnetGroup(
            key=keys["subnets"], needs=tuple(map(subnet_key, wish.subnets)), subnets=wish.subnets, **common
        ),
        RunReplicationInstance(
            key=keys["instance"],
            needs=(keys["subnets"], group_key(wish.security_group)),
            instance_class=wish.instance_class,
            storage_gb=wish.storage_gb,
            security_group=wish.security_group,
            multi_az=wish.multi_az,
            engine_version=wish.engine_version,
            **common,
        ),
        _end(inventory, "source", source, wish, wish.source_certificate, common),
        _end(inventory, "target", target, wish, wish.target_certificate, common),
        TryReplicationConnections(
            key=keys["connections"], needs=(keys["instance"], keys["source"], keys["target"]), **common
        ),
        CreateReplicationTask(
            key=step_key(name, "task"),
            needs=(f"discovery/database/{name}", keys["connections"]),
            move=move,
            migration=wish.migration,
            **common,
        ),
    ]


def serves_replication(key: str) -> bool:
    """Whether this step's work is over with the switch, so that it may be taken back and stay so."""
    return key.startswith("environment/") and "/dms-" in key


def dms_moved(inventory: Inventory, item: Item, move: Move) -> list[Step[Any]]:
    """Our schema, DMS's load, our objects and accounts, and what DMS tells of every table."""
    name, wish, account = item.name, _wish(inventory, item), cloud_of(inventory)
    stem = f"databases/{name}"
    schema, data, objects = f"{stem}/schema", f"{stem}/data", f"{stem}/objects"
    return [
        CreateSchema(key=schema, needs=(f"discovery/database/{name}",), item=name, move=move),
        ReplicateData(
            key=data,
            needs=(schema, step_key(name, "task")),
            item=name,
            move=move,
            account=account,
            database=name,
            migration=wish.migration,
        ),
        CreateObjects(key=objects, needs=(data,), item=name, move=move, without=_TRIGGERS),
        CopyAccounts(key=f"{stem}/accounts", needs=(objects,), item=name, move=move),
        CheckReplication(
            key=f"{stem}/comparison",
            needs=(f"{stem}/accounts",),
            item=name,
            move=move,
            account=account,
            database=name,
        ),
    ]


def dms_stopped(inventory: Inventory, moves: Mapping[str, Move], steps: list[Step[Any]]) -> list[Step[Any]]:
    """The steps of the cutover, with those of DMS among them.

    Nothing freezes before every replication is close behind. Between freeze and refresh the task is
    stopped: the refresh brings what DMS had not brought or never does, and the comparison proves it.
    """
    ready: list[Step[Any]] = []
    stops: dict[str, StopReplication] = {}
    refreshes = {step.key: step for step in steps if step.key.endswith("/refresh")}
    for item in inventory.in_scope("database"):
        if item.method != "dms" or (wish := _wish(inventory, item)).migration == "full-load":
            continue
        refresh, stem = refreshes[f"cutover/{item.name}/refresh"], f"cutover/{item.name}"
        common: dict[str, Any] = {
            "item": item.name,
            "move": moves[item.name],
            "account": cloud_of(inventory),
            "database": item.name,
            "max_lag_s": wish.max_lag_s,
        }
        comparison = (f"databases/{item.name}/comparison",)
        ready.append(CheckReplication(key=f"{stem}/readiness", needs=comparison, **common))
        stops[refresh.key] = StopReplication(key=f"{stem}/replication", needs=refresh.needs, **common)
    keys = tuple(step.key for step in ready)
    placed: list[Step[Any]] = [*ready]
    for step in steps:
        if stop := stops.get(step.key):
            placed += [stop, replace(step, needs=(*step.needs, stop.key))]  # type: ignore[type-var]
        elif step.key.endswith("/freeze") and keys:
            placed.append(replace(step, needs=(*step.needs, *keys)))  # type: ignore[type-var]
        else:
            placed.append(step)
    return placed


def _end(
    inventory: Inventory,
    role: Role,
    database: Database | TargetDatabase,
    wish: DmsProvider,
    certificate: str,
    common: Mapping[str, Any],
) -> Step[Any]:
    return CreateReplicationEndpoint(
        key=step_key(common["database"], role),
        role=role,
        engine=database.engine,
        address=database.address,
        port=database.port,
        user=database.user,
        password=SecretSource(database.password, inventory.folder),
        secrets_role=wish.secrets_role,
        certificate=certificate,
        **common,
    )


def _wish(inventory: Inventory, item: Item) -> DmsProvider:
    target = inventory.target_database(item.target[0])
    if target.provider is None:
        raise Refused(
            f"database {item.name!r}: method dms, but {target.name!r} says nothing of a replication instance",
            why="DMS works on a machine of its own: its class, subnets and security group must be wished.",
            next_command=f"qianyun check {inventory.folder}",
        )
    return target.provider
