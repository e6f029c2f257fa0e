"""Method dms in the graph of a project: its steps, in their order, and what is over after the switch."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.access import Pool, Reader, Writer
from core.checks import Status, overall
from core.plan import Plan, step_drift
from core.step import Step
from flows.cutover import settled_keys
from flows.cutover_databases import freeze_and_refresh
from flows.databases import databases
from flows.environment import environment
from flows.project import project_graph
from inventory.loader import load
from inventory.model import Inventory
from inventory.practice import materialise
from inventory.sources import Sources
from inventory.targets import DmsProvider
from tests.databases.servers import MIGRATOR, PASSWORD
from tests.worlds.aws_dms import STATEMENTS, DmsWorld, prepare
from tests.worlds.aws_server import ACCOUNT, server_url
from tests.worlds.mysql import SCHEMA

SET_UP = [
    f"environment/shop-db/dms-{role}"
    for role in ("subnets", "instance", "source", "target", "connections", "task")
]


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    start, end = (datetime(2031, 1, 4, hour, tzinfo=UTC) for hour in (14, 18))
    secrets = tmp_path / "secrets"
    (secrets / "host_keys").mkdir(parents=True)
    for name in ("ssh_key", "known_hosts", "mysql_source_password", "mysql_target_password"):
        (secrets / name).write_text(f"the {name}\n")
    folder = materialise(tmp_path / "project", window_start=start, window_end=end, secrets=secrets)
    text = (folder / "migration-list.yaml").read_text()
    text = text.replace("target: [shop-db-target]\n", "target: [shop-db-target]\n    method: dms\n")
    (folder / "migration-list.yaml").write_text(text)
    text = (folder / "targets.yaml").read_text()
    password = "password: file:secrets/mysql_target_password\n"
    provider = (
        "    provider: {kind: aws-dms, instance_class: dms.t3.medium, security_group: data,"
        " subnets: [private-a, private-b]}\n"
    )
    (folder / "targets.yaml").write_text(text.replace(password, password + provider))
    return load(folder)


def with_wish(inventory: Inventory, **wish: object) -> Inventory:
    database = inventory.target_database("shop-db-target")
    assert database.provider is not None
    provider: DmsProvider = database.provider.model_copy(update=wish)
    databases = (database.model_copy(update={"provider": provider}),)
    return inventory.model_copy(
        update={"targets": inventory.targets.model_copy(update={"databases": databases})}
    )


def test_the_steps_of_a_database_that_dms_brings(inventory: Inventory) -> None:
    needs = {step.key: step.needs for step in [*databases(inventory), *freeze_and_refresh(inventory)]}
    assert needs == {
        "databases/shop-db/schema": ("discovery/database/shop-db",),
        "databases/shop-db/data": ("databases/shop-db/schema", "environment/shop-db/dms-task"),
        "databases/shop-db/objects": ("databases/shop-db/data",),
        "databases/shop-db/accounts": ("databases/shop-db/objects",),
        "databases/shop-db/comparison": ("databases/shop-db/accounts",),
        "cutover/shop-db/readiness": ("databases/shop-db/comparison",),
        "cutover/shop-db/freeze": ("databases/shop-db/comparison", "cutover/shop-db/readiness"),
        "cutover/shop-db/replication": ("cutover/shop-db/freeze",),
        "cutover/shop-db/refresh": ("cutover/shop-db/freeze", "cutover/shop-db/replication"),
        "cutover/shop-db/comparison": ("cutover/shop-db/refresh",),
    }
    set_up = [step for step in environment(inventory) if "/dms-" in step.key]
    assert [step.key for step in set_up] == SET_UP
    assert {step.item for step in set_up} == {"shop-db"}, "so that they can be taken back by this name"


def test_a_full_load_alone_has_nothing_to_stop(inventory: Inventory) -> None:
    steps = freeze_and_refresh(with_wish(inventory, migration="full-load"))
    assert [step.key.rpartition("/")[2] for step in steps] == ["freeze", "refresh", "comparison"]


def test_everything_waits_for_what_it_needs(inventory: Inventory) -> None:
    graph = project_graph(inventory, [])
    order = {key: n for n, key in enumerate(graph.order)}
    chain = [*SET_UP, "databases/shop-db/data", "cutover/shop-db/replication", "cutover/shop-db/comparison"]
    assert [order[key] for key in chain[-4:]] == sorted(order[key] for key in chain[-4:])
    assert set(SET_UP) <= set(graph.ancestors(["cutover/shop-db/freeze"]))


@pytest.fixture
def reachable(inventory: Inventory) -> Iterator[tuple[Inventory, DmsWorld]]:
    """The project with shop-db alone, on two real servers and moto's DMS."""
    world = DmsWorld(
        *STATEMENTS, f"CREATE TRIGGER {SCHEMA}.t AFTER INSERT ON {SCHEMA}.log FOR EACH ROW SET @n = 1"
    )
    assert world.mysql is not None
    (inventory.folder / "secrets" / "mysql_source_password").write_text(PASSWORD)
    (inventory.folder / "secrets" / "mysql_target_password").write_text(PASSWORD)
    here = {"address": "127.0.0.1", "user": MIGRATOR, "schema_name": SCHEMA}
    source = inventory.database("shop-db").model_copy(
        update={**here, "port": world.mysql.source.port, "accounts": ()}
    )
    target = inventory.target_database("shop-db-target").model_copy(
        update={**here, "port": world.mysql.target.port}
    )
    cloud = inventory.targets.cloud
    provider = cloud.provider.model_copy(update={"endpoint_url": server_url(), "account": ACCOUNT})
    nothing: dict[str, Any] = dict.fromkeys(
        ("servers", "buckets", "directories", "backups", "dns", "network_acls"), ()
    )
    targets = inventory.targets.model_copy(
        update={**nothing, "cloud": cloud.model_copy(update={"provider": provider}), "databases": (target,)}
    )
    yield (
        inventory.model_copy(
            update={
                "sources": Sources(databases=(source,)),
                "targets": targets,
                "migration_list": tuple(i for i in inventory.migration_list if i.name == "shop-db"),
                "tests": (),
            }
        ),
        world,
    )
    world.close()


