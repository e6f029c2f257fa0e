"""A target that shall replicate by itself: what must not is refused, what cannot leaves nothing behind."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from core.checks import Status, overall
from core.errors import ApplyFailed, Refused
from tasks.databases.move import Move
from tasks.databases.steps import ReadDatabase
from tests.databases.following import before, carried, checked, over, planned
from tests.databases.replicating import (
    MARKS,
    NAME,
    REPLICATOR,
    ReplicatingWorld,
    account_statements,
    level,
    marks,
    origin_of,
    status,
    taken_away,
)
from tests.databases.servers import MIGRATOR, PASSWORD, flavours
from tests.worlds.mysql import MOVED_ON, SCHEMA
from tests.worlds.mysql_replication import copied_to_replicate

Made = tuple[ReplicatingWorld, Move]
COPY_TO = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER, CREATE VIEW, SHOW VIEW,"
    " CREATE ROUTINE, ALTER ROUTINE, EXECUTE, EVENT"
)


@pytest.fixture
def copied() -> Iterator[Made]:
    world, move = copied_to_replicate()
    yield world, move
    world.close()


@dataclass(frozen=True)
class Against:
    """Run at a side before the rehearsal; what mends it."""

    name: str
    side: str
    breaking: tuple[str, ...]
    says: str
    mending: tuple[str, ...]
    flavour: str = ""


AGAINST = [
    Against(
        "one server_id",
        "target",
        ("SET GLOBAL server_id = 1",),
        "both servers have server_id 1",
        ("SET GLOBAL server_id = 2",),
    ),
    Against(
        "another schema",
        "source",
        ("CREATE DATABASE other",),
        r"holds other schemas \(other\).*replicate_wild_do_table = shop.%",
        ("DROP DATABASE other",),
    ),
    Against(
        "another filter in the configuration",
        "target",
        ("SET GLOBAL replicate_do_db = 'other'",),
        "filters what it replicates .replicate_do_db = other",
        ("SET GLOBAL replicate_do_db = ''",),
        "mariadb",
    ),
    Against(
        "another filter of the whole server",
        "target",
        ("CHANGE REPLICATION FILTER REPLICATE_DO_DB = (other)",),
        "filters what it replicates .replicate_do_db = other",
        ("CHANGE REPLICATION FILTER REPLICATE_DO_DB = ()",),
        "mysql",
    ),
    Against(
        "strict numbers",
        "target",
        ("SET GLOBAL gtid_strict_mode = 1",),
        "gtid_strict_mode is ON",
        ("SET GLOBAL gtid_strict_mode = 0",),
        "mariadb",
    ),
    Against(
        "other ways of numbering",
        "target",
        tuple(f"SET GLOBAL gtid_mode = {m}" for m in ("ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF")),
        "gtid_mode is ON at the source and OFF at the target",
        tuple(f"SET GLOBAL gtid_mode = {m}" for m in ("OFF_PERMISSIVE", "ON_PERMISSIVE", "ON")),
        "mysql",
    ),
    Against(
        "errors that are passed over",
        "target",
        ("SET GLOBAL slave_exec_mode = 'IDEMPOTENT'",),
        "slave_exec_mode is IDEMPOTENT",
        ("SET GLOBAL slave_exec_mode = 'STRICT'",),
        "mariadb",
    ),
    Against(
        "so in MySQL",
        "target",
        ("SET GLOBAL replica_exec_mode = 'IDEMPOTENT'",),
        "replica_exec_mode is IDEMPOTENT",
        ("SET GLOBAL replica_exec_mode = 'STRICT'",),
        "mysql",
    ),
    Against(
        "a replication of somebody else's",
        "target",
        ("CHANGE MASTER 'theirs' TO MASTER_HOST = '192.0.2.1'",),
        r"replicates already \(theirs from 192.0.2.1:3306\)",
        ("RESET SLAVE 'theirs' ALL",),
        "mariadb",
    ),
    Against(
        "no account",
        "source",
        (f"DROP USER {REPLICATOR}@'%'",),
        "cannot replicate from the source: CREATE USER 'replicator'",
        account_statements(),
    ),
    Against(
        "an account without the right",
        "source",
        (f"REVOKE ALL, GRANT OPTION FROM {REPLICATOR}@'%'",),
        r"GRANT REPLICATION SLAVE ON \*\.\* TO 'replicator'",
        account_statements(),
    ),
    Against(
        "we may not set it up",
        "target",
        (f"REVOKE REPLICATION SLAVE ADMIN, SLAVE MONITOR ON *.* FROM {MIGRATOR}@'%'",),
        r"GRANT REPLICATION SLAVE ADMIN, SLAVE MONITOR ON \*\.\* TO 'migrator'.*managed services",
        (f"GRANT ALL ON *.* TO {MIGRATOR}@'%' WITH GRANT OPTION",),
        "mariadb",
    ),
    Against(
        "we may not in MySQL",
        "target",
        (f"REVOKE REPLICATION_SLAVE_ADMIN, SUPER, RELOAD ON *.* FROM {MIGRATOR}@'%'",),
        r"GRANT REPLICATION_SLAVE_ADMIN, RELOAD ON \*\.\* TO 'migrator'.*managed services",
        (f"GRANT ALL ON *.* TO {MIGRATOR}@'%' WITH GRANT OPTION",),
        "mysql",
    ),
]
HERE = [case for case in AGAINST if case.flavour in ("", flavours()[1])]


@pytest.mark.parametrize("case", HERE, ids=lambda case: case.name)
def test_what_must_not_replicate_is_refused_in_the_rehearsal(copied: Made, case: Against) -> None:
    world, move = copied
    server = getattr(world, case.side)
    server.run(*case.breaking)
    untouched = world.snapshot()
    try:
        with pytest.raises(Refused, match=f"(?s){case.says}"):
            planned(before(move)["replication"])
        assert world.snapshot() == untouched
    finally:
        server.run(*case.mending)
    carried([before(move)["replication"]])


def test_a_filter_of_the_configuration_lets_other_schemas_be(copied: Made) -> None:
    world, move = copied
    statement = "SET GLOBAL replicate_wild_do_table = '{}'"
    if world.target.flavour == "mysql":
        statement = "CHANGE REPLICATION FILTER REPLICATE_WILD_DO_TABLE = ('{}')"
    world.target.run(statement.format(f"{SCHEMA}.%"))
    world.source.run("CREATE DATABASE other")
    try:
        carried([before(move)["replication"]])
    finally:
        taken_away(world.target)
        world.target.run(statement.format("").replace("('')", "()"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"left_out": ("table invoices",)}, "table invoices stay behind"),
        ({"source_schema": MARKS}, f"is {MARKS} at the source and {SCHEMA} at the target"),
    ],
)
def test_so_is_what_cannot_be_told_apart(copied: Made, change: dict[str, Any], says: str) -> None:
    world, move = copied
    world.source.run(f"CREATE DATABASE {MARKS}")
    with pytest.raises(Refused, match=says):
        planned(before(replace(move, **change))["replication"])


def test_the_privileges_asked_for_suffice(copied: Made) -> None:
    world, move = copied
    target = world.target
    target.run(f"CREATE USER meagre@'%' IDENTIFIED BY '{PASSWORD}'", "GRANT PROCESS ON *.* TO meagre@'%'")
    for schema in (SCHEMA, "qianyun\\_copy\\_shop"):
        target.run(f"GRANT {COPY_TO} ON `{schema}`.* TO meagre@'%'")
    meagre = replace(move, target=target.endpoint(user="meagre"))
    try:
        with pytest.raises(Refused) as caught:
            planned(before(meagre)["replication"])
        target.run(*re.findall(r"GRANT [^;]+", str(caught.value)))
        carried([before(meagre)[name] for name in ("replication", "follow")])
        world.source.run(*MOVED_ON)
        carried([over(meagre)[name] for name in ("readiness", "freeze", "drain", "ended")])
        assert status(target) == {} and level(world)
    finally:
        target.run("DROP USER meagre@'%'")


def test_discovery_tells_what_the_account_lacks(copied: Made) -> None:
    world, move = copied
    step = ReadDatabase(
        key="discovery/database/shop",
        server=move.source,
        schema=SCHEMA,
        method="follow",
        replicator=REPLICATOR,
    )
    assert overall(checked(step)) is Status.PASS
    world.source.run(f"REVOKE ALL, GRANT OPTION FROM {REPLICATOR}@'%'")
    (wrong,) = (check for check in checked(step) if check.status is not Status.PASS)
    assert wrong.name == "privileges for replicate-from"
    assert wrong.actual == f"GRANT REPLICATION SLAVE ON *.* TO '{REPLICATOR}'@'%';"


STARTS: list[tuple[str, Callable[[ReplicatingWorld, Move], Move], str, str]] = [
    (
        "wrong password",
        lambda world, move: _changed(world, move, account_statements("another word")),
        "Access denied for user 'replicator'",
        "GRANT REPLICATION SLAVE",
    ),
    (
        "nobody there",
        lambda world, move: replace(move, replicate_from=replace(origin_of(move), port=1)),
        r"error 200[23]|error 111|\(111\)",
        "",
    ),
    (
        "an account shut out",
        lambda world, move: _changed(world, move, (f"ALTER USER {REPLICATOR}@'%' ACCOUNT LOCK",)),
        "cannot replicate from",
        "",
    ),
]


def _changed(world: ReplicatingWorld, move: Move, statements: tuple[str, ...]) -> Move:
    world.source.run(*statements)
    return move


@pytest.mark.parametrize("case", STARTS, ids=lambda case: case[0])
def test_what_does_not_come_about_leaves_nothing(copied: Made, case: Any) -> None:
    world, move = copied
    _, breaks, says, next_command = case
    move = breaks(world, move)
    untouched = world.snapshot()
    with pytest.raises(ApplyFailed, match=says) as caught:
        carried([before(move)["replication"]])
    assert next_command in caught.value.next_command and "replicate_from" in caught.value.why
    assert not caught.value.transient and "own word" not in str(caught.value)
    assert world.snapshot() == untouched and not marks(move).replicated


@pytest.mark.parametrize("ca", ["", "/nowhere/ca.pem"])
def test_what_is_to_be_encrypted_is_or_does_not_come_about(copied: Made, ca: str) -> None:
    world, move = copied
    step = before(replace(move, replicate_from=replace(origin_of(move), tls=True, ca=ca)))["replication"]
    untouched = world.snapshot()
    if world.source.flavour == "mariadb":
        with pytest.raises(Refused, match="the source does not speak TLS"):
            planned(step)
    elif ca:
        assert planned(step).changes[0].after["connection"] == "encrypted, certificate checked"
        with pytest.raises(ApplyFailed, match=r"SSL|TLS"):
            carried([step])
    else:
        carried([step])
        assert status(world.target)[NAME]["Master_SSL_Allowed"] == "Yes"
        return
    assert world.snapshot() == untouched
