"""Cutting over under load and going back: nothing lost, nothing doubled, and what is refused on the way."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench.mysql_cutover import measure
from core.errors import ApplyFailed, Refused, Unreadable
from core.plan import step_drift
from flows.cutover import cutover
from flows.databases import databases
from inventory.loader import load
from inventory.model import Inventory
from inventory.practice import materialise
from inventory.targets import ReplicateFrom
from tasks.databases.move import Move
from tests.databases.following import after, before, carried, over, planned, taken_back
from tests.databases.servers import PASSWORD
from tests.worlds.mysql import OBJECTS, SCHEMA, MysqlWorld, done
from tests.worlds.mysql_follow import NEW_SIDE, TRIGGER, followed

Made = tuple[MysqlWorld, Move]
TABLES = ("orders", "log", "audit")


@pytest.fixture
def made() -> Iterator[Made]:
    world, move = followed(*OBJECTS, *TRIGGER)
    yield world, move
    world.close()


def rows(world: MysqlWorld) -> tuple[Any, Any]:
    query = f"SELECT * FROM {SCHEMA}.{{}} ORDER BY 1, 2"
    source, target = ([s.run(query.format(t)) for t in TABLES] for s in (world.source, world.target))
    return source, target


def test_under_load_nothing_is_lost_either_way() -> None:
    found = measure(2, load_s=0.5, pause_s=0.02)
    assert found.faults == []
    assert max(found.forward_s) < 5 and max(found.back_s) < 5


def test_the_rehearsed_plan_is_the_live_plan(made: Made) -> None:
    _, move = made
    steps = {**over(move), **after(move)}.values()
    rehearsed = {step.key: planned(step) for step in steps}
    for step in steps:
        assert list(step_drift(rehearsed[step.key], planned(step), begun=False)) == []
        carried([step])
        assert planned(step).is_empty and planned(step).nothing_because


def test_going_back_loses_nothing_and_the_next_cutover_goes_on_from_there(made: Made) -> None:
    world, move = made
    before_it = world.source.run("SHOW TRIGGERS FROM shop")
    plans = carried([*over(move).values(), *after(move).values()])
    world.target.run(*NEW_SIDE)
    assert rows(world)[0] != rows(world)[1]
    taken_back(after(move).values(), plans)
    assert rows(world)[0] == rows(world)[1]
    taken_back(over(move).values(), plans)
    assert world.source.run("SELECT @@global.read_only") == [(0,)]
    assert world.target.run("SELECT @@global.read_only") == [(1,)], "its old users must not write unseen"
    assert world.source.schemas() == [SCHEMA]
    assert [row[:5] for row in world.source.run("SHOW TRIGGERS FROM shop")] == [row[:5] for row in before_it]
    world.source.run(f"INSERT INTO {SCHEMA}.orders (customer, region, price) VALUES ('c2', 2, 5)")
    with pytest.raises(Refused, match="is set read-only"):
        planned(before(move)["schema"])
    world.target.run("SET GLOBAL read_only = 0")
    carried([*over(move).values(), *after(move).values()])
    assert rows(world)[0] == rows(world)[1]


def test_a_cutover_that_failed_before_its_switch_is_taken_back_whole(made: Made) -> None:
    world, move = made
    done(over(move)["readiness"])
    untouched = world.source.schemas(), world.source.run("SELECT @@global.read_only")
    plans = carried(over(move).values())
    taken_back(over(move).values(), plans)
    assert (world.source.schemas(), world.source.run("SELECT @@global.read_only")) == untouched
    assert world.target.run("SHOW TRIGGERS FROM shop") == []
    world.source.run(f"INSERT INTO {SCHEMA}.orders (customer, region, price) VALUES ('c2', 2, 5)")
    carried([*over(move).values()])
    assert rows(world)[0] == rows(world)[1]


def test_the_way_back_stops_where_the_sides_differ(made: Made) -> None:
    world, move = made
    plans = carried([*over(move).values(), *after(move).values()])
    world.target.run(*NEW_SIDE)
    taken_back([after(move)["events"]], plans)
    world.source.run(f"DELETE FROM {SCHEMA}.orders WHERE id = 4")
    with pytest.raises(ApplyFailed, match="orders: delete of the row with key 4"):
        taken_back([after(move)["reverse"]], plans)
    assert world.source.run("SELECT @@global.read_only") == [(1,)], "the source stays shut"


def test_the_way_back_names_who_bypasses_the_freeze_of_the_target(made: Made) -> None:
    world, move = made
    plans = carried([*over(move).values(), *after(move).values()])
    world.target.run(
        "CREATE OR REPLACE USER boss@'%' IDENTIFIED BY 'boss-word'", "GRANT ALL ON *.* TO boss@'%'"
    )
    try:
        with (
            world.target.connect(user="boss", password="boss-word"),
            pytest.raises(Refused, match="of boss@"),
        ):
            taken_back([after(move)["reverse"]], plans)
        assert world.target.run("SELECT @@global.read_only") == [(0,)]
    finally:
        world.target.run("DROP USER boss@'%'")


def test_the_stream_does_not_turn_where_the_source_is_open(made: Made) -> None:
    world, move = made
    carried(over(move).values())
    world.source.run("SET GLOBAL read_only = 0")
    with pytest.raises(Refused, match="can be written to"):
        carried([after(move)["reverse"]])


def test_a_run_that_was_killed_before_its_switch_goes_on(made: Made) -> None:
    world, move = made
    approved = {step.key: planned(step) for step in over(move).values()}
    carried(over(move).values())
    for step in over(move).values():
        assert list(step_drift(approved[step.key], planned(step), begun=True)) == []
        carried([step])
    carried(after(move).values())
    world.target.run(*NEW_SIDE)
    carried(after(move).values())
    assert world.source.run(f"SELECT MAX(id) FROM {SCHEMA}.orders") != []


def test_what_the_way_back_needs_is_missed_in_the_rehearsal(made: Made) -> None:
    world, move = made
    world.source.run(
        f"CREATE OR REPLACE USER meagre@'%' IDENTIFIED BY '{PASSWORD}'",
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER, CREATE VIEW,"
        " SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, EXECUTE, EVENT, PROCESS, READ_ONLY ADMIN, BINLOG MONITOR"
        " ON *.* TO meagre@'%'",
    )
    try:
        meagre = replace(move, source=world.source.endpoint(user="meagre"))
        with pytest.raises(Unreadable) as caught:
            planned(over(meagre)["return"])
        naming = {"mariadb": "SET USER", "mysql": "SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER"}
        wanted = f"GRANT {naming[world.source.flavour]} ON *.*"
        assert wanted in str(caught.value), "its event belongs to root"
        with pytest.raises(Unreadable) as caught:
            planned(over(meagre)["readiness"])
        assert "GRANT REPLICATION SLAVE ON *.*" in str(caught.value)
    finally:
        world.source.run("DROP USER meagre@'%'")


def test_the_source_keeps_its_triggers_until_the_switch(made: Made) -> None:
    """A server that restarts is open again: what is written there then must not miss what they do."""
    world, move = made
    plans = carried(over(move).values())
    world.source.restart()
    made_by_trigger = f"SELECT COUNT(*) FROM {SCHEMA}.audit"
    (before_it,) = world.source.run(made_by_trigger)[0]
    world.source.run(f"INSERT INTO {SCHEMA}.orders (customer, region, price) VALUES ('c2', 2, 5)")
    assert world.source.run(made_by_trigger) == [(before_it + 1,)]
    taken_back(over(move).values(), plans)
    carried([*over(move).values(), *after(move).values()])
    assert rows(world)[0] == rows(world)[1]
    assert world.source.run("SHOW TRIGGERS FROM shop") == []


def test_events_run_on_one_side_only(made: Made) -> None:
    world, move = made
    state = "SELECT STATUS, DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'shop'"
    plans = carried(over(move).values())
    definer = world.source.run(state)[0][1]
    assert [s.run(state)[0][0] for s in (world.source, world.target)] == ["ENABLED", "DISABLED"]
    plans |= carried(after(move).values())
    assert [s.run(state)[0][0] for s in (world.source, world.target)] == ["DISABLED", "ENABLED"]
    taken_back(after(move).values(), plans)
    assert [s.run(state)[0][0] for s in (world.source, world.target)] == ["ENABLED", "DISABLED"]
    assert world.source.run(state)[0][1] == definer


def test_numbers_are_never_given_out_twice(made: Made) -> None:
    world, move = made
    with world.source.connect() as writing, writing.cursor() as cursor:
        cursor.execute("BEGIN")
        for _ in range(20):
            cursor.execute("INSERT INTO shop.audit (what) VALUES ('rolled back')")
        writing.rollback()
    carried(over(move).values())
    number = f"SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{SCHEMA}'"
    here, there = (s.run(f"{number} AND TABLE_NAME = 'audit'")[0][0] for s in (world.source, world.target))
    assert there >= here > 20


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    start, end = (datetime(2031, 1, 4, hour, tzinfo=UTC) for hour in (14, 18))
    secrets = tmp_path / "secrets"
    (secrets / "host_keys").mkdir(parents=True)
    for name in ("ssh_key", "known_hosts", "mysql_source_password", "mysql_target_password"):
        (secrets / name).write_text(f"the {name}\n")
    folder = materialise(tmp_path / "project", window_start=start, window_end=end, secrets=secrets)
    found = load(folder)
    items = tuple(
        i.model_copy(update={"method": "follow"}) if i.kind == "database" else i for i in found.migration_list
    )
    return found.model_copy(update={"migration_list": items})


def test_the_steps_of_a_followed_database(inventory: Inventory) -> None:
    steps = {step.key: step.needs for step in [*databases(inventory), *cutover(inventory)]}
    chain = ["readiness", "freeze", "drain", "comparison", "triggers", "return"]
    assert steps["databases/shop-db/replication"] == ("databases/shop-db/comparison",)
    assert steps["databases/shop-db/follow"] == ("databases/shop-db/replication",)
    shares = {key for key in steps if key.startswith("cutover/share/") and key.endswith("/readiness")}
    assert set(steps["cutover/shop-db/readiness"]) == {"databases/shop-db/follow", *shares}
    assert shares and shares <= set(steps["cutover/shop-db/freeze"])
    for need, name in pairwise(chain):
        assert f"cutover/shop-db/{need}" in steps[f"cutover/shop-db/{name}"]
    switches = [key for key in steps if key.startswith("cutover/dns/")]
    assert switches and all("cutover/shop-db/return" in steps[key] for key in switches)
    assert {"cutover/shop-db/return", *switches} <= set(steps["cutover/shop-db/reverse"])
    assert "cutover/shop-db/reverse" in steps["cutover/shop-db/events"]
    assert not any(key.endswith("/refresh") for key in steps)
    assert "cutover/shop-db/replication" not in steps


def test_a_target_that_replicates_itself_stops_before_anything_is_compared(inventory: Inventory) -> None:
    database = inventory.target_database("shop-db-target")
    wish = ReplicateFrom(address="10.1.0.13", user="replicator", password="env:REPLICATOR_PASSWORD")
    databases_now = (database.model_copy(update={"replicate_from": wish}),)
    targets = inventory.targets.model_copy(update={"databases": databases_now})
    steps = {step.key: step for step in cutover(inventory.model_copy(update={"targets": targets}))}
    assert steps["cutover/shop-db/replication"].needs == ("cutover/shop-db/drain",)
    assert steps["cutover/shop-db/comparison"].needs == ("cutover/shop-db/replication",)
    origin = steps["cutover/shop-db/replication"].move.replicate_from
    source = inventory.database("shop-db")
    assert (origin.address, origin.user) == (f"10.1.0.13:{source.port}", "replicator")


@pytest.mark.parametrize("second", ["copy", "follow"])
def test_databases_of_one_server_are_frozen_together(inventory: Inventory, second: str) -> None:
    item = next(i for i in inventory.migration_list if i.kind == "database")
    other = item.model_copy(update={"name": "other-db", "method": second})
    source = inventory.database(item.name).model_copy(update={"name": "other-db", "schema_name": "other"})
    both = inventory.model_copy(
        update={
            "migration_list": (*inventory.migration_list, other),
            "sources": inventory.sources.model_copy(
                update={"databases": (*inventory.sources.databases, source)}
            ),
        }
    )
    steps = {step.key: step for step in cutover(both)}
    assert [key for key in steps if key.endswith("/freeze")] == ["cutover/shop-db/freeze"]
    first = "refresh" if second == "copy" else "drain"
    assert steps[f"cutover/other-db/{first}"].needs == ("cutover/shop-db/freeze",)
    needs = set(steps["cutover/shop-db/freeze"].needs)
    assert {"databases/other-db/comparison", "cutover/shop-db/readiness"} <= needs
    assert ("cutover/other-db/readiness" in needs) == (second == "follow")
