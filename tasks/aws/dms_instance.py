"""The replication instance: the machine that DMS reads and writes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.access import Reader
from core.checks import Check
from core.errors import ApplyFailed, Refused
from core.facts import Fact
from core.plan import Change, Duration, Plan
from core.step import Reversal
from tasks.aws import dms
from tasks.aws.calls import none_on
from tasks.aws.endpoint import AwsReader, AwsWriter
from tasks.aws.marks import (
    find_group_ids,
    group_key,
    required,
)
from tasks.aws.step import AwsStep, fact, id_or_later, known


@dataclass(frozen=True)
class ReplicationInstance:
    arn: str
    status: str
    settings: Mapping[str, Any]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class ReplicationInstanceFacts:
    group: Fact[str]
    instance: Fact[ReplicationInstance]


@dataclass(frozen=True, kw_only=True)
class RunReplicationInstance(AwsStep[ReplicationInstanceFacts]):
    """The machine that DMS reads and writes from, never reachable from the internet."""

    database: str
    instance_class: str
    storage_gb: int
    security_group: str
    multi_az: bool = False
    engine_version: str = ""
    poll_s: float = dms.POLL_S
    wait_s: float = 3600

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "the replication instance is deleted, its logs go with it")

    @property
    def id(self) -> str:
        return dms.identifier(self.account.project, self.database, "instance")

    def _look(self, cloud: AwsReader) -> ReplicationInstanceFacts:
        group = find_group_ids(cloud, self.account.project).get(self.security_group)
        return ReplicationInstanceFacts(fact(group), fact(self._found(cloud)))

    def _found(self, cloud: AwsReader) -> ReplicationInstance | None:
        found = dms.find_instance(cloud, self.id)
        if found is None:
            return None
        dms.require_ours(cloud, found["ReplicationInstanceArn"], self.mark, self._instance, self._described)
        settings = {
            "class": found["ReplicationInstanceClass"],
            "storage_gb": found["AllocatedStorage"],
            "multi_az": found["MultiAZ"],
            # Without a wish AWS chooses, and keeps it up to date by itself.
            **({"engine_version": found["EngineVersion"]} if self.engine_version else {}),
        }
        groups = tuple(sorted(group["VpcSecurityGroupId"] for group in found["VpcSecurityGroups"]))
        status = found["ReplicationInstanceStatus"]
        return ReplicationInstance(found["ReplicationInstanceArn"], status, settings, groups)

    def plan(self, facts: ReplicationInstanceFacts) -> Plan:
        group = id_or_later(facts.group, group_key(self.security_group))
        found = known(facts.instance)
        if found is None:
            after = {**self._settings, "security_group": group}
            return Plan((Change("create", self._instance, None, after),), duration=Duration(600, 1500))
        if found.settings != self._settings or found.groups != (group,):
            raise Refused(
                f"{self._instance} has {dict(found.settings)} in {', '.join(found.groups)};"
                f" wanted {self._settings} in {group}",
                why="Changing it would interrupt a replication that may be under way: take it back first.",
                next_command=f"aws dms modify-replication-instance --region {self.account.region}"
                f" --replication-instance-arn {found.arn}",
            )
        if found.status != "available":
            change = Change("change", f"state of {self._instance}", found.status, "available")
            return Plan((change,), duration=Duration(300, 1500))
        return Plan(nothing_because=f"{self._instance} is available as wished")

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        if self._found(cloud) is None:
            group = find_group_ids(cloud, self.account.project).get(self.security_group)
            request: dict[str, Any] = {
                "ReplicationInstanceIdentifier": self.id,
                "ReplicationInstanceClass": self.instance_class,
                "AllocatedStorage": self.storage_gb,
                "VpcSecurityGroupIds": [required(group, f"security group {self.security_group}")],
                "ReplicationSubnetGroupIdentifier": dms.identifier(
                    self.account.project, self.database, "subnets"
                ),
                "MultiAZ": self.multi_az,
                "PubliclyAccessible": False,
                "Tags": dms.tag_list(self.mark),
            }
            if self.engine_version:
                request |= {"EngineVersion": self.engine_version, "AutoMinorVersionUpgrade": False}
            dms.writing(
                lambda: cloud.dms.create_replication_instance(**request), self._described, self.account
            )
        dms.wait_until(
            lambda: self._available(cloud),
            f"{self._instance} becoming available",
            self._described,
            self.poll_s,
            self.wait_s,
        )

    def _available(self, cloud: AwsReader) -> bool | None:
        found = required(self._found(cloud), self._instance)
        if found.status in ("deleting", "incompatible-credentials", "incompatible-network", "failed"):
            raise ApplyFailed(
                f"{self._instance} is {found.status}, wanted available",
                why="DMS could not set it up; what its events say must be mended first.",
                next_command=f"aws dms describe-events --region {self.account.region}"
                f" --source-type replication-instance --source-identifier {self.id}",
            )
        return True if found.status == "available" else None

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        found = self._found(cloud)
        if found is None or change.action != "create":
            return
        if found.status != "deleting":
            none_on(lambda: cloud.dms.delete_replication_instance(ReplicationInstanceArn=found.arn), dms.GONE)
        # Its subnet group cannot go before it has.
        dms.wait_until(
            lambda: True if dms.find_instance(cloud, self.id) is None else None,
            f"{self._instance} being deleted",
            self._described,
            self.poll_s,
            self.wait_s,
        )

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        found = known(facts.instance)
        actual = (found.status, dict(found.settings), found.groups) if found else "no replication instance"
        return (Check.equal(self._instance, ("available", self._settings, (known(facts.group),)), actual),)

    @property
    def _settings(self) -> dict[str, Any]:
        return {
            "class": self.instance_class,
            "storage_gb": self.storage_gb,
            "multi_az": self.multi_az,
            **({"engine_version": self.engine_version} if self.engine_version else {}),
        }

    @property
    def _instance(self) -> str:
        return f"replication instance {self.id}"

    @property
    def _described(self) -> str:
        return dms.described(self.account, "replication-instances", self.id)
