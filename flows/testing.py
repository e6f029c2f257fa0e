"""Phase 8, testing: what the inventory declares must answer on the target as it did on the source."""

from typing import Any

from core.step import Step
from flows.files import copies
from inventory.migration import HttpCheck, SqlCheck, TcpCheck, TestCheck
from inventory.model import Inventory
from tasks.databases.engines import server_of
from tasks.probes import Page, Port, Schema, TestHttp, TestSql, TestTcp


def testing(inventory: Inventory) -> list[Step[Any]]:
    last = _last_steps(inventory)
    return [
        check_step(inventory, check, f"testing/{check.name}", last[check.item])
        for check in inventory.tests
        if check.item in last
    ]


def check_step(
    inventory: Inventory, check: TestCheck, key: str, needs: tuple[str, ...], *, compare: bool = True
) -> Step[Any]:
    """The step of one declared check; without `compare` the target alone is asked."""
    match check:
        case HttpCheck():
            return TestHttp(
                key=key,
                needs=needs,
                item=check.item,
                priority=check.priority,
                source=Page(check.before, check.host_header) if compare else None,
                target=Page(check.after, check.host_header),
                status=check.status,
                contains=check.contains,
                same_body=check.same_body,
            )
        case TcpCheck():
            return TestTcp(
                key=key,
                needs=needs,
                item=check.item,
                priority=check.priority,
                source=Port.parse(check.before) if compare else None,
                target=Port.parse(check.after),
            )
        case SqlCheck():
            return TestSql(
                key=key,
                needs=needs,
                item=check.item,
                priority=check.priority,
                query=check.query,
                source=_source(inventory, check.item) if compare else None,
                target=_target(inventory, check.item),
            )


def _source(inventory: Inventory, item: str) -> Schema:
    database = inventory.database(item)
    return Schema(server_of(database, inventory.folder), database.schema_name)


def _target(inventory: Inventory, item: str) -> Schema:
    wanted = next(i for i in inventory.migration_list if i.name == item and i.kind == "database")
    database = inventory.target_database(wanted.target[0])
    return Schema(server_of(database, inventory.folder), database.schema_name)


def _last_steps(inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """The steps that finish each item in scope."""
    last: dict[str, tuple[str, ...]] = {}
    for item in inventory.in_scope("application"):
        last[item.name] = (f"applications/{item.name}/site",)
    for item in inventory.in_scope("database"):
        last[item.name] = (f"databases/{item.name}/comparison",)
    for copy in copies(inventory):
        last[copy.share] = (*last.get(copy.share, ()), copy.key)
    return last
