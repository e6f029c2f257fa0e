"""Security groups: the declared flows, and only these."""

import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING

from core.access import Reader
from core.checks import Check
from core.facts import Fact
from core.plan import Change, Duration, Plan
from core.step import Reversal
from tasks.aws.calls import none_on
from tasks.aws.endpoint import AwsReader, AwsWriter
from tasks.aws.marks import at_most_one, find_group_ids, find_vpc_id, required
from tasks.aws.step import AwsStep, fact, known, vpc_or_later

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import IpPermissionTypeDef, SecurityGroupRuleTypeDef


@dataclass(frozen=True, order=True)
class InboundRule:
    """One flow let in. `source`: a CIDR, the name of a group of the project, or the id of a foreign object.

    Ports are -1 where the protocol has none (icmp, all). `reason` is told to AWS and compared with nothing.
    """

    source: str
    protocol: str
    from_port: int
    to_port: int
    reason: str = ""

    @property
    def text(self) -> str:
        ports = str(self.from_port) if self.from_port == self.to_port else f"{self.from_port}-{self.to_port}"
        return f"{self.protocol}{'' if ports == '-1' else f' {ports}'} from {self.source}"


@dataclass(frozen=True)
class GroupFacts:
    """`rules` by their text: what the group lets in, with the permission to put it back."""

    vpc: Fact[str]
    group: Fact[str]
    rules: dict[str, dict[str, str | int]]


