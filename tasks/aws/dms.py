"""AWS DMS: what all its steps share: names, looking at its objects, waiting, and the naming of failures.

DMS has no filter by tags: objects have deterministic names and their tags are read to know them as ours.
Source: AWS DMS API reference; AWS DMS user guide, "Working with AWS DMS tasks".
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from core.errors import ApplyFailed, Refused
from core.plan import Value
from tasks.aws.calls import CallFailed, none_on
from tasks.aws.endpoint import AwsAccount, AwsReader
from tasks.aws.marks import PROJECT_TAG, STEP_TAG, Mark

T = TypeVar("T")

POLL_S = 15.0
GONE = "ResourceNotFoundFault"
EXISTS = "ResourceAlreadyExistsFault"
_QUOTA = re.compile(r"QuotaExceeded|InsufficientResourceCapacity")
_LONGEST = 63
"""Of an instance's identifier; endpoints and tasks may be longer. Source: CreateReplicationInstance."""


def identifier(project: str, item: str, role: str) -> str:
    """The name of a DMS object: small letters, digits and single dashes; still one of a kind."""
    raw = f"qianyun-{project}-{item}-{role}"
    plain = re.sub(r"[^a-z0-9]+", "-", raw.lower()).strip("-")
    if plain == raw and len(plain) <= _LONGEST:
        return plain
    digest = hashlib.sha256(raw.encode()).hexdigest()[:8]
    return f"{plain[: _LONGEST - len(role) - 10].rstrip('-')}-{digest}-{role}"


def step_key(item: str, role: str) -> str:
    """The step that makes the DMS object of this role ("subnets", "instance", "source", "target", "task")."""
    return f"environment/{item}/dms-{role}"


@dataclass(frozen=True)
class TableProgress:
    """How far DMS is with one table of the source."""

    name: str
    state: str
    rows: int = 0
    error_rows: int = 0

    @property
    def loaded(self) -> bool:
        return self.state == "Table completed" and not self.error_rows

    @property
    def broken(self) -> bool:
        return (
            bool(self.error_rows)
            or re.search(r"error|suspend|cancel|not exist", self.state, re.I) is not None
        )


@dataclass(frozen=True)
class Task:
    """A replication task. `mappings` and `settings` as DMS tells them, parsed."""

    id: str
    arn: str
    status: str
    migration: str = ""
    mappings: Value = None
    settings: Value = None
    failure: str = ""
    stop_reason: str = ""
    ends: tuple[str, ...] = ()
    """ARNs of its instance, source and target endpoint."""
    tables: tuple[TableProgress, ...] = field(default=())

    def loaded(self, wanted: Iterable[str]) -> bool:
        """Whether the full load of all these tables is over and whole."""
        states = {table.name: table for table in self.tables}
        return all(name in states and states[name].loaded for name in wanted)

    @property
    def broken(self) -> tuple[str, ...]:
        """Tables that DMS gave up, each with its state."""
        return tuple(
            f"{table.name}: {table.state}"
            + (f", {table.error_rows} rows in error" if table.error_rows else "")
            for table in self.tables
            if table.broken
        )

    @property
    def said(self) -> str:
        """What DMS says of its end."""
        return "; ".join(text for text in (self.stop_reason, self.failure) if text) or "it gave no reason"


def find_task(cloud: AwsReader, id_: str, *, tables: bool = False) -> Task | None:
    found = _only(
        cloud.dms.get_paginator("describe_replication_tasks"), "ReplicationTasks", "replication-task-id", id_
    )
    if found is None:
        return None
    arn = found["ReplicationTaskArn"]
    return Task(
        id=id_,
        arn=arn,
        status=found["Status"],
        migration=found["MigrationType"],
        mappings=parsed(found.get("TableMappings")),
        settings=parsed(found.get("ReplicationTaskSettings")),
        failure=found.get("LastFailureMessage") or "",
        stop_reason=found.get("StopReason") or "",
        ends=(found["ReplicationInstanceArn"], found["SourceEndpointArn"], found["TargetEndpointArn"]),
        tables=_progress(cloud, arn) if tables and found["Status"] not in ("creating", "ready") else (),
    )


def _progress(cloud: AwsReader, arn: str) -> tuple[TableProgress, ...]:
    pages = cloud.dms.get_paginator("describe_table_statistics").paginate(ReplicationTaskArn=arn)
    return tuple(
        TableProgress(
            name=found["TableName"],
            state=found.get("TableState", ""),
            rows=found.get("FullLoadRows", 0),
            error_rows=found.get("FullLoadErrorRows", 0),
        )
        for page in pages
        for found in page["TableStatistics"]
    )


def find_instance(cloud: AwsReader, id_: str) -> Any:
    pages = cloud.dms.get_paginator("describe_replication_instances")
    return _only(pages, "ReplicationInstances", "replication-instance-id", id_)


