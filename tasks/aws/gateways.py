"""The VPC's internet gateway."""

from dataclasses import dataclass

from core.access import Reader
from core.checks import Check
from core.errors import Refused
from core.facts import Fact
from core.plan import Change, Duration, Plan
from core.step import Reversal
from tasks.aws.calls import none_on
from tasks.aws.endpoint import AwsReader, AwsWriter
from tasks.aws.marks import GATEWAY_KEY, Mark, at_most_one, find_vpc_id, required
from tasks.aws.step import AwsStep, fact, known, vpc_or_later


@dataclass(frozen=True)
class Gateway:
    id: str
    vpc: str


@dataclass(frozen=True)
class GatewayFacts:
    vpc: Fact[str]
    gateway: Fact[Gateway]
    foreign: Fact[str]


@dataclass(frozen=True, kw_only=True)
class CreateInternetGateway(AwsStep[GatewayFacts]):
    """An internet gateway, attached to the VPC."""

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "the gateway is detached and deleted")

    def _look(self, cloud: AwsReader) -> GatewayFacts:
        vpc = find_vpc_id(cloud, self.account.project)
        gateway = find_gateway(cloud, self.account.project)
        foreign = None
        if vpc:
            attached = cloud.ec2.describe_internet_gateways(
                Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}]
            )["InternetGateways"]
            ids = [found["InternetGatewayId"] for found in attached]
            foreign = next((id_ for id_ in ids if gateway is None or id_ != gateway.id), None)
        return GatewayFacts(fact(vpc), fact(gateway), fact(foreign))

    def plan(self, facts: GatewayFacts) -> Plan:
        gateway, vpc, foreign = known(facts.gateway), known(facts.vpc), known(facts.foreign)
        again = self.account.next_command
        if foreign:
            raise _occupied(f"VPC {vpc} already has the internet gateway {foreign}, not ours", again)
        if gateway and gateway.vpc and gateway.vpc != vpc:
            raise _occupied(
                f"internet gateway {gateway.id} is attached to {gateway.vpc}, wanted {vpc}", again
            )
        changes = []
        if gateway is None:
            changes.append(Change("create", "internet gateway"))
        if gateway is None or not gateway.vpc:
            after = {"vpc": vpc_or_later(facts.vpc)}
            changes.append(Change("create", "attachment of the internet gateway", after=after))
        return Plan(tuple(changes), "" if changes else "the internet gateway is attached", Duration(3, 15))

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        if change.object == "internet gateway":
            cloud.ec2.create_internet_gateway(TagSpecifications=self.mark.specification("internet-gateway"))
            return
        gateway = required(find_gateway(cloud, self.account.project), "the internet gateway")
        vpc = required(find_vpc_id(cloud, self.account.project), "the VPC")
        none_on(
            lambda: cloud.ec2.attach_internet_gateway(InternetGatewayId=gateway.id, VpcId=vpc),
            "Resource.AlreadyAssociated",
        )

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        gateway = find_gateway(cloud, self.account.project)
        if gateway and change.object == "internet gateway":
            cloud.ec2.delete_internet_gateway(InternetGatewayId=gateway.id)
        elif gateway and gateway.vpc:
            cloud.ec2.detach_internet_gateway(InternetGatewayId=gateway.id, VpcId=gateway.vpc)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        gateway, vpc = known(facts.gateway), known(facts.vpc)
        actual = (gateway.vpc or "attached to none") if gateway else "no internet gateway"
        return (Check.equal("the internet gateway's VPC", vpc or "a VPC", actual),)


def find_gateway(cloud: AwsReader, project: str) -> Gateway | None:
    pages = cloud.ec2.get_paginator("describe_internet_gateways").paginate(
        Filters=Mark(project, GATEWAY_KEY).filters
    )
    found = at_most_one([gateway for page in pages for gateway in page["InternetGateways"]], GATEWAY_KEY)
    if found is None:
        return None
    attached = [attachment["VpcId"] for attachment in found["Attachments"]]
    return Gateway(found["InternetGatewayId"], attached[0] if attached else "")


def _occupied(detail: str, next_command: str) -> Refused:
    return Refused(
        detail,
        why="A VPC has one internet gateway; replacing one that others set up would cut their traffic.",
        next_command=next_command,
    )
