"""A server's record in the cloud: the instance."""

import hashlib
from dataclasses import dataclass
from typing import Any

from core.access import Reader
from core.checks import Check
from core.errors import ApplyFailed, Refused
from core.facts import Fact
from core.plan import Change, Duration, Plan
from core.step import Reversal
from tasks.aws.calls import none_on
from tasks.aws.endpoint import AwsReader, AwsWriter
from tasks.aws.marks import (
    Mark,
    at_most_one,
    find_group_ids,
    find_subnet_ids,
    group_key,
    required,
    subnet_key,
)
from tasks.aws.step import AwsStep, fact, id_or_later, known

ALIVE = ("pending", "running", "stopping", "stopped")
MOST_GENERATIONS = 50


@dataclass(frozen=True)
class Instance:
    id: str
    state: str
    image: str
    type: str
    subnet: str
    groups: tuple[str, ...]
    address: str


@dataclass(frozen=True)
class InstanceFacts:
    subnet: Fact[str]
    group: Fact[str]
    instance: Fact[Instance]


@dataclass(frozen=True, kw_only=True)
class RunInstance(AwsStep[InstanceFacts]):
    """One running instance. With `address`, it gets this private address of the subnet."""

    server: str
    image: str
    instance_type: str
    subnet: str
    security_group: str
    address: str = ""

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "the instance is terminated, its disks go with it")

    def _look(self, cloud: AwsReader) -> InstanceFacts:
        project = self.account.project
        return InstanceFacts(
            subnet=fact(find_subnet_ids(cloud, project, [self.subnet]).get(self.subnet)),
            group=fact(find_group_ids(cloud, project).get(self.security_group)),
            instance=fact(at_most_one(find_instances(cloud, self.mark), self.key)),
        )

    def plan(self, facts: InstanceFacts) -> Plan:
        instance = known(facts.instance)
        group = id_or_later(facts.group, group_key(self.security_group))
        subnet = id_or_later(facts.subnet, subnet_key(self.subnet))
        changes = []
        if instance is None:
            after = {
                "image": self.image,
                "type": self.instance_type,
                "subnet": subnet,
                "security_group": group,
                **({"address": self.address} if self.address else {}),
            }
            changes.append(Change("create", f"instance {self.server}", after=after))
        else:
            self._refuse_other(instance, known(facts.subnet))
            if list(instance.groups) != [group]:
                what = f"security groups of instance {self.server}"
                changes.append(Change("change", what, before=list(instance.groups), after=[group]))
            if instance.state != "running":
                what = f"state of instance {self.server}"
                changes.append(Change("change", what, before=instance.state, after="running"))
        because = "" if changes else f"instance {self.server} is running as wished"
        return Plan(tuple(changes), because, Duration(45, 120))

    def _refuse_other(self, instance: Instance, subnet: str | None) -> None:
        wanted = (self.image, self.instance_type, subnet, self.address or instance.address)
        actual = (instance.image, instance.type, instance.subnet, instance.address)
        if wanted != actual:
            raise Refused(
                f"instance {self.server} ({instance.id}) has image, type, subnet and address "
                f"{', '.join(actual)}; wanted {', '.join(str(value) for value in wanted)}",
                why="Replacing it would destroy what already runs on it; that is never done unasked.",
                next_command=self.account.next_command,
            )

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        if change.action == "create":
            id_ = self._run(cloud)
        else:
            instance = required(known(self._look(cloud).instance), f"instance {self.server}")
            id_ = instance.id
            if change.object.startswith("security groups"):
                group = required(known(self._look(cloud).group), f"security group {self.security_group}")
                cloud.ec2.modify_instance_attribute(InstanceId=id_, Groups=[group])
                return
            if instance.state == "stopping":
                cloud.wait("instance_stopped", "instance-id", id_)
            if instance.state != "pending":
                cloud.ec2.start_instances(InstanceIds=[id_])
        cloud.wait("instance_running", "instance-id", id_)

    def _run(self, cloud: AwsWriter) -> str:
        facts = self._look(cloud)
        request: dict[str, Any] = {
            "ImageId": self.image,
            "InstanceType": self.instance_type,
            "MinCount": 1,
            "MaxCount": 1,
            "SubnetId": required(known(facts.subnet), f"subnet {self.subnet}"),
            "SecurityGroupIds": [required(known(facts.group), f"security group {self.security_group}")],
            # The old metadata service gives the instance's credentials to any forged request.
            "MetadataOptions": {"HttpTokens": "required"},
            "TagSpecifications": self.mark.specification("instance", "volume", name=self.server),
        }
        if self.address:
            request["PrivateIpAddress"] = self.address
        for generation in range(MOST_GENERATIONS):
            # AWS remembers a token for a day after the instance is gone, so undoing and applying again
            # within that day is answered with the dead instance: then the next generation is asked for.
            request["ClientToken"] = self._token(generation)
            answer = none_on(lambda: cloud.ec2.run_instances(**request), "IdempotentParameterMismatch")
            if answer and answer["Instances"][0]["State"]["Name"] in ALIVE:
                return answer["Instances"][0]["InstanceId"]
        raise ApplyFailed(
            f"instance {self.server} was made and terminated {MOST_GENERATIONS} times within a day",
            why="AWS still remembers every one of these requests.",
            next_command=self.account.next_command,
        )

    def _token(self, generation: int) -> str:
        text = f"{self.account.project}\n{self.key}\n{generation}"
        return hashlib.sha256(text.encode()).hexdigest()

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        instance = known(self._look(cloud).instance)
        if instance is None:
            return
        if change.action == "create":
            cloud.ec2.terminate_instances(InstanceIds=[instance.id])
            # Its security group and subnet cannot go before its network interface has.
            cloud.wait("instance_terminated", "instance-id", instance.id)
        elif change.object.startswith("security groups"):
            cloud.ec2.modify_instance_attribute(InstanceId=instance.id, Groups=change.before)
        elif change.before in ("stopped", "stopping") and instance.state in ("running", "pending"):
            cloud.ec2.stop_instances(InstanceIds=[instance.id])
            cloud.wait("instance_stopped", "instance-id", instance.id)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        instance = known(facts.instance)
        wanted = ("running", self.image, self.instance_type, known(facts.subnet), (known(facts.group),))
        actual = instance and (
            instance.state,
            instance.image,
            instance.type,
            instance.subnet,
            instance.groups,
        )
        return (
            Check.equal(
                f"state, image, type, subnet and groups of instance {self.server}",
                wanted,
                actual or "no instance",
            ),
        )


def find_instances(cloud: AwsReader, mark: Mark) -> list[Instance]:
    """The instances with this mark that are not terminated."""
    pages = cloud.ec2.get_paginator("describe_instances").paginate(
        Filters=[*mark.filters, {"Name": "instance-state-name", "Values": list(ALIVE)}]
    )
    return [
        Instance(
            id=found["InstanceId"],
            state=found["State"]["Name"],
            image=found["ImageId"],
            type=found["InstanceType"],
            subnet=found.get("SubnetId", ""),
            groups=tuple(sorted(group["GroupId"] for group in found["SecurityGroups"])),
            address=found.get("PrivateIpAddress", ""),
        )
        for page in pages
        for reservation in page["Reservations"]
        for found in reservation["Instances"]
    ]
