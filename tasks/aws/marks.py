"""How objects in the account are found again: by two tags that each gets at its creation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from core.errors import ApplyFailed, Refused
from tasks.aws.endpoint import AwsReader

if TYPE_CHECKING:
    from mypy_boto3_ec2.literals import ResourceTypeType
    from mypy_boto3_ec2.type_defs import FilterTypeDef, TagSpecificationTypeDef, VpcTypeDef

T = TypeVar("T")

PROJECT_TAG = "qianyun:project"
STEP_TAG = "qianyun:step"
VPC_KEY = "network/vpc"
GATEWAY_KEY = "network/internet-gateway"


@dataclass(frozen=True)
class Mark:
    """The project and the step that made an object."""

    project: str
    step: str

    def tags(self, name: str = "") -> dict[str, str]:
        named = {"Name": name} if name else {}
        return {**named, PROJECT_TAG: self.project, STEP_TAG: self.step}

    def specification(self, *kinds: "ResourceTypeType", name: str = "") -> "list[TagSpecificationTypeDef]":
        """For the creating call itself: an object must not exist without its mark for a moment."""
        tags = [{"Key": key, "Value": value} for key, value in self.tags(name).items()]
        return [{"ResourceType": kind, "Tags": tags} for kind in kinds]  # type: ignore[typeddict-item]

    @property
    def filters(self) -> "list[FilterTypeDef]":
        return [
            {"Name": f"tag:{PROJECT_TAG}", "Values": [self.project]},
            {"Name": f"tag:{STEP_TAG}", "Values": [self.step]},
        ]


def tags_of(thing: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags", [])}


def at_most_one(found: Sequence[T], what: str) -> T | None:
    """The one object, or None.

    Raises: errors.Refused where several carry the same mark: which of them is ours cannot be told.
    """
    if len(found) > 1:
        raise Refused(
            f"{len(found)} objects in the account carry the mark of {what}",
            why="Working on the wrong one could hit what is in use: keep one, take the tags off the others.",
        )
    return found[0] if found else None


def find_vpc(cloud: AwsReader, project: str) -> "VpcTypeDef | None":
    pages = cloud.ec2.get_paginator("describe_vpcs").paginate(Filters=Mark(project, VPC_KEY).filters)
    return at_most_one([vpc for page in pages for vpc in page["Vpcs"]], VPC_KEY)


def find_vpc_id(cloud: AwsReader, project: str) -> str | None:
    vpc = find_vpc(cloud, project)
    return vpc["VpcId"] if vpc else None


def find_subnet_ids(cloud: AwsReader, project: str, names: Iterable[str]) -> dict[str, str]:
    """Ids of those of the named subnets that exist."""
    pages = cloud.ec2.get_paginator("describe_subnets").paginate(
        Filters=[{"Name": f"tag:{PROJECT_TAG}", "Values": [project]}]
    )
    by_step: dict[str, list[str]] = {}
    for page in pages:
        for subnet in page["Subnets"]:
            by_step.setdefault(tags_of(subnet).get(STEP_TAG, ""), []).append(subnet["SubnetId"])
    found = {name: at_most_one(by_step.get(subnet_key(name), []), subnet_key(name)) for name in names}
    return {name: subnet for name, subnet in found.items() if subnet}


def find_group_ids(cloud: AwsReader, project: str) -> dict[str, str]:
    """Ids of the project's security groups, by the name they have in the inventory."""
    pages = cloud.ec2.get_paginator("describe_security_groups").paginate(
        Filters=[{"Name": f"tag:{PROJECT_TAG}", "Values": [project]}]
    )
    by_step: dict[str, list[str]] = {}
    for page in pages:
        for group in page["SecurityGroups"]:
            by_step.setdefault(tags_of(group).get(STEP_TAG, ""), []).append(group["GroupId"])
    start = group_key("")
    found = {
        step.removeprefix(start): at_most_one(ids, step)
        for step, ids in by_step.items()
        if step.startswith(start)
    }
    return {name: group for name, group in found.items() if group}


def subnet_key(name: str) -> str:
    return f"network/subnet/{name}"


def group_key(name: str) -> str:
    return f"security/group/{name}"


def instance_key(server: str) -> str:
    return f"environment/{server}/instance"


def required(value: T | None, what: str) -> T:
    """What the step builds on.

    Raises: errors.ApplyFailed where it vanished since planning, or AWS does not show it everywhere yet.
    """
    if value is None:
        raise ApplyFailed(
            f"{what} is not there",
            why="It was to be made first: AWS does not show it everywhere yet, or somebody removed it since.",
            next_command="qianyun rehearse",
            transient=True,
        )
    return value
