"""AWS DMS steps enrolled in the lifecycle contract: moto's DMS as completed by dms_double, real databases."""

import json
import re
from collections.abc import Callable
from typing import Any

from core.access import Reader, Writer
from core.step import Step
from inventory.secrets import SecretSource
from tasks.aws import dms
from tasks.aws.dms_connections import TryReplicationConnections
from tasks.aws.dms_cutover import CheckReplication, StopReplication
from tasks.aws.dms_data import ReplicateData
from tasks.aws.dms_endpoints import ON_CONNECT, CreateReplicationEndpoint, Role
from tasks.aws.dms_instance import RunReplicationInstance
from tasks.aws.dms_subnets import CreateReplicationSubnetGroup
from tasks.aws.dms_task import CreateReplicationTask
from tests.contract.case import Case, World
from tests.databases.servers import MIGRATOR
from tests.worlds import dms_double
from tests.worlds.aws import AwsWorld
from tests.worlds.aws_server import PROJECT, client, tags
from tests.worlds.mysql import SCHEMA, MysqlWorld, fresh, schema_of

DATABASE = "shop-db"
RENAMED = "shop_new"
STATEMENTS = (
    f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
    f"USE {SCHEMA}",
    "CREATE TABLE `客户_1` (id INT PRIMARY KEY, `姓名` VARCHAR(40), note TEXT)",
    """CREATE TABLE orders (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, customer INT,
       price DECIMAL(12,2), tax DECIMAL(12,2) AS (price * 0.06) STORED, placed DATETIME(6),
       CONSTRAINT `of` FOREIGN KEY (customer) REFERENCES `客户_1` (id) ON DELETE CASCADE)""",
    "CREATE TABLE log (line VARCHAR(50), n INT)",
    "INSERT INTO `客户_1` SELECT seq, CONCAT('王 ', seq), REPEAT('长', 100) FROM seq_0_to_12",
    "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
    "INSERT INTO orders (id, customer, price, placed) SELECT seq, seq % 12, seq / 3,"
    " '2024-02-29 23:59:59.123456' FROM seq_0_to_30",
    "INSERT INTO log VALUES ('same', 1), ('same', 1), (NULL, 2), ('NULL', 2)",
)


def prepare(*steps: Step[Any]) -> None:
    """Apply steps, over one connection for all: a client of DMS takes 50 ms to build."""
    reader = Reader()
    writer = Writer(reader, lambda text: None)
    try:
        for step in steps:
            plan = step.plan(step.inspect(reader))
            if not plan.is_empty:
                step.apply(plan, writer)
    finally:
        writer.close()
        reader.close()