def find_endpoint(cloud: AwsReader, id_: str) -> Any:
    return _only(cloud.dms.get_paginator("describe_endpoints"), "Endpoints", "endpoint-id", id_)


def find_subnet_group(cloud: AwsReader, id_: str) -> Any:
    pages = cloud.dms.get_paginator("describe_replication_subnet_groups")
    return _only(pages, "ReplicationSubnetGroups", "replication-subnet-group-id", id_)


def _only(paginator: Any, list_name: str, filter_name: str, id_: str) -> Any:
    """The object of this name, or None. DMS answers "not found" where a filter matches nothing."""
    filters = [{"Name": filter_name, "Values": [id_]}]

    def look() -> list[Any]:
        return [found for page in paginator.paginate(Filters=filters) for found in page[list_name]]

    found = none_on(look, GONE) or []
    return found[0] if found else None


def require_ours(cloud: AwsReader, arn: str, mark: Mark, what: str, next_command: str) -> None:
    """Raises: errors.Refused where an object of our name does not carry our tags."""
    tags = {tag["Key"]: tag["Value"] for tag in cloud.dms.list_tags_for_resource(ResourceArn=arn)["TagList"]}
    if (tags.get(PROJECT_TAG), tags.get(STEP_TAG)) != (mark.project, mark.step):
        raise not_ours(what, next_command)


def not_ours(what: str, next_command: str) -> Refused:
    return Refused(
        f"{what} is there and does not carry the mark of this project's step",
        why="Somebody else made it; it is neither used nor changed.",
        next_command=next_command,
    )


def tag_list(mark: Mark) -> list[Any]:
    return [{"Key": key, "Value": value} for key, value in mark.tags().items()]


def parsed(text: str | None) -> Value:
    return json.loads(text) if text else {}


def holds(wanted: Value, actual: Value) -> bool:
    """Whether all that is wanted is so; DMS fills in the rest with its defaults."""
    if isinstance(wanted, Mapping):
        return isinstance(actual, Mapping) and all(holds(wanted[k], actual.get(k)) for k in wanted)
    return bool(wanted == actual)


def described(account: AwsAccount, kind: str, id_: str) -> str:
    """The command that shows an object as DMS has it."""
    name = f"{kind.removesuffix('s')}-id"
    return f"aws dms describe-{kind} --region {account.region} --filters Name={name},Values={id_}"


def statistics(account: AwsAccount, arn: str) -> str:
    return f"aws dms describe-table-statistics --region {account.region} --replication-task-arn {arn}"


def writing(call: Callable[[], T], next_command: str, account: AwsAccount) -> T:
    """Make a DMS call that writes; where it is refused, say what to look at next.

    Raises: errors.ApplyFailed
    """
    try:
        return call()
    except CallFailed as error:
        why, command = error.why, next_command
        if _QUOTA.search(error.code):
            why = "The account's quota or AWS's capacity for it is used up: free some or have it raised."
            command = f"aws dms describe-account-attributes --region {account.region}"
        raise ApplyFailed(
            error.detail,
            why=why or "What was made before stays and is found again by its name and tags.",
            next_command=command,
            transient=error.transient,
        ) from error


def wait_until(look: Callable[[], T | None], what: str, next_command: str, poll_s: float, most_s: float) -> T:
    """Look again and again until there is an answer.

    Raises: errors.ApplyFailed (transient) where it takes longer than `most_s`.
    """
    until = time.monotonic() + most_s
    while (answer := look()) is None:
        if time.monotonic() >= until:
            raise ApplyFailed(
                f"{what}: not after {most_s:.0f} s",
                why="What was begun goes on in AWS; running again waits for it.",
                next_command=next_command,
                transient=True,
            )
        time.sleep(poll_s)
    return answer


def wait_for_task(
    account: AwsAccount,
    cloud: AwsReader,
    id_: str,
    done: Callable[[Task], bool],
    what: str,
    poll_s: float,
    most_s: float,
) -> Task:
    """Watch a task that was started until it is `done`.

    Raises: errors.ApplyFailed naming the tables that DMS gave up, or with DMS's own words for its end.
    """
    command = described(account, "replication-tasks", id_)

    def look() -> Task | None:
        task = find_task(cloud, id_, tables=True)
        if task is None:
            raise _failed(f"replication task {id_} was deleted while {what}", command)
        if task.broken:
            broken = "; ".join(task.broken)
            raise _failed(f"replication task {id_}, {what}: {broken}", statistics(account, task.arn))
        if done(task):
            return task
        if task.status in ("failed", "stopped", "deleting"):
            raise _failed(f"replication task {id_} {task.status} while {what}: {task.said}", command)
        return None

    return wait_until(look, f"replication task {id_}, {what}", command, poll_s, most_s)


def _failed(detail: str, next_command: str) -> ApplyFailed:
    return ApplyFailed(
        detail,
        why="The source is as it was. Mend the cause; the next run loads again what was not loaded whole.",
        next_command=next_command,
    )