@dataclass(frozen=True, kw_only=True)
class SetSecurityGroup(AwsStep[GroupFacts]):
    """One security group that lets in exactly the declared flows; what goes out stays as AWS makes it."""

    name: str
    inbound: tuple[InboundRule, ...]

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "added rules go, removed rules come back, a group we made is deleted")

    def _look(self, cloud: AwsReader) -> GroupFacts:
        vpc, group = find_vpc_id(cloud, self.account.project), self._id(cloud)
        rules = self._rules(cloud, group) if group else []
        return GroupFacts(fact(vpc), fact(group), {rule.text: _to_json(rule) for _, rule in rules})

    def plan(self, facts: GroupFacts) -> Plan:
        changes = []
        if known(facts.group) is None:
            after = {"vpc": vpc_or_later(facts.vpc)}
            changes.append(Change("create", f"security group {self.name}", after=after))
        wanted = {rule.text: rule for rule in self.inbound}
        # First let in what is wanted, then shut out the rest: a narrowed range must not cut its own users.
        for text, rule in wanted.items():
            if text not in facts.rules:
                changes.append(Change("create", self._object(text), after=_to_json(rule)))
        for text, found in sorted(facts.rules.items()):
            if text not in wanted:
                changes.append(Change("delete", self._object(text), before=found))
        because = "" if changes else f"security group {self.name} lets in exactly the declared flows"
        return Plan(tuple(changes), because, Duration(2, 10))

    def _object(self, text: str) -> str:
        return f"rule of security group {self.name}: {text}"

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        if change.object.startswith("security group"):
            vpc = required(find_vpc_id(cloud, self.account.project), "the VPC")
            cloud.ec2.create_security_group(
                GroupName=f"{self.account.project}-{self.name}",
                Description=f"Qianyun {self.account.project} {self.name}",
                VpcId=vpc,
                TagSpecifications=self.mark.specification("security-group", name=self.name),
            )
            return
        group = required(self._id(cloud), f"security group {self.name}")
        if change.action == "create":
            self._allow(cloud, group, change.after)
        else:
            self._forbid(cloud, group, change.before)

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        group = self._id(cloud)
        if group is None:
            return
        if change.object.startswith("security group"):
            cloud.ec2.delete_security_group(GroupId=group)
        elif change.action == "create":
            self._forbid(cloud, group, change.after)
        else:
            self._allow(cloud, group, change.before)

    def _allow(self, cloud: AwsWriter, group: str, rule: dict[str, str | int]) -> None:
        permission = self._permission(cloud, rule)
        none_on(
            lambda: cloud.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission]),
            "InvalidPermission.Duplicate",
        )

    def _forbid(self, cloud: AwsWriter, group: str, rule: dict[str, str | int]) -> None:
        text = InboundRule(**rule).text  # type: ignore[arg-type]
        # By id: AWS compares a described permission field by field and would miss its own.
        if ids := [id_ for id_, found in self._rules(cloud, group) if found.text == text]:
            none_on(
                lambda: cloud.ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=ids),
                "InvalidSecurityGroupRuleId.NotFound",
            )

    def _permission(self, cloud: AwsReader, rule: dict[str, str | int]) -> "IpPermissionTypeDef":
        source = str(rule["source"])
        told = {"Description": reason} if (reason := _describable(str(rule["reason"]))) else {}
        permission: IpPermissionTypeDef = {
            "IpProtocol": str(rule["protocol"]),
            "FromPort": int(rule["from_port"]),
            "ToPort": int(rule["to_port"]),
        }
        if source.startswith("pl-"):
            permission["PrefixListIds"] = [{"PrefixListId": source, **told}]  # type: ignore[typeddict-item]
        elif not is_range(source):
            group = find_group_ids(cloud, self.account.project).get(source)
            id_ = group or (source if source.startswith("sg-") else None)
            pair = {"GroupId": required(id_, f"security group {source}"), **told}
            permission["UserIdGroupPairs"] = [pair]  # type: ignore[list-item]
        elif ":" in source:
            permission["Ipv6Ranges"] = [{"CidrIpv6": source, **told}]  # type: ignore[typeddict-item]
        else:
            permission["IpRanges"] = [{"CidrIp": source, **told}]  # type: ignore[typeddict-item]
        return permission

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        if known(facts.group) is None:
            return (Check.equal(f"security group {self.name} exists", True, False),)
        wanted = sorted(rule.text for rule in self.inbound)
        return (Check.equal(f"security group {self.name} lets in", wanted, sorted(facts.rules)),)

    def _id(self, cloud: AwsReader) -> str | None:
        pages = cloud.ec2.get_paginator("describe_security_groups").paginate(Filters=self.mark.filters)
        return at_most_one([group["GroupId"] for page in pages for group in page["SecurityGroups"]], self.key)

    def _rules(self, cloud: AwsReader, group: str) -> list[tuple[str, InboundRule]]:
        """What the group lets in, with AWS's id of each rule."""
        names = {id_: name for name, id_ in find_group_ids(cloud, self.account.project).items()}
        pages = cloud.ec2.get_paginator("describe_security_group_rules").paginate(
            Filters=[{"Name": "group-id", "Values": [group]}]
        )
        return [
            (rule["SecurityGroupRuleId"], _rule_of(rule, names))
            for page in pages
            for rule in page["SecurityGroupRules"]
            if not rule["IsEgress"]
        ]


def is_range(source: str) -> bool:
    """Whether a rule's source is a CIDR; otherwise it names a security group."""
    try:
        ip_network(source)
    except ValueError:
        return False
    return True


def _rule_of(found: "SecurityGroupRuleTypeDef", names: dict[str, str]) -> InboundRule:
    group = found.get("ReferencedGroupInfo", {}).get("GroupId", "")
    source = (
        found.get("CidrIpv4") or found.get("CidrIpv6") or found.get("PrefixListId") or names.get(group, group)
    )
    return InboundRule(
        source,
        found["IpProtocol"],
        found.get("FromPort", -1),
        found.get("ToPort", -1),
        found.get("Description", ""),
    )


def _to_json(rule: InboundRule) -> dict[str, str | int]:
    return {
        "source": rule.source,
        "protocol": rule.protocol,
        "from_port": rule.from_port,
        "to_port": rule.to_port,
        "reason": rule.reason,
    }


def _describable(reason: str) -> str:
    """The part of a reason that AWS takes. Source: EC2 API reference, IpRange: description."""
    return re.sub(r"[^A-Za-z0-9 ._\-:/()#,@\[\]+=&;{}!$*]", "", reason)[:255].strip()
