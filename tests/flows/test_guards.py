"""What forbids a step before it is looked at, each in the refusing direction and in the other."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import Refused
from flows.guards import precondition_guard, scope_guard, window_guard
from inventory.loader import load
from inventory.model import Inventory
from inventory.practice import materialise
from tests.worlds.toy import SetValues, Store, StoreEndpoint

HOUR = timedelta(hours=1)


def step(key: str, item: str = "") -> SetValues:
    return SetValues(key=key, item=item, wanted={}, endpoint=StoreEndpoint(Store()))


def project(folder: Path, start: timedelta = -HOUR, end: timedelta = HOUR) -> Inventory:
    secrets = folder / "kept"
    secrets.mkdir()
    now = datetime.now(UTC)
    return load(materialise(folder / "p", window_start=now + start, window_end=now + end, secrets=secrets))


def test_only_what_is_listed_may_be_looked_at(tmp_path: Path) -> None:
    guard = scope_guard(project(tmp_path))
    guard(step("applications/shop/site", "shop"))
    guard(step("network/vpc"))
    for item in ("reports", "nobody-knows"):
        with pytest.raises(Refused, match=item):
            guard(step(f"applications/{item}/site", item))


@dataclass(frozen=True)
class Case:
    name: str
    start: timedelta
    end: timedelta
    needed_s: float
    refused: str


CASES = [
    Case("inside", -HOUR, HOUR, 600, ""),
    Case("too early", HOUR, 2 * HOUR, 600, "the reserved window is"),
    Case("too late", -2 * HOUR, -HOUR, 600, "the reserved window is"),
    Case("too short", -HOUR, HOUR, 7201, "needs 7201 s"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_cutover_keeps_to_its_window(tmp_path: Path, case: Case) -> None:
    guard = window_guard(project(tmp_path, case.start, case.end), case.needed_s)
    guard(step("databases/shop-db/data"))
    if not case.refused:
        guard(step("cutover/dns/shop"))
        return
    with pytest.raises(Refused, match=case.refused):
        guard(step("cutover/dns/shop"))


def test_an_unmet_precondition_stops_the_phases_it_belongs_to(tmp_path: Path) -> None:
    whole = project(tmp_path)
    precondition_guard(whole)(step("databases/shop-db/data"))
    backup = next(p for p in whole.preconditions if p.kind == "backup-verified")
    others = tuple(p for p in whole.preconditions if p is not backup)
    unmet = whole.model_copy(
        update={"preconditions": (*others, backup.model_copy(update={"state": "not-met"}))}
    )
    guard = precondition_guard(unmet)
    guard(step("network/vpc"))
    with pytest.raises(Refused, match="backup-verified is fail"):
        guard(step("databases/shop-db/data"))