class DmsWorld(AwsWorld):
    """A fresh account, its DMS and, with `statements`, a source and a target with the wished tables."""

    def __init__(self, *statements: str) -> None:
        super().__init__()
        self.behaviour = dms_double.reset()
        self.mysql: MysqlWorld | None = None
        self.ids: dict[str, str] = {}
        if statements:
            self.mysql, self.move = fresh(*statements)

    def snapshot(self) -> object:
        return [self._dms(), self.mysql.snapshot() if self.mysql else None]

    def left(self) -> dict[str, Any]:
        """Everything that DMS holds."""
        found = client("dms")
        return {
            "groups": found.describe_replication_subnet_groups()["ReplicationSubnetGroups"],
            "instances": found.describe_replication_instances()["ReplicationInstances"],
            "ends": found.describe_endpoints()["Endpoints"],
            "tasks": found.describe_replication_tasks()["ReplicationTasks"],
            "connections": found.describe_connections()["Connections"],
        }

    def _dms(self) -> object:
        found, told = client("dms"), self.left()
        names = {end["EndpointArn"]: end["EndpointIdentifier"] for end in told["ends"]}
        names |= {id_: name for name, id_ in self.ids.items()}
        for kind, arn in (
            ("instances", "ReplicationInstanceArn"),
            ("ends", "EndpointArn"),
            ("tasks", "ReplicationTaskArn"),
        ):
            for thing in told[kind]:
                thing["Tags"] = sorted(
                    (tag["Key"], tag["Value"])
                    for tag in found.list_tags_for_resource(ResourceArn=thing[arn])["TagList"]
                )
        for task in told["tasks"]:
            # A task that ran is never "ready" again, but just as still.
            task["Status"] = "still" if task["Status"] in ("ready", "stopped") else task["Status"]
            task.pop("ReplicationTaskStats"), task.pop("StopReason")
        text = json.dumps(told, sort_keys=True, default=str)
        for arn, name in names.items():
            text = text.replace(arn, name)
        return json.loads(re.sub(r'"[A-Za-z]*(Date|Time)": "[^"]*"', '"at": ""', text))

    def close(self) -> None:
        super().close()
        if self.mysql is not None:
            self.mysql.close()

    def network(self) -> dict[str, str]:
        """What earlier steps made: the VPC, two subnets, a security group; ids by name."""
        vpc = self.vpc()
        self.ids = {
            "private-a": self.subnet(vpc, "private-a", "10.80.10.0/24"),
            "private-b": self.subnet(vpc, "private-b", "10.80.11.0/24"),
            "data": self.group(vpc, "data"),
        }
        return self.ids

    def subnets(self) -> CreateReplicationSubnetGroup:
        return CreateReplicationSubnetGroup(
            key=dms.step_key(DATABASE, "subnets"),
            item=DATABASE,
            account=self.account,
            database=DATABASE,
            subnets=("private-a", "private-b"),
        )

    def machine(self) -> RunReplicationInstance:
        return RunReplicationInstance(
            key=dms.step_key(DATABASE, "instance"),
            item=DATABASE,
            account=self.account,
            database=DATABASE,
            instance_class="dms.t3.medium",
            storage_gb=50,
            security_group="data",
            poll_s=0,
        )

    def end(self, role: Role) -> CreateReplicationEndpoint:
        server: Any = (self.move.source if role == "source" else self.move.target) if self.mysql else None
        return CreateReplicationEndpoint(
            key=dms.step_key(DATABASE, role),
            item=DATABASE,
            account=self.account,
            database=DATABASE,
            role=role,
            engine="mariadb",
            address="127.0.0.1",
            port=server.port if server else 3306,
            user=MIGRATOR,
            password=server.password if server else SecretSource("file:secret_access_key", self.keys.folder),
            poll_s=0,
        )

    def connections(self) -> TryReplicationConnections:
        key = dms.step_key(DATABASE, "connections")
        return TryReplicationConnections(
            key=key, item=DATABASE, account=self.account, database=DATABASE, poll_s=0
        )

    def task(self, **other: Any) -> CreateReplicationTask:
        wanted: dict[str, Any] = {
            "key": dms.step_key(DATABASE, "task"),
            "item": DATABASE,
            "account": self.account,
            "database": DATABASE,
            "move": self.move,
            "migration": "full-load-and-cdc",
            "poll_s": 0,
        }
        return CreateReplicationTask(**(wanted | other))

    def data(self, **other: Any) -> ReplicateData:
        wanted: dict[str, Any] = {
            "key": f"databases/{DATABASE}/data",
            "item": DATABASE,
            "account": self.account,
            "database": DATABASE,
            "move": self.move,
            "migration": "full-load-and-cdc",
            "poll_s": 0,
        }
        return ReplicateData(**(wanted | other))

    def check(self, max_lag_s: int = 10) -> CheckReplication:
        return CheckReplication(
            key=f"cutover/{DATABASE}/readiness",
            item=DATABASE,
            account=self.account,
            move=self.move,
            database=DATABASE,
            max_lag_s=max_lag_s,
        )

    def stop(self, **other: Any) -> StopReplication:
        wanted: dict[str, Any] = {
            "key": f"cutover/{DATABASE}/replication",
            "item": DATABASE,
            "account": self.account,
            "move": self.move,
            "database": DATABASE,
            "poll_s": 0,
        }
        return StopReplication(**(wanted | other))

    def ready_to_load(self, **task: Any) -> None:
        """Everything up to the start of the load, as the earlier steps would have left it."""
        self.given()
        prepare(schema_of(self.move), self.task(**task))

    def given(self) -> None:
        """Instance and endpoints, made by the administrator: cheaper than by the steps."""
        made, machine = client("dms"), self.machine()
        made.create_replication_instance(
            ReplicationInstanceIdentifier=machine.id,
            ReplicationInstanceClass=machine.instance_class,
            Tags=tags(machine.key),
        )
        for role, server in (("source", self.move.source), ("target", self.move.target)):
            end: Any = server
            made.create_endpoint(
                EndpointIdentifier=dms.identifier(PROJECT, DATABASE, role),
                EndpointType=role,
                EngineName="mariadb",
                ServerName=end.host,
                Port=end.port,
                Username=end.user,
                Password=end.password.resolve().reveal(),
                MySQLSettings={"AfterConnectScript": ON_CONNECT},
                Tags=tags(dms.step_key(DATABASE, role)),
            )

    def setup(self) -> list[Step[Any]]:
        return [
            self.subnets(),
            self.machine(),
            self.end("source"),
            self.end("target"),
            self.connections(),
        ]

    def raw(self) -> Any:
        """The task inside the double."""
        return next(iter(dms_double.tasks().values()))


