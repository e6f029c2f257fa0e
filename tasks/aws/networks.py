"""The VPC and its subnets."""

from dataclasses import dataclass

from core.access import Reader
from core.checks import Check
from core.errors import Refused
from core.facts import Fact
from core.plan import AfterApply, Change, Duration, Plan
from core.step import Reversal
from tasks.aws.calls import none_on
from tasks.aws.endpoint import AwsReader, AwsWriter
from tasks.aws.marks import at_most_one, find_vpc, find_vpc_id, required
from tasks.aws.step import AwsStep, fact, known, vpc_or_later


@dataclass(frozen=True)
class Vpc:
    id: str
    cidr: str
    dns_names: bool


@dataclass(frozen=True)
class VpcFacts:
    vpc: Fact[Vpc]


@dataclass(frozen=True, kw_only=True)
class CreateVpc(AwsStep[VpcFacts]):
    """One VPC with the wished range, whose instances get DNS names."""

    name: str
    cidr: str

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "the VPC is deleted; AWS refuses while anything is in it")

    def _look(self, cloud: AwsReader) -> VpcFacts:
        vpc = find_vpc(cloud, self.account.project)
        if vpc is None:
            return VpcFacts(fact(None))
        names = cloud.ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute="enableDnsHostnames")
        return VpcFacts(fact(Vpc(vpc["VpcId"], vpc["CidrBlock"], names["EnableDnsHostnames"]["Value"])))

    def plan(self, facts: VpcFacts) -> Plan:
        vpc = known(facts.vpc)
        changes = []
        if vpc is None:
            changes.append(Change("create", f"VPC {self.name}", after={"cidr": self.cidr}))
        elif vpc.cidr != self.cidr:
            raise _fixed(f"VPC {self.name}", "range", self.cidr, vpc.cidr, self.account.next_command)
        if vpc is None or not vpc.dns_names:
            changes.append(Change("change", f"DNS names in VPC {self.name}", before=False, after=True))
        return Plan(tuple(changes), "" if changes else f"VPC {self.name} is there as wished", Duration(3, 15))

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        if change.action == "create":
            made = cloud.ec2.create_vpc(
                CidrBlock=self.cidr, TagSpecifications=self.mark.specification("vpc", name=self.name)
            )
            cloud.wait("vpc_available", "vpc-id", made["Vpc"]["VpcId"])
        else:
            vpc = required(find_vpc_id(cloud, self.account.project), f"VPC {self.name}")
            cloud.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": change.after})

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        vpc = find_vpc_id(cloud, self.account.project)
        if vpc and change.action == "create":
            none_on(lambda: cloud.ec2.delete_vpc(VpcId=vpc), "InvalidVpcID.NotFound")
        elif vpc:
            cloud.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": change.before})

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        vpc = known(self.inspect(reader).vpc)
        return (
            Check.equal(f"range of VPC {self.name}", self.cidr, vpc.cidr if vpc else "no VPC"),
            Check.equal(f"DNS names in VPC {self.name}", True, bool(vpc and vpc.dns_names)),
        )


@dataclass(frozen=True)
class Subnet:
    id: str
    cidr: str
    zone: str
    public: bool


@dataclass(frozen=True)
class SubnetFacts:
    vpc: Fact[str]
    subnet: Fact[Subnet]


@dataclass(frozen=True, kw_only=True)
class CreateSubnet(AwsStep[SubnetFacts]):
    """One subnet of the VPC; instances in a public one get public addresses."""

    name: str
    cidr: str
    zone: str
    public: bool = False

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "the subnet is deleted; AWS refuses while anything is in it")

    def _look(self, cloud: AwsReader) -> SubnetFacts:
        pages = cloud.ec2.get_paginator("describe_subnets").paginate(Filters=self.mark.filters)
        found = at_most_one([subnet for page in pages for subnet in page["Subnets"]], self.key)
        subnet = None
        if found:
            subnet = Subnet(
                id=found["SubnetId"],
                cidr=found["CidrBlock"],
                zone=found["AvailabilityZone"],
                public=found["MapPublicIpOnLaunch"],
            )
        return SubnetFacts(fact(find_vpc_id(cloud, self.account.project)), fact(subnet))

    def plan(self, facts: SubnetFacts) -> Plan:
        subnet = known(facts.subnet)
        changes = []
        if subnet is None:
            after: dict[str, str | AfterApply] = {
                "cidr": self.cidr,
                "zone": self.zone,
                "vpc": vpc_or_later(facts.vpc),
            }
            changes.append(Change("create", f"subnet {self.name}", after=after))
        elif subnet.cidr != self.cidr:
            raise _fixed(f"subnet {self.name}", "range", self.cidr, subnet.cidr, self.account.next_command)
        elif subnet.zone != self.zone:
            raise _fixed(f"subnet {self.name}", "zone", self.zone, subnet.zone, self.account.next_command)
        if (subnet.public if subnet else False) != self.public:
            changes.append(
                Change("change", f"public addresses in subnet {self.name}", not self.public, self.public)
            )
        return Plan(
            tuple(changes), "" if changes else f"subnet {self.name} is there as wished", Duration(3, 15)
        )

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        if change.action == "create":
            vpc = required(find_vpc_id(cloud, self.account.project), "the VPC")
            made = cloud.ec2.create_subnet(
                VpcId=vpc,
                CidrBlock=self.cidr,
                AvailabilityZone=self.zone,
                TagSpecifications=self.mark.specification("subnet", name=self.name),
            )
            cloud.wait("subnet_available", "subnet-id", made["Subnet"]["SubnetId"])
        else:
            self._set_public(cloud, required(self._id(cloud), f"subnet {self.name}"), change.after)

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        subnet = self._id(cloud)
        if subnet and change.action == "create":
            none_on(lambda: cloud.ec2.delete_subnet(SubnetId=subnet), "InvalidSubnetID.NotFound")
        elif subnet:
            self._set_public(cloud, subnet, change.before)

    def _set_public(self, cloud: AwsWriter, subnet: str, public: bool) -> None:
        cloud.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": public})

    def _id(self, cloud: AwsReader) -> str | None:
        subnet = known(self._look(cloud).subnet)
        return subnet.id if subnet else None

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        subnet = known(self.inspect(reader).subnet)
        actual = (subnet.cidr, subnet.zone, subnet.public) if subnet else "no subnet"
        return (
            Check.equal(
                f"range, zone and openness of subnet {self.name}", (self.cidr, self.zone, self.public), actual
            ),
        )


def _fixed(what: str, property_: str, wanted: str, actual: str, next_command: str) -> Refused:
    return Refused(
        f"{what} has the {property_} {actual}, the inventory says {wanted}",
        why="AWS cannot change it in place, and what stands inside would have to go first.",
        next_command=next_command,
    )
