"""AWS DMS: one database from the first object to the proof under the freeze, and how each failure reads."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.access import Progress, Reader, Writer
from core.checks import Status
from core.errors import ApplyFailed, Refused
from core.facts import ABSENT
from core.plan import Plan
from core.step import Step
from tasks.aws import dms
from tasks.aws.dms_mapping import control_schema, literal, mappings, plain, settings, too_much
from tasks.aws.dms_task import TaskFacts
from tasks.databases.model import Column, Table
from tasks.databases.steps import CompareDatabase, CreateObjects, FreezeSource, RefreshData
from tests.contract.test_lifecycle import look_and_plan as planned
from tests.contract.test_lifecycle import status as verified
from tests.contract.test_lifecycle import undo as undone
from tests.databases.servers import PASSWORD
from tests.worlds import dms_double
from tests.worlds.aws_dms import RENAMED, STATEMENTS, DmsWorld, prepare
from tests.worlds.aws_server import client
from tests.worlds.mysql import SCHEMA, schema_of


@pytest.fixture
def world() -> Iterator[DmsWorld]:
    world = DmsWorld(*STATEMENTS)
    yield world
    world.close()


@pytest.fixture
def bare() -> Iterator[DmsWorld]:
    world = DmsWorld()
    world.network()
    yield world
    world.close()


def applied(step: Step[Any], progress: Progress = lambda done, total, unit: None) -> list[str]:
    """Apply as the runner does; gives the journal."""
    journal: list[str] = []
    reader = Reader()
    writer = Writer(reader, journal.append, progress)
    try:
        plan = step.plan(step.inspect(reader))
        if not plan.is_empty:
            step.apply(plan, writer)
    finally:
        writer.close()
        reader.close()
    return journal


def sides(world: DmsWorld) -> Any:
    assert world.mysql is not None
    return world.mysql.source, world.mysql.target


TRIGGER = f"CREATE TRIGGER {SCHEMA}.count AFTER INSERT ON {SCHEMA}.log FOR EACH ROW SET @n = 1"
MOVED_ON = (
    f"UPDATE {SCHEMA}.orders SET price = price + 1 WHERE id = 3",
    f"DELETE FROM {SCHEMA}.`客户_1` WHERE id = 5",  # takes orders along, which is in no binlog
    f"UPDATE {SCHEMA}.`客户_1` SET note = 'only the large value' WHERE id = 6",
)


def test_a_database_from_the_first_object_to_the_proof(world: DmsWorld) -> None:
    source, target = sides(world)
    source.run(TRIGGER)
    world.network()
    prepare(schema_of(world.move), *world.setup(), world.task())
    world.behaviour.slow = 1
    told: list[tuple[int, int]] = []
    journal = applied(world.data(), lambda done, total, unit: told.append((done, total)))
    assert any("StartReplicationTask" in line for line in journal)
    assert told[-1][0] == 13 + 31 + 4
    objects = CreateObjects(key="o", move=world.move, without=frozenset({"trigger"}))
    prepare(objects)
    assert verified(world.check()) is Status.PASS
    # DMS brings the changes of the rows, but neither cascades nor changes of large values alone.
    source.run(*MOVED_ON)
    target.run(f"UPDATE {SCHEMA}.orders SET price = price + 1 WHERE id = 3")
    prepare(FreezeSource(key="f", move=world.move), world.stop())
    assert verified(world.stop()) is Status.PASS
    assert planned(world.data()).is_empty, "under the freeze nothing starts it again"
    prepare(RefreshData(key="r", move=world.move))
    compared = CompareDatabase(key="c", move=world.move, frozen=True)
    assert verified(compared) is Status.PASS
    assert target.run(f"SHOW TRIGGERS FROM {SCHEMA}")[0][0] == "count"


def test_going_back_before_the_switch_lets_dms_go_on(world: DmsWorld) -> None:
    source, target = sides(world)
    source.run(TRIGGER)
    world.ready_to_load()
    prepare(world.data(), FreezeSource(key="f", move=world.move))
    stopping = planned(world.stop())
    prepare(world.stop(), RefreshData(key="r", move=world.move))
    undone(world.stop(), stopping)
    assert world.raw().status == "running"
    assert target.run(f"SHOW TRIGGERS FROM {SCHEMA}") == []
    source.run("SET GLOBAL read_only = 0", *MOVED_ON[:1])
    dms_double.carry(world.raw(), "orders")
    prepare(FreezeSource(key="f", move=world.move), world.stop(), RefreshData(key="r", move=world.move))
    assert verified(CompareDatabase(key="c", move=world.move, frozen=True)) is Status.PASS


def test_a_schema_that_changes_its_name(world: DmsWorld) -> None:
    _, target = sides(world)
    object.__setattr__(world.move, "target_schema", RENAMED)
    world.ready_to_load(migration="full-load")
    prepare(world.data(migration="full-load"))
    assert target.run(f"SELECT COUNT(*), SUM(tax) FROM {RENAMED}.orders")[0][0] == 31
    assert verified(world.data(migration="full-load")) is Status.PASS
    assert planned(world.data(migration="full-load")).is_empty


def test_after_all_nothing_of_dms_is_left(world: DmsWorld) -> None:
    before = world.snapshot()
    world.network()
    steps: list[Step[Any]] = [schema_of(world.move), *world.setup(), world.task(), world.data()]
    plans = []
    for step in steps:
        plans.append(planned(step))
        prepare(step)
    for step, plan in reversed(list(zip(steps, plans, strict=True))):
        undone(step, Plan.from_json(plan.to_json()))
    assert world.snapshot() == before


def test_the_password_reaches_dms_alone(world: DmsWorld) -> None:
    world.network()
    prepare(*world.setup()[:2])
    step = world.end("source")
    plan, journal = planned(step), applied(step)
    made = dms_double.now.ends[client("dms").describe_endpoints()["Endpoints"][0]["EndpointArn"]]
    assert made.password == PASSWORD
    assert PASSWORD not in json.dumps(plan.to_json()) + repr(step) + " ".join(journal)


def test_dms_reads_the_secret_itself(world: DmsWorld) -> None:
    step = world.end("target")
    for name, value in {"secrets_role": "arn:aws-cn:iam::123456789012:role/dms-secrets"}.items():
        object.__setattr__(step, name, value)
    object.__setattr__(step.password, "ref", "aws:shop/target#password")
    try:
        prepare(step)
        told = client("dms").describe_endpoints()["Endpoints"][0]
        assert told["MySQLSettings"]["SecretsManagerSecretId"] == "shop/target"
        assert "Username" not in told and dms_double.now.ends[told["EndpointArn"]].password is None
        assert planned(step).is_empty
    finally:
        object.__setattr__(step.password, "ref", "env:QIANYUN_TEST_MYSQL_PASSWORD")


# Refused calls by operation: the code, the class's text, the next command.
REFUSALS = [
    (
        "CreateReplicationInstance",
        "ResourceQuotaExceededFault:at most 60",
        "quota",
        "aws dms describe-account-attributes --region cn-north-1",
    ),
    (
        "CreateReplicationInstance",
        "InsufficientResourceCapacityFault",
        "capacity",
        "aws dms describe-account-attributes --region cn-north-1",
    ),
    (
        "CreateReplicationInstance",
        "InvalidSubnet:not in this VPC",
        "not in this VPC",
        "aws dms describe-replication-instances --region cn-north-1"
        " --filters Name=replication-instance-id,Values=qianyun-practice-shop-db-instance",
    ),
    (
        "CreateReplicationSubnetGroup",
        "AccessDeniedFault:The IAM Role arn:aws:iam::1:role/dms-vpc-role is not configured properly",
        "the account lacks",
        "aws dms describe-replication-subnet-groups --region cn-north-1"
        " --filters Name=replication-subnet-group-id,Values=qianyun-practice-shop-db-subnets",
    ),
    (
        "CreateReplicationSubnetGroup",
        "ReplicationSubnetGroupDoesNotCoverEnoughAZs:two zones",
        "two zones",
        "aws dms describe-replication-subnet-groups --region cn-north-1"
        " --filters Name=replication-subnet-group-id,Values=qianyun-practice-shop-db-subnets",
    ),
]


@pytest.mark.parametrize(
    ("operation", "code", "says", "command"), REFUSALS, ids=[r[1][:40] for r in REFUSALS]
)
def test_a_refused_call(bare: DmsWorld, operation: str, code: str, says: str, command: str) -> None:
    if operation == "CreateReplicationInstance":
        prepare(bare.subnets())
    bare.behaviour.refuse[operation] = code
    step: Step[Any] = bare.machine() if operation == "CreateReplicationInstance" else bare.subnets()
    with pytest.raises(ApplyFailed, match=says) as caught:
        applied(step)
    text = str(caught.value)
    assert f"dms.{operation}" in text and "not done: create" in text
    assert text.splitlines()[-1].strip() == command
    bare.behaviour.refuse.clear()
    applied(step)
    assert verified(step) is Status.PASS, "nothing is lost: the next run makes it"


def test_a_connection_that_fails_is_told_with_dms_s_words(world: DmsWorld) -> None:
    world.network()
    prepare(*world.setup()[:-1])
    world.behaviour.unreachable = "target"
    with pytest.raises(
        ApplyFailed, match="target endpoint of shop-db failed: Can't connect to MySQL"
    ) as caught:
        applied(world.connections())
    assert "aws dms describe-endpoints" in caught.value.next_command
    world.behaviour.unreachable = ""
    applied(world.connections())
    assert verified(world.connections()) is Status.PASS


def test_a_table_that_dms_gives_up_fails_by_name_and_is_loaded_again(world: DmsWorld) -> None:
    world.ready_to_load()
    world.behaviour.broken = {"orders": "Table error"}
    with pytest.raises(ApplyFailed, match="orders: Table error") as caught:
        applied(world.data())
    assert "aws dms describe-table-statistics" in caught.value.next_command
    assert verified(world.data()) is Status.FAIL
    world.behaviour.broken = {}
    journal = applied(world.data())
    assert any("empty table shop.log" in line for line in journal), (
        "what the failed load left is no longer there"
    )
    assert verified(world.data()) is Status.PASS


def test_a_suspended_table_stops_the_cutover(world: DmsWorld) -> None:
    world.ready_to_load()
    prepare(world.data(), FreezeSource(key="f", move=world.move))
    world.raw().states["orders"] = ("Table suspended", 31)
    with pytest.raises(ApplyFailed, match="orders: Table suspended"):
        applied(world.stop())
    assert world.raw().status == "running"


def test_a_failed_task_is_told_with_its_message(world: DmsWorld) -> None:
    world.ready_to_load()
    world.behaviour.failure = "Last Error The binary log was purged"
    with pytest.raises(ApplyFailed, match="FATAL_ERROR; Last Error The binary log was purged") as caught:
        applied(world.data())
    assert caught.value.next_command.endswith("Name=replication-task-id,Values=qianyun-practice-shop-db-task")
    world.behaviour.failure = ""
    applied(world.data())
    assert verified(world.data()) is Status.PASS


def test_a_replication_that_failed_after_the_load_is_resumed(world: DmsWorld) -> None:
    world.ready_to_load()
    prepare(world.data())
    task = world.raw()
    task.status, task.failure = "failed", "Last Error Lost connection"
    assert verified(world.data()) is Status.FAIL
    plan = planned(world.data())
    assert [change.object for change in plan.changes] == [
        "ongoing replication by replication task qianyun-practice-shop-db-task"
    ]
    applied(world.data())
    assert verified(world.data()) is Status.PASS
    source, _ = sides(world)
    task.status, task.failure = "failed", "Last Error Lost connection"
    source.run("SET GLOBAL read_only = 1")
    with pytest.raises(Refused, match="Lost connection"):
        planned(world.stop())


@pytest.mark.parametrize("lag_s", [3600.0, None], ids=["far behind", "no figure"])
def test_it_is_not_stopped_while_it_is_behind(world: DmsWorld, lag_s: float | None) -> None:
    world.ready_to_load()
    prepare(world.data())
    world.behaviour.lag_s = lag_s
    assert verified(world.check()) is (Status.FAIL if lag_s else Status.UNKNOWN)
    prepare(FreezeSource(key="f", move=world.move))
    with pytest.raises(ApplyFailed, match="lag 3600 s" if lag_s else "lag no figure yet"):
        applied(world.stop(wait_s=0))
    assert world.raw().status == "running"


def test_it_is_not_stopped_before_the_freeze(world: DmsWorld) -> None:
    world.ready_to_load()
    prepare(world.data())
    with pytest.raises(Refused, match="can be written to"):
        applied(world.stop())
    assert world.raw().status == "running"


def test_rows_of_others_are_never_overwritten(world: DmsWorld) -> None:
    _, target = sides(world)
    world.ready_to_load()
    target.run(f"INSERT INTO {SCHEMA}.log VALUES ('foreign', 1)")
    with pytest.raises(Refused, match=r"log of .* holds rows that DMS did not bring"):
        planned(world.data())


def test_triggers_on_the_target_are_refused(world: DmsWorld) -> None:
    _, target = sides(world)
    world.ready_to_load()
    target.run(TRIGGER)
    with pytest.raises(Refused, match="has triggers already: count"):
        planned(world.data())


def test_a_table_that_came_later(world: DmsWorld) -> None:
    """Before the start the task is changed; afterwards it is refused by name."""
    source, _ = sides(world)
    world.ready_to_load()
    source.run(f"CREATE TABLE {SCHEMA}.later (id INT PRIMARY KEY)")
    assert [change.action for change in planned(world.task()).changes] == ["change"]
    prepare(schema_of(world.move), world.task(), world.data())
    source.run(f"CREATE TABLE {SCHEMA}.latest (id INT PRIMARY KEY)")
    with pytest.raises(Refused, match=r"has begun and no longer fits .*: latest"):
        planned(world.task())


FOREIGN: list[tuple[str, Callable[[DmsWorld], Step[Any]], dict[str, Any]]] = [
    (
        "create_replication_subnet_group",
        lambda world: world.subnets(),
        {
            "ReplicationSubnetGroupIdentifier": "qianyun-practice-shop-db-subnets",
            "ReplicationSubnetGroupDescription": "somebody's",
            "SubnetIds": ["subnet-1"],
        },
    ),
    (
        "create_replication_instance",
        lambda world: world.machine(),
        {
            "ReplicationInstanceIdentifier": "qianyun-practice-shop-db-instance",
            "ReplicationInstanceClass": "dms.t3.medium",
        },
    ),
    (
        "create_endpoint",
        lambda world: world.end("source"),
        {
            "EndpointIdentifier": "qianyun-practice-shop-db-source",
            "EndpointType": "source",
            "EngineName": "mysql",
        },
    ),
]


@pytest.mark.parametrize(("create", "step", "wish"), FOREIGN, ids=[case[0] for case in FOREIGN])
def test_objects_of_others_are_refused(
    bare: DmsWorld, create: str, step: Callable[[DmsWorld], Step[Any]], wish: dict[str, Any]
) -> None:
    getattr(client("dms"), create)(**wish)
    with pytest.raises(Refused, match="does not carry the mark of this project's step"):
        planned(step(bare))


def test_another_class_is_refused_not_changed(bare: DmsWorld) -> None:
    prepare(bare.subnets(), bare.machine())
    step = bare.machine()
    object.__setattr__(step, "instance_class", "dms.r5.large")
    with pytest.raises(Refused, match=r"dms\.t3\.medium.*wanted.*dms\.r5\.large"):
        planned(step)


NAMES = ["shop", "a_b", "100%", "[x]", "客户_1", "%_["]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_mapping_matches_only_itself(name: str) -> None:
    assert plain(literal(name)) == name
    assert not any(f"{mark}" in literal(name).replace(f"[{mark}]", "") for mark in "%_")


def _table(name: str, definition: str = "", *columns: Column, key: bool = True) -> Table:
    own = columns or (Column("id", "int"),)
    return Table(name, definition, own, own[:1] if key else (), "InnoDB", 1, 1)


HINDRANCES = [
    ("nothing", _table("t"), ""),
    (
        "large without a key",
        _table("t", "", Column("x", "text"), key=False),
        "table t has no key, but large columns (x)",
    ),
    (
        "large and NOT NULL",
        _table("t", "  `id` int(11),\n  `x` text NOT NULL,", Column("id", "int"), Column("x", "text")),
        "column t.x is large and NOT NULL, DMS fills it later",
    ),
    (
        "NOT NULL in a comment only",
        _table("t", "  `x` text COMMENT 'it''s NOT NULL',", Column("id", "int"), Column("x", "text")),
        "",
    ),
    ("small and NOT NULL", _table("t", "  `x` int NOT NULL,", Column("x", "int")), ""),
    (
        "large but generated",
        _table("t", "  `x` text NOT NULL,", Column("id", "int"), Column("x", "text", generated=True)),
        "",
    ),
]


@pytest.mark.parametrize(("table", "says"), [h[1:] for h in HINDRANCES], ids=[h[0] for h in HINDRANCES])
def test_what_is_too_much_for_dms(table: Table, says: str) -> None:
    assert list(too_much([table])) == ([says] if says else [])


def test_a_schema_without_tables_is_nothing_for_dms() -> None:
    assert "holds no table" in next(too_much([]))


def test_what_hinders_is_refused_before_anything_is_made(world: DmsWorld) -> None:
    facts = TaskFacts({"rules": []}, ABSENT, ("column t.x is large and NOT NULL",))
    with pytest.raises(Refused, match=r"cannot be replicated by DMS: column t\.x is large and NOT NULL"):
        world.task().plan(facts)


def test_the_settings_stop_rather_than_skip() -> None:
    told = settings(SCHEMA)
    policies = {key: value for key, value in told["ErrorBehavior"].items() if key.endswith("Policy")}
    assert set(policies.values()) == {"STOP_TASK"}
    assert told["TargetMetadata"]["FullLobMode"] and not told["TargetMetadata"]["LimitedSizeLobMode"]
    assert told["FullLoadSettings"]["TargetTablePrepMode"] == "DO_NOTHING"
    assert told["Logging"]["EnableLogging"]
    assert len(control_schema("x" * 64)) <= 64 and control_schema("x" * 64) != control_schema("x" * 63)


def test_the_mapping_names_every_table_and_no_generated_column(world: DmsWorld) -> None:
    object.__setattr__(world.move, "target_schema", RENAMED)
    generated = _table("a_b", "", Column("id", "int"), Column("tax", "int", generated=True))
    rules = mappings(world.move, [generated, _table("c")])["rules"]
    assert [rule["rule-id"] for rule in rules] == ["1", "2", "3", "4"]
    assert [rule.get("rule-action") for rule in rules] == ["include", "include", "rename", "remove-column"]
    assert rules[0]["object-locator"] == {"schema-name": SCHEMA, "table-name": "a[_]b"}
    assert rules[2]["value"] == RENAMED
    assert rules[3]["object-locator"]["column-name"] == "tax"


IDENTIFIERS = [
    ("demo", "shop-db", "qianyun-demo-shop-db-task"),
    ("demo", "shop.db", None),
    ("demo", "shop--db", None),
    ("d" * 63, "s" * 63, None),
]


@pytest.mark.parametrize(("project", "item", "plain_name"), IDENTIFIERS)
def test_identifiers_are_what_dms_takes(project: str, item: str, plain_name: str | None) -> None:
    name = dms.identifier(project, item, "task")
    assert plain_name is None or name == plain_name
    assert len(name) <= 63 and "--" not in name and name[0].isalpha() and not name.endswith("-")
    assert name != dms.identifier(project, item + "x", "task")


def test_waiting_too_long_is_transient(bare: DmsWorld) -> None:
    with pytest.raises(ApplyFailed, match="something: not after 0 s") as caught:
        dms.wait_until(lambda: None, "something", "aws dms ...", 0, 0)
    assert caught.value.transient
