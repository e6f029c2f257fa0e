"""What moto's DMS lacks: a task that loads rows, table statistics, states that pass, refusals, the lag.

moto (5.2) has create, describe and delete of subnet groups, instances, endpoints, tasks and connection tests,
but keeps no subnets, answers [] where DMS answers "not found", lets objects in use be deleted, and has no
DescribeTableStatistics, Modify*, DeleteConnection or start types. They are added here, in the same process
and behind the same client. Rows are truly brought over, between the two MariaDB servers of the tests.
Source: AWS DMS API reference.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pymysql
from moto.backends import get_backend
from moto.cloudwatch.models import CloudWatchBackend, MetricDatum
from moto.core.utils import utcnow
from moto.dms.exceptions import DmsClientError, InvalidResourceStateFault, ResourceNotFoundFault
from moto.dms.exceptions import ResourceAlreadyExistsFault as AlreadyExists
from moto.dms.models import DatabaseMigrationServiceBackend as Backend
from moto.dms.models import FakeReplicationSubnetGroup
from moto.dms.responses import DatabaseMigrationServiceResponse as Response

from tasks.aws.dms_mapping import plain
from tests.databases.servers import LocalServer, servers

_MOTO = {
    name: getattr(Backend, name)
    for name in (
        "create_replication_subnet_group",
        "create_endpoint",
        "delete_endpoint",
        "delete_replication_instance",
        "delete_replication_subnet_group",
        "describe_connections",
        "describe_endpoints",
        "describe_replication_instances",
        "describe_replication_subnet_groups",
        "describe_replication_tasks",
    )
}
_STATISTICS = CloudWatchBackend.get_metric_statistics


@dataclass
class Behaviour:
    """How DMS behaves from now on; one for each world.

    refuse: code by operation; broken: state by table; unreachable: which role's connection test fails;
    slow: how often "running" is told before the tables are loaded.
    """

    refuse: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    failure: str = ""
    unreachable: str = ""
    lag_s: float | None = 0.0
    slow: int = 0
    ends: dict[str, Any] = field(default_factory=dict)


now = Behaviour()


def reset() -> Behaviour:
    """An empty DMS that behaves well."""
    _teach()
    for service in ("dms", "cloudwatch"):
        for regions in get_backend(service).values():
            for backend in regions.values():
                backend.reset()
    now.__init__()  # type: ignore[misc]
    return now


@cache
def _teach() -> None:
    for name, function in _OPERATIONS.items():
        setattr(Response, name, function)
    for name in _MOTO:
        setattr(Backend, name, _BACKEND[name])
    FakeReplicationSubnetGroup.to_dict = _group_told  # type: ignore[method-assign]
    CloudWatchBackend.get_metric_statistics = _latency  # type: ignore[method-assign]
    dispatch = Response.call_action

    def guarded(self: Response) -> Any:
        code = now.refuse.get(self._get_action())
        if code:
            raise _Refused(code)
        return dispatch(self)

    setattr(Response, "call_action", guarded)  # noqa: B010


class _Refused(DmsClientError):
    def __init__(self, code: str) -> None:
        super().__init__(code.partition(":")[0], code.partition(":")[2] or "refused by the test")


def _create_group(self: Backend, **asked: Any) -> Any:
    made = _MOTO["create_replication_subnet_group"](self, **asked)
    made.subnetIds = asked["subnet_ids"]
    return made


def _group_told(self: FakeReplicationSubnetGroup) -> dict[str, Any]:
    return {
        "ReplicationSubnetGroupIdentifier": self.replication_subnet_group_identifier,
        "ReplicationSubnetGroupDescription": self.description,
        "SubnetGroupStatus": "Complete",
        "Subnets": [{"SubnetIdentifier": id_, "SubnetStatus": "Active"} for id_ in self.subnetIds or ()],
    }


def _create_endpoint(self: Backend, **asked: Any) -> Any:
    if asked["endpoint_identifier"] in self.endpoints:
        raise AlreadyExists("the endpoint exists")
    made = _MOTO["create_endpoint"](self, **asked)
    made.status = "active"
    now.ends[made.endpoint_arn] = made
    return made


def _delete_endpoint(self: Backend, endpoint_arn: str) -> Any:
    _refuse_used(self, endpoint_arn)
    return _MOTO["delete_endpoint"](self, endpoint_arn=endpoint_arn)


def _delete_instance(self: Backend, replication_instance_arn: str) -> Any:
    _refuse_used(self, replication_instance_arn)
    return _MOTO["delete_replication_instance"](self, replication_instance_arn=replication_instance_arn)


def _refuse_used(self: Backend, arn: str) -> None:
    for task in self.replication_tasks.values():
        if arn in (task.replication_instance_arn, task.source_endpoint_arn, task.target_endpoint_arn):
            raise InvalidResourceStateFault(f"replication task {task.id} uses it")


def _delete_group(self: Backend, replication_subnet_group_identifier: str) -> Any:
    for instance in self.replication_instances.values():
        if instance.replication_subnet_group_identifier == replication_subnet_group_identifier:
            raise InvalidResourceStateFault(f"replication instance {instance.id} uses it")
    return _MOTO["delete_replication_subnet_group"](self, replication_subnet_group_identifier)


def _strict(name: str) -> Any:
    """Describing with a filter that matches nothing is an error."""

    def look(self: Backend, filters: Any = None, **more: Any) -> Any:
        found = list(_MOTO[name](self, filters=filters, **more))
        if not found and filters:
            raise ResourceNotFoundFault("nothing matches the filter")
        return found

    return look


_BACKEND = {
    "create_replication_subnet_group": _create_group,
    "create_endpoint": _create_endpoint,
    "delete_endpoint": _delete_endpoint,
    "delete_replication_instance": _delete_instance,
    "delete_replication_subnet_group": _delete_group,
    **{name: _strict(name) for name in _MOTO if name.startswith("describe_")},
}


def _latency(self: CloudWatchBackend, namespace: str, metric_name: str, *rest: Any, **more: Any) -> Any:
    if namespace == "AWS/DMS" and now.lag_s is not None:
        # Only the newest figure: a lag that the test changed is as it is now.
        self.metric_data[:] = [
            MetricDatum(namespace, metric_name, now.lag_s, more["dimensions"], utcnow(), "Seconds")
        ]
    return _STATISTICS(self, namespace, metric_name, *rest, **more)


def _task(self: Response) -> Any:
    arn = self._get_param("ReplicationTaskArn")
    if arn not in self.dms_backend.replication_tasks:
        raise ResourceNotFoundFault("no such task")
    return self.dms_backend.replication_tasks[arn]


def _describe_tasks(self: Response) -> str:
    found: Any = self.dms_backend.describe_replication_tasks(
        filters=self._get_param("Filters", []), max_records=100
    )
    told = [_told(task) for task in found]
    for task in found:
        task.status = _NEXT.get(task.status, task.status)
        if task.status == "running" and task.waits:
            task.waits -= 1
        elif task.status == "running" and not task.loaded:
            _load(task)
        elif task.status == "gone":
            del self.dms_backend.replication_tasks[task.arn]
    return json.dumps({"ReplicationTasks": told})


_NEXT = {
    "creating": "ready",
    "modifying": "ready",
    "starting": "running",
    "stopping": "stopped",
    "deleting": "gone",
}


def _told(task: Any) -> dict[str, Any]:
    told = task.to_dict()
    return {
        **{key: value for key, value in told.items() if value is not None},
        "ReplicationTaskSettings": json.dumps(
            # DMS fills in what was not asked for.
            {**json.loads(task.replication_task_settings), "StreamBufferSettings": {"StreamBufferCount": 3}}
        ),
        "LastFailureMessage": getattr(task, "failure", ""),
        "StopReason": getattr(task, "reason", ""),
    }


def _start(self: Response) -> str:
    task, how = _task(self), self._get_param("StartReplicationTaskType")
    if task.status not in ({"ready"} if how == "start-replication" else {"stopped", "failed"}):
        raise InvalidResourceStateFault(f"{how} of a task that is {task.status}")
    task.status, task.failure, task.reason = "starting", "", ""
    if how != "resume-processing":
        task.loaded, task.states, task.waits = False, {}, now.slow
    return json.dumps({"ReplicationTask": _told(task)})


def _stop(self: Response) -> str:
    task = _task(self)
    if task.status != "running":
        raise InvalidResourceStateFault(f"stop of a task that is {task.status}")
    task.status, task.reason = "stopping", "Stop Reason NORMAL"
    return json.dumps({"ReplicationTask": _told(task)})


def _delete(self: Response) -> str:
    task = _task(self)
    if task.status in ("starting", "running", "stopping"):
        raise InvalidResourceStateFault(f"delete of a task that is {task.status}")
    task.status = "deleting"
    return json.dumps({"ReplicationTask": _told(task)})


def _modify_task(self: Response) -> str:
    task = _task(self)
    if task.status not in ("ready", "stopped", "failed"):
        raise InvalidResourceStateFault(f"change of a task that is {task.status}")
    task.table_mappings = self._get_param("TableMappings")
    task.replication_task_settings = self._get_param("ReplicationTaskSettings")
    task.migration_type, task.status = self._get_param("MigrationType"), "modifying"
    return json.dumps({"ReplicationTask": _told(task)})


def _modify_group(self: Response) -> str:
    group = self.dms_backend.replication_subnet_groups[self._get_param("ReplicationSubnetGroupIdentifier")]
    group.subnetIds = self._get_param("SubnetIds")
    return json.dumps({"ReplicationSubnetGroup": group.to_dict()})


def _delete_connection(self: Response) -> str:
    ends = (self._get_param("EndpointArn"), self._get_param("ReplicationInstanceArn"))
    kept = [c for c in self.dms_backend.connections if (c.endpoint_arn, c.replication_instance_arn) != ends]
    self.dms_backend.connections[:] = kept
    return "{}"


def _connections(self: Response) -> str:
    found = self.dms_backend.describe_connections(
        filters=self._get_param("Filters", []), max_records=None, marker=None
    )
    told = [connection.to_dict() for connection in found]
    for one in told:
        if now.unreachable and one["EndpointIdentifier"].endswith(now.unreachable):
            one |= {"Status": "failed", "LastFailureMessage": "Can't connect to MySQL server"}
    return json.dumps({"Connections": told})


def _table_statistics(self: Response) -> str:
    states = getattr(_task(self), "states", {})
    told = [
        {"TableName": table, "TableState": state, "FullLoadRows": rows, "FullLoadErrorRows": 0}
        for table, (state, rows) in states.items()
    ]
    return json.dumps({"TableStatistics": told})


_OPERATIONS = {
    "describe_replication_tasks": _describe_tasks,
    "start_replication_task": _start,
    "stop_replication_task": _stop,
    "delete_replication_task": _delete,
    "modify_replication_task": _modify_task,
    "modify_replication_subnet_group": _modify_group,
    "delete_connection": _delete_connection,
    "describe_connections": _connections,
    "describe_table_statistics": _table_statistics,
}


def _load(task: Any) -> None:
    """The full load, whole or up to where the test lets it fail."""
    if now.failure:
        task.status, task.failure, task.reason = "failed", now.failure, "Stop Reason FATAL_ERROR"
        return
    for table in tables_of(task):
        state = now.broken.get(table, "Table completed")
        rows = carry(task, table) if state == "Table completed" else 0
        task.states[table] = (state, rows)
    task.loaded = True
    if now.broken:
        task.status, task.failure = "failed", "a table could not be loaded"
    elif task.migration_type == "full-load":
        task.status, task.reason = "stopped", "Stop Reason FULL_LOAD_ONLY_FINISHED"


def tables_of(task: Any) -> list[str]:
    rules = json.loads(task.table_mappings)["rules"]
    return [plain(r["object-locator"]["table-name"]) for r in rules if r["rule-type"] == "selection"]


def carry(task: Any, table: str) -> int:
    """Bring one table over as its mapping says, in place of what the target holds."""
    rules = json.loads(task.table_mappings)["rules"]
    schema = plain(rules[0]["object-locator"]["schema-name"])
    into = next((rule["value"] for rule in rules if rule["rule-action"] == "rename"), schema)
    removed = {
        plain(rule["object-locator"]["column-name"])
        for rule in rules
        if rule["rule-action"] == "remove-column" and plain(rule["object-locator"]["table-name"]) == table
    }
    source, target = now.ends[task.source_endpoint_arn], now.ends[task.target_endpoint_arn]
    with _login(source) as reading, _login(target) as writing:
        read, write = reading.cursor(), writing.cursor()
        write.execute(target.my_sql_settings["AfterConnectScript"])
        control = json.loads(task.replication_task_settings)["ControlTablesSettings"]["ControlSchema"]
        write.execute(f"CREATE DATABASE IF NOT EXISTS `{control}`")
        read.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
            (schema, table),
        )
        columns = ", ".join(_quoted(name) for (name,) in read.fetchall() if name not in removed)
        read.execute(f"SELECT {columns} FROM {_quoted(schema)}.{_quoted(table)}")
        rows = read.fetchall()
        write.execute(f"DELETE FROM {_quoted(into)}.{_quoted(table)}")
        if rows:
            marks = ", ".join(["%s"] * len(rows[0]))
            write.executemany(
                f"INSERT INTO {_quoted(into)}.{_quoted(table).replace('%', '%%')}"
                f" ({columns.replace('%', '%%')}) VALUES ({marks})",
                rows,
            )
        writing.commit()
    return len(rows)


def _login(end: Any) -> Any:
    """As DMS does it: with what the endpoint was given, the password included."""
    return pymysql.connect(
        host=end.server_name, port=end.port, user=end.username, password=end.password, charset="utf8mb4"
    )


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def local(port: int) -> LocalServer:
    return next(server for server in servers() if server.port == port)


def tasks() -> dict[str, Any]:
    """The tasks in all accounts and regions, by ARN."""
    return {
        arn: task
        for regions in get_backend("dms").values()
        for backend in regions.values()
        for arn, task in backend.replication_tasks.items()
    }
