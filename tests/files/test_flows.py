"""The phase functions: which steps the inventory leads to, and what they need."""

from pathlib import Path

import pytest

from core.errors import Refused
from flows import testing as phase
from flows.cutover_checks import confirm
from flows.cutover_files import final_sync, levelled
from flows.discovery_shares import shares
from flows.files import files
from inventory.loader import load
from inventory.model import Inventory

DEMO = Path(__file__).parents[2] / "inventory" / "demo"


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    return load(DEMO)


def needs(steps: list) -> dict[str, tuple[str, ...]]:  # type: ignore[type-arg]
    return {step.key: step.needs for step in steps}


def test_files(inventory: Inventory) -> None:
    assert needs(shares(inventory)) == {"discovery/share/share": ()}
    assert needs(files(inventory)) == {
        "files/share/demo-shop-share": ("discovery/share/share", "environment/bucket/demo-shop-share"),
        "files/share/share-disk": ("discovery/share/share", "environment/file-2/accounts"),
    }
    assert needs(final_sync(inventory)) == {
        "cutover/share/demo-shop-share": ("cutover/share/demo-shop-share/readiness",),
        "cutover/share/share-disk": ("cutover/share/share-disk/readiness",),
    }
    assert needs(levelled(inventory)) == {
        "cutover/share/demo-shop-share/readiness": ("files/share/demo-shop-share",),
        "cutover/share/share-disk/readiness": ("files/share/share-disk",),
    }
    steps = [*files(inventory), *levelled(inventory), *final_sync(inventory)]
    assert {step.item for step in steps} == {"share"}


def test_testing(inventory: Inventory) -> None:
    found = needs(phase.testing(inventory))
    last = {"http": "applications/{}/site", "sql": "databases/{}/comparison"}
    for check in inventory.tests:
        if check.kind in last:
            assert found[f"testing/{check.name}"] == (last[check.kind].format(check.item),)
    assert len(found) == len(inventory.tests)
    assert set(needs(confirm(inventory))) == {
        f"cutover/check/{check.name}" for check in inventory.tests if check.priority == "P0"
    }


def test_nothing_is_built_for_what_is_out_of_scope(inventory: Inventory) -> None:
    out = [item.model_copy(update={"in_scope": False}) for item in inventory.migration_list]
    empty = inventory.model_copy(update={"migration_list": tuple(out)})
    assert [
        *shares(empty),
        *files(empty),
        *levelled(empty),
        *final_sync(empty),
        *phase.testing(empty),
        *confirm(empty),
    ] == []


def test_two_shares_do_not_mix_in_one_place(inventory: Inventory) -> None:
    (share,) = inventory.in_scope("file_share")
    second = share.model_copy(update={"name": "second"})
    both = inventory.model_copy(update={"migration_list": (*inventory.migration_list, second)})
    with pytest.raises(Refused, match="'share' and 'second' both go to 'demo-shop-share'"):
        files(both)