def test_a_project_from_the_rehearsal_to_the_proof(reachable: tuple[Inventory, DmsWorld]) -> None:
    inventory, world = reachable
    pool = Pool()
    steps = [
        replace(step, poll_s=0) if hasattr(step, "poll_s") else step  # type: ignore[type-var]
        for step in project_graph(inventory, [])
    ]
    before = world.snapshot()
    rehearsed = {step.key: plan_of(step, pool) for step in steps}
    assert world.snapshot() == before, "a rehearsal writes nothing"
    for step in steps:
        now = plan_of(step, pool)
        assert list(step_drift(rehearsed[step.key], now, begun=False)) == [], step.key
        if not now.is_empty:
            prepare(step)
        reader = Reader(pool)
        assert overall(step.verify(reader)) is Status.PASS, step.key
        reader.close(healthy=True)
    assert [step.key for step in steps][-2:] == ["cutover/shop-db/refresh", "cutover/shop-db/comparison"]
    for step in steps:
        assert plan_of(step, pool).is_empty, f"{step.key}: nothing is left to do"
    # After the acceptance: what the named rollback undoes, in the order of the graph.
    writer = Writer(Reader(pool), lambda text: None)
    for step in reversed([step for step in steps if "/dms-" in step.key]):
        step.undo(rehearsed[step.key], writer)
    writer.close()
    pool.close()
    assert all(not found for found in world.left().values())


def plan_of(step: Step[Any], pool: Pool) -> Plan:
    reader = Reader(pool)
    try:
        return step.plan(step.inspect(reader))
    finally:
        reader.close(healthy=True)


def test_after_the_switch_its_objects_may_be_removed_for_good(inventory: Inventory) -> None:
    graph = project_graph(inventory, [])
    switch = "cutover/dns/shop"
    removed = set(graph.order) - set(SET_UP)
    assert set(SET_UP) <= settled_keys(graph, removed, {switch})
    assert not set(SET_UP) & settled_keys(graph, set(graph.order), set())
