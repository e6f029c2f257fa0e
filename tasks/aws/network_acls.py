"""Network ACLs: numbered, stateless rules of whole subnets."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from core.access import Reader
from core.checks import Check
from core.facts import Fact
from core.plan import AfterApply, Change, Duration, Plan, Value
from core.step import Reversal
from tasks.aws.calls import none_on
from tasks.aws.endpoint import AwsReader, AwsWriter
from tasks.aws.marks import VPC_KEY, at_most_one, find_subnet_ids, find_vpc_id, required
from tasks.aws.step import AwsStep, fact, id_or_later, known, vpc_or_later

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import NetworkAclTypeDef

PROTOCOLS = {"all": "-1", "icmp": "1", "tcp": "6", "udp": "17"}
# AWS ends every list with these; they cannot be changed or removed.
_CLOSING_NUMBERS = (32767, 32768)


@dataclass(frozen=True)
class AclEntry:
    """One numbered entry; ports count for tcp and udp only."""

    number: int
    egress: bool
    action: str
    protocol: str
    cidr: str
    from_port: int = 0
    to_port: int = 0

    @property
    def slot(self) -> str:
        return f"{'outbound' if self.egress else 'inbound'} {self.number}"


@dataclass(frozen=True)
class Membership:
    """The ACL that a subnet has now (it always has one), and the id of their association."""

    association: str
    acl: str


@dataclass(frozen=True)
class AclFacts:
    """`entries` by slot ("inbound 100"), `subnets` by name."""

    vpc: Fact[str]
    acl: Fact[str]
    entries: dict[str, AclEntry]
    subnets: dict[str, Fact[Membership]]


@dataclass(frozen=True, kw_only=True)
class SetNetworkAcl(AwsStep[AclFacts]):
    """A network ACL with exactly the declared entries, in force on the named subnets."""

    name: str
    subnets: tuple[str, ...]
    entries: tuple[AclEntry, ...]

    @property
    def reversal(self) -> Reversal:
        return Reversal(
            "reversible", "the subnets get back the ACL they had, entries are put back, ours is deleted"
        )

    def _look(self, cloud: AwsReader) -> AclFacts:
        acl = self._acl(cloud)
        ids = find_subnet_ids(cloud, self.account.project, self.subnets)
        return AclFacts(
            vpc=fact(find_vpc_id(cloud, self.account.project)),
            acl=fact(acl["NetworkAclId"] if acl else None),
            entries={entry.slot: entry for entry in _entries(acl)} if acl else {},
            subnets={name: fact(_membership(cloud, ids.get(name))) for name in self.subnets},
        )

    def plan(self, facts: AclFacts) -> Plan:
        acl = known(facts.acl)
        changes = []
        if acl is None:
            changes.append(
                Change("create", f"network ACL {self.name}", after={"vpc": vpc_or_later(facts.vpc)})
            )
        changes.extend(self._entry_changes(facts.entries))
        # Only now the subnets: an ACL without its entries lets nothing through.
        for subnet, membership in facts.subnets.items():
            now = known(membership)
            if now is None or now.acl != acl:
                # Before the subnet exists, its first ACL will be the default one of the VPC.
                before: Value = now.acl if now else AfterApply(VPC_KEY, "default network ACL")
                after = id_or_later(facts.acl, self.key)
                changes.append(Change("change", f"network ACL of subnet {subnet}", before, after))
        because = "" if changes else f"network ACL {self.name} is in force with exactly the declared entries"
        return Plan(tuple(changes), because, Duration(3, 15))

    def _entry_changes(self, found: dict[str, AclEntry]) -> Iterator[Change]:
        wanted = {entry.slot: entry for entry in self.entries}
        for slot, entry in wanted.items():
            before = found.get(slot)
            if before is None:
                yield Change("create", self._object(slot), after=asdict(entry))
            elif before != entry:
                yield Change("change", self._object(slot), asdict(before), asdict(entry))
        for slot, before in sorted(found.items()):
            if slot not in wanted:
                yield Change("delete", self._object(slot), before=asdict(before))

    def _object(self, slot: str) -> str:
        return f"entry of network ACL {self.name}: {slot}"

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        if change.object.startswith("network ACL of subnet "):
            acl = required(self._acl(cloud), f"network ACL {self.name}")
            self._join(cloud, change.object.removeprefix("network ACL of subnet "), acl["NetworkAclId"])
        elif change.object.startswith("network ACL"):
            vpc = required(find_vpc_id(cloud, self.account.project), "the VPC")
            cloud.ec2.create_network_acl(
                VpcId=vpc, TagSpecifications=self.mark.specification("network-acl", name=self.name)
            )
        else:
            self._set_entry(cloud, change.object, change.after)

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        acl = self._acl(cloud)
        if acl is None:
            return
        if change.object.startswith("network ACL of subnet "):
            name = change.object.removeprefix("network ACL of subnet ")
            now = _membership(cloud, find_subnet_ids(cloud, self.account.project, [name]).get(name))
            if now and now.acl == acl["NetworkAclId"]:
                self._join(cloud, name, _recorded(change.before) or _default_acl(cloud, acl["VpcId"]))
        elif change.object.startswith("network ACL"):
            cloud.ec2.delete_network_acl(NetworkAclId=acl["NetworkAclId"])
        else:
            self._set_entry(cloud, change.object, change.before)

    def _join(self, cloud: AwsWriter, subnet: str, acl: str) -> None:
        id_ = find_subnet_ids(cloud, self.account.project, [subnet]).get(subnet)
        now = required(_membership(cloud, id_), f"subnet {subnet}")
        if now.acl != acl:
            cloud.ec2.replace_network_acl_association(AssociationId=now.association, NetworkAclId=acl)

    def _set_entry(self, cloud: AwsWriter, object_: str, wanted: dict[str, Any] | None) -> None:
        """Make the slot hold the wanted entry, or none."""
        acl = required(self._acl(cloud), f"network ACL {self.name}")
        slot = object_.removeprefix(self._object(""))
        now = {entry.slot: entry for entry in _entries(acl)}.get(slot)
        if wanted is not None and now is None:
            cloud.ec2.create_network_acl_entry(
                NetworkAclId=acl["NetworkAclId"], **_request(AclEntry(**wanted))
            )
        elif wanted is not None and now != AclEntry(**wanted):
            cloud.ec2.replace_network_acl_entry(
                NetworkAclId=acl["NetworkAclId"], **_request(AclEntry(**wanted))
            )
        elif wanted is None and now is not None:
            none_on(
                lambda: cloud.ec2.delete_network_acl_entry(
                    NetworkAclId=acl["NetworkAclId"], RuleNumber=now.number, Egress=now.egress
                ),
                "InvalidNetworkAclEntry.NotFound",
            )

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        acl = known(facts.acl)
        if acl is None:
            return (Check.equal(f"network ACL {self.name} exists", True, False),)
        memberships = {name: known(membership) for name, membership in facts.subnets.items()}
        return (
            Check.equal(
                f"entries of network ACL {self.name}",
                {entry.slot: entry for entry in sorted(self.entries, key=lambda entry: entry.slot)},
                dict(sorted(facts.entries.items())),
            ),
            *(
                Check.equal(f"network ACL of subnet {name}", acl, now.acl if now else "no subnet")
                for name, now in memberships.items()
            ),
        )

    def _acl(self, cloud: AwsReader) -> "NetworkAclTypeDef | None":
        pages = cloud.ec2.get_paginator("describe_network_acls").paginate(Filters=self.mark.filters)
        return at_most_one([acl for page in pages for acl in page["NetworkAcls"]], self.key)


def _entries(acl: "NetworkAclTypeDef") -> Iterator[AclEntry]:
    for entry in acl["Entries"]:
        if entry["RuleNumber"] not in _CLOSING_NUMBERS:
            ports = entry.get("PortRange", {})
            yield AclEntry(
                number=entry["RuleNumber"],
                egress=entry["Egress"],
                action=entry["RuleAction"],
                protocol=entry["Protocol"],
                cidr=entry.get("CidrBlock") or entry.get("Ipv6CidrBlock", ""),
                from_port=ports.get("From", 0),
                to_port=ports.get("To", 0),
            )


def _request(entry: AclEntry) -> dict[str, Any]:
    request: dict[str, Any] = {
        "RuleNumber": entry.number,
        "Egress": entry.egress,
        "RuleAction": entry.action,
        "Protocol": entry.protocol,
        "Ipv6CidrBlock" if ":" in entry.cidr else "CidrBlock": entry.cidr,
    }
    if entry.protocol in (PROTOCOLS["tcp"], PROTOCOLS["udp"]):
        request["PortRange"] = {"From": entry.from_port, "To": entry.to_port}
    elif entry.protocol == PROTOCOLS["icmp"]:
        request["IcmpTypeCode"] = {"Type": -1, "Code": -1}
    return request


def _membership(cloud: AwsReader, subnet: str | None) -> Membership | None:
    if subnet is None:
        return None
    acls = cloud.ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])
    return next(
        Membership(found["NetworkAclAssociationId"], found["NetworkAclId"])
        for acl in acls["NetworkAcls"]
        for found in acl["Associations"]
        if found["SubnetId"] == subnet
    )


def _recorded(before: Value) -> str | None:
    return before if isinstance(before, str) else None


def _default_acl(cloud: AwsReader, vpc: str) -> str:
    acls = cloud.ec2.describe_network_acls(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}, {"Name": "default", "Values": ["true"]}]
    )
    return acls["NetworkAcls"][0]["NetworkAclId"]
