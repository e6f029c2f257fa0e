"""The proof that the replication instance reaches both ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.access import Reader
from core.checks import Check
from core.errors import ApplyFailed
from core.facts import Fact
from core.plan import Change, Duration, Plan
from core.step import Reversal
from tasks.aws import dms
from tasks.aws.calls import none_on
from tasks.aws.dms_endpoints import Role
from tasks.aws.endpoint import AwsReader, AwsWriter
from tasks.aws.marks import required
from tasks.aws.step import AwsStep, fact

_ROLES: tuple[Role, ...] = ("source", "target")


@dataclass(frozen=True)
class ConnectionFacts:
    """Status of the last test by end ("source", "target"); an end is missing where none was made."""

    instance: Fact[str]
    status: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class TryReplicationConnections(AwsStep[ConnectionFacts]):
    """The replication instance can log in to both ends."""

    database: str
    poll_s: float = dms.POLL_S
    wait_s: float = 600

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "the record of the test is deleted")

    def _look(self, cloud: AwsReader) -> ConnectionFacts:
        status: dict[str, str] = {
            role: found["Status"] for role in _ROLES if (found := self._connection(cloud, role))
        }
        return ConnectionFacts(fact(self._arn(cloud, "instance")), status)

    def plan(self, facts: ConnectionFacts) -> Plan:
        changes = [
            Change("run", self._test(role), None, "successful")
            for role in _ROLES
            if facts.status.get(role) != "successful"
        ]
        because = "" if changes else "both ends were reached from the replication instance"
        return Plan(tuple(changes), because, Duration(60, 180))

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        role = next(role for role in _ROLES if self._test(role) == change.object)
        found = self._connection(cloud, role)
        if found is None or found["Status"] not in ("successful", "testing"):
            instance = required(self._arn(cloud, "instance"), f"replication instance of {self.database}")
            endpoint = required(self._arn(cloud, role), f"{role} endpoint of {self.database}")
            dms.writing(
                lambda: cloud.dms.test_connection(ReplicationInstanceArn=instance, EndpointArn=endpoint),
                self._command(role),
                self.account,
            )
        dms.wait_until(
            lambda: self._succeeded(cloud, role), change.object, self._command(role), self.poll_s, self.wait_s
        )

    def _succeeded(self, cloud: AwsReader, role: Role) -> bool | None:
        found = self._connection(cloud, role)
        if found is not None and found["Status"] in ("failed", "deleting"):
            raise ApplyFailed(
                f"{self._test(role)} {found['Status']}: {found.get('LastFailureMessage') or 'no reason'}",
                why="DMS does not reach the database: its route, security group, account or password.",
                next_command=self._command(role),
            )
        return True if found is not None and found["Status"] == "successful" else None

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        role = next(role for role in _ROLES if self._test(role) == change.object)
        found = self._connection(cloud, role)
        if found is not None:
            none_on(
                lambda: cloud.dms.delete_connection(
                    EndpointArn=found["EndpointArn"], ReplicationInstanceArn=found["ReplicationInstanceArn"]
                ),
                dms.GONE,
            )

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        status = self.inspect(reader).status
        return tuple(
            Check.equal(self._test(role), "successful", status.get(role, "not made")) for role in _ROLES
        )

    def _connection(self, cloud: AwsReader, role: Role) -> Any:
        endpoint, instance = self._arn(cloud, role), self._arn(cloud, "instance")
        if endpoint is None or instance is None:
            return None
        pages = cloud.dms.get_paginator("describe_connections").paginate(
            Filters=[{"Name": "endpoint-arn", "Values": [endpoint]}]
        )
        found = none_on(lambda: [c for page in pages for c in page["Connections"]], dms.GONE) or []
        return next((c for c in found if c["ReplicationInstanceArn"] == instance), None)

    def _arn(self, cloud: AwsReader, role: str) -> str | None:
        id_ = dms.identifier(self.account.project, self.database, role)
        if role == "instance":
            instance = dms.find_instance(cloud, id_)
            return instance["ReplicationInstanceArn"] if instance is not None else None
        endpoint = dms.find_endpoint(cloud, id_)
        return endpoint["EndpointArn"] if endpoint is not None else None

    def _test(self, role: str) -> str:
        return f"connection test of the {role} endpoint of {self.database}"

    def _command(self, role: str) -> str:
        id_ = dms.identifier(self.account.project, self.database, role)
        return dms.described(self.account, "endpoints", id_)
