"""The subnets that a replication instance may stand in."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.access import Reader
from core.checks import Check
from core.facts import Fact
from core.plan import Change, Duration, Plan
from core.step import Reversal
from tasks.aws import dms
from tasks.aws.calls import none_on
from tasks.aws.endpoint import AwsReader, AwsWriter
from tasks.aws.marks import (
    PROJECT_TAG,
    STEP_TAG,
    find_subnet_ids,
    required,
    subnet_key,
)
from tasks.aws.step import AwsStep, fact, known


@dataclass(frozen=True)
class SubnetGroupFacts:
    """`wished`: the ids of those of the wished subnets that exist, by name; `group`: the ids it has."""

    wished: Mapping[str, str]
    group: Fact[tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class CreateReplicationSubnetGroup(AwsStep[SubnetGroupFacts]):
    """The subnets, in at least two zones, in which the replication instance may stand."""

    database: str
    subnets: tuple[str, ...]

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "the subnet group is deleted, or gets its subnets back")

    @property
    def id(self) -> str:
        return dms.identifier(self.account.project, self.database, "subnets")

    def _look(self, cloud: AwsReader) -> SubnetGroupFacts:
        found = dms.find_subnet_group(cloud, self.id)
        # Its description carries the mark as well: it comes with the object itself, tags take another call.
        if found is not None and found.get("ReplicationSubnetGroupDescription") != self._description:
            raise dms.not_ours(f"replication subnet group {self.id}", self._described)
        ids: tuple[str, ...] | None = None
        if found is not None:
            ids = tuple(sorted(subnet["SubnetIdentifier"] for subnet in found["Subnets"]))
        return SubnetGroupFacts(find_subnet_ids(cloud, self.account.project, self.subnets), fact(ids))

    def plan(self, facts: SubnetGroupFacts) -> Plan:
        wished = [facts.wished.get(name) or subnet_key(name) for name in sorted(self.subnets)]
        found = known(facts.group)
        complete = len(facts.wished) == len(self.subnets)
        if found is None:
            # By name: an id that is known only later could not be approved.
            change = Change("create", self._group, None, {"subnets": sorted(self.subnets)})
        elif complete and list(found) != sorted(wished):
            change = Change("change", self._group, list(found), {"subnets": sorted(self.subnets)})
        else:
            return Plan(nothing_because=f"{self._group} holds its {len(found)} subnets")
        return Plan((change,), duration=Duration(5, 30))

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        wished = find_subnet_ids(cloud, self.account.project, self.subnets)
        ids = [required(wished.get(name), f"subnet {name}") for name in self.subnets]
        if known(self._look(cloud).group) is None:
            dms.writing(
                lambda: cloud.dms.create_replication_subnet_group(
                    ReplicationSubnetGroupIdentifier=self.id,
                    ReplicationSubnetGroupDescription=self._description,
                    SubnetIds=ids,
                    Tags=dms.tag_list(self.mark),
                ),
                self._described,
                self.account,
            )
        else:
            self._set_subnets(cloud, ids)

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        if known(self._look(cloud).group) is None:
            return
        if change.action == "change":
            self._set_subnets(cloud, change.before)
        else:
            none_on(
                lambda: cloud.dms.delete_replication_subnet_group(ReplicationSubnetGroupIdentifier=self.id),
                dms.GONE,
            )

    def _set_subnets(self, cloud: AwsWriter, ids: list[str]) -> None:
        if known(self._look(cloud).group) != tuple(sorted(ids)):
            dms.writing(
                lambda: cloud.dms.modify_replication_subnet_group(
                    ReplicationSubnetGroupIdentifier=self.id, SubnetIds=ids
                ),
                self._described,
                self.account,
            )

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        wanted, found = sorted(facts.wished.values()), known(facts.group)
        return (Check.equal(f"{self._group}: subnets", wanted, list(found) if found else "no group"),)

    @property
    def _group(self) -> str:
        return f"replication subnet group {self.id}"

    @property
    def _description(self) -> str:
        return f"{PROJECT_TAG}={self.mark.project} {STEP_TAG}={self.mark.step}"

    @property
    def _described(self) -> str:
        return dms.described(self.account, "replication-subnet-groups", self.id)
