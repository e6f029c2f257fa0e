"""The phases' functions: which steps they build from an inventory, and what they refuse."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import Refused
from flows.cutover_databases import freeze_and_refresh
from flows.databases import databases
from flows.discovery_databases import databases_read
from inventory.loader import load
from inventory.model import Inventory
from inventory.practice import materialise


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    start, end = (datetime(2031, 1, 4, hour, tzinfo=UTC) for hour in (14, 18))
    secrets = tmp_path / "secrets"
    (secrets / "host_keys").mkdir(parents=True)
    for name in ("ssh_key", "known_hosts", "mysql_source_password", "mysql_target_password"):
        (secrets / name).write_text(f"the {name}\n")
    folder = materialise(tmp_path / "project", window_start=start, window_end=end, secrets=secrets)
    return load(folder)


def test_the_steps_of_a_database(inventory: Inventory) -> None:
    steps = [*databases_read(inventory), *databases(inventory), *freeze_and_refresh(inventory)]
    assert {step.key: step.needs for step in steps} == {
        "discovery/database/shop-db": (),
        "databases/shop-db/schema": ("discovery/database/shop-db",),
        "databases/shop-db/data": ("databases/shop-db/schema",),
        "databases/shop-db/objects": ("databases/shop-db/data",),
        "databases/shop-db/accounts": ("databases/shop-db/objects",),
        "databases/shop-db/comparison": ("databases/shop-db/accounts",),
        "cutover/shop-db/freeze": ("databases/shop-db/comparison",),
        "cutover/shop-db/refresh": ("cutover/shop-db/freeze",),
        "cutover/shop-db/comparison": ("cutover/shop-db/refresh",),
    }
    assert {step.item for step in steps} == {"shop-db"}


def test_dms_without_a_replication_instance_is_refused_by_name(inventory: Inventory) -> None:
    items = tuple(
        i.model_copy(update={"method": "dms"}) if i.kind == "database" else i
        for i in inventory.migration_list
    )
    for phase in (databases, freeze_and_refresh):
        with pytest.raises(Refused, match="'shop-db': method dms, but 'shop-db-target' says nothing"):
            phase(inventory.model_copy(update={"migration_list": items}))


def test_out_of_scope_is_not_touched(inventory: Inventory) -> None:
    items = tuple(i.model_copy(update={"in_scope": False}) for i in inventory.migration_list)
    nothing = inventory.model_copy(update={"migration_list": items})
    assert [*databases_read(nothing), *databases(nothing), *freeze_and_refresh(nothing)] == []