Built = tuple[Step[Any], World]


def subnet_group() -> Built:
    world = DmsWorld()
    ids = world.network()
    step = world.subnets()
    world.damage = lambda: client("dms").modify_replication_subnet_group(
        ReplicationSubnetGroupIdentifier=step.id, SubnetIds=[ids["private-a"]]
    )
    return step, world


def drifted_subnet_group() -> Built:
    world = DmsWorld()
    ids = world.network()
    step = world.subnets()
    client("dms").create_replication_subnet_group(
        ReplicationSubnetGroupIdentifier=step.id,
        ReplicationSubnetGroupDescription=f"qianyun:project={PROJECT} qianyun:step={step.key}",
        SubnetIds=[ids["private-b"]],
    )
    world.damage = lambda: client("dms").delete_replication_subnet_group(
        ReplicationSubnetGroupIdentifier=step.id
    )
    return step, world


def instance() -> Built:
    world = DmsWorld()
    world.network()
    prepare(world.subnets())
    step = world.machine()
    world.damage = lambda: client("dms").delete_replication_instance(
        ReplicationInstanceArn=client("dms").describe_replication_instances()["ReplicationInstances"][0][
            "ReplicationInstanceArn"
        ]
    )
    return step, world


def source_endpoint() -> Built:
    return _endpoint("source")


def target_endpoint() -> Built:
    return _endpoint("target")


def _endpoint(role: Role) -> Built:
    world = DmsWorld()
    step = world.end(role)
    world.damage = lambda: client("dms").delete_endpoint(
        EndpointArn=client("dms").describe_endpoints()["Endpoints"][0]["EndpointArn"]
    )
    return step, world


def connections() -> Built:
    world = DmsWorld()
    world.network()
    prepare(*world.setup()[:-1])
    world.damage = lambda: setattr(world.behaviour, "unreachable", "source")
    return world.connections(), world


def task() -> Built:
    world = DmsWorld(*STATEMENTS)
    world.given()
    world.damage = lambda: world.mysql and world.mysql.source.run(f"CREATE TABLE {SCHEMA}.later (id INT)")
    return world.task(), world


def data() -> Built:
    world = DmsWorld(*STATEMENTS)
    world.ready_to_load()
    world.behaviour.slow = 2
    world.damage = _give_up(world)
    return world.data(), world


def replication_watched() -> Built:
    world = _replicating()
    world.damage = lambda: setattr(world.behaviour, "lag_s", 3600)
    return world.check(), world


def replication_stopped() -> Built:
    world = _replicating()
    _frozen(world)
    world.damage = lambda: world.mysql and world.mysql.source.run("SET GLOBAL read_only = 0")
    return world.stop(), world


def _replicating() -> DmsWorld:
    world = DmsWorld(*STATEMENTS)
    world.ready_to_load()
    prepare(world.data())
    return world


def _frozen(world: DmsWorld) -> None:
    assert world.mysql is not None
    world.mysql.source.run("SET GLOBAL read_only = 1")


def _give_up(world: DmsWorld) -> Callable[[], object]:
    return lambda: world.raw().states.update(orders=("Table error", 0))


CASES = [
    Case(f"dms-{build.__name__.replace('_', '-')}", build)
    for build in (
        subnet_group,
        drifted_subnet_group,
        instance,
        source_endpoint,
        target_endpoint,
        connections,
        task,
        data,
        replication_watched,
        replication_stopped,
    )
]
