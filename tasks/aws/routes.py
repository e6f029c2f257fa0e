"""Route tables: the public one leads to the internet, the private one stays inside."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.access import Reader
from core.checks import Check
from core.facts import Fact
from core.plan import Change, Duration, Plan
from core.step import Reversal
from tasks.aws.calls import none_on
from tasks.aws.endpoint import AwsReader, AwsWriter
from tasks.aws.gateways import find_gateway
from tasks.aws.marks import GATEWAY_KEY, at_most_one, find_subnet_ids, find_vpc_id, required
from tasks.aws.step import AwsStep, fact, id_or_later, known, vpc_or_later

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import RouteTableTypeDef

ANYWHERE = "0.0.0.0/0"

_TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "NetworkInterfaceId",
    "LocalGatewayId",
    "CarrierGatewayId",
)
"""What a route may lead to, by the name that describing and creating it share."""


@dataclass(frozen=True)
class Association:
    """Which table a subnet uses by an association of its own."""

    id: str
    table: str


@dataclass(frozen=True)
class RouteTableFacts:
    """`default`: where the default route leads, {kind of target: id}; `associations`: by subnet name."""

    vpc: Fact[str]
    gateway: Fact[str]
    table: Fact[str]
    default: Fact[dict[str, str]]
    associations: dict[str, Fact[Association]]


@dataclass(frozen=True, kw_only=True)
class CreateRouteTable(AwsStep[RouteTableFacts]):
    """A route table and the subnets that use it; with `public`, a default route to the internet gateway.

    Routes to other destinations belong to others (VPN, Direct Connect, peering) and are left alone.
    """

    name: str
    subnets: tuple[str, ...]
    public: bool = False

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "the subnets go back to the table they used, ours is deleted")

    def _look(self, cloud: AwsReader) -> RouteTableFacts:
        project = self.account.project
        vpc, gateway = find_vpc_id(cloud, project), find_gateway(cloud, project)
        table = self._table(cloud)
        return RouteTableFacts(
            vpc=fact(vpc),
            gateway=fact(gateway.id if gateway else None),
            table=fact(table["RouteTableId"] if table else None),
            default=fact(_default_of(table)),
            associations={name: fact(self._association(cloud, name)) for name in self.subnets},
        )

    def plan(self, facts: RouteTableFacts) -> Plan:
        table, default = known(facts.table), known(facts.default)
        changes = []
        if table is None:
            changes.append(
                Change("create", f"route table {self.name}", after={"vpc": vpc_or_later(facts.vpc)})
            )
        wanted = {"GatewayId": id_or_later(facts.gateway, GATEWAY_KEY)}
        route = f"default route of route table {self.name}"
        if self.public and default is None:
            changes.append(Change("create", route, after=wanted))
        elif self.public and default != wanted:
            changes.append(Change("change", route, before=default, after=wanted))
        elif not self.public and _open(default):
            # Somebody opened the private subnets to the internet.
            changes.append(Change("delete", route, before=default))
        for subnet, association in facts.associations.items():
            now = known(association)
            after = {"table": id_or_later(facts.table, self.key)}
            what = f"association of subnet {subnet}"
            if now is None:
                changes.append(Change("create", what, after=after))
            elif now.table != table:
                changes.append(Change("change", what, before={"table": now.table}, after=after))
        because = "" if changes else f"route table {self.name} is there with its routes and subnets"
        return Plan(tuple(changes), because, Duration(3, 15))

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        project = self.account.project
        if change.object.startswith("route table"):
            vpc = required(find_vpc_id(cloud, project), "the VPC")
            cloud.ec2.create_route_table(
                VpcId=vpc, TagSpecifications=self.mark.specification("route-table", name=self.name)
            )
            return
        table = required(self._table_id(cloud), f"route table {self.name}")
        if change.object.startswith("default route"):
            target = None
            if change.action != "delete":
                target = {"GatewayId": required(find_gateway(cloud, project), "the internet gateway").id}
            self._set_default(cloud, table, target)
        else:
            name = change.object.removeprefix("association of subnet ")
            self._associate(cloud, name, table)

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        table = self._table_id(cloud)
        if table is None:
            return
        if change.object.startswith("route table"):
            cloud.ec2.delete_route_table(RouteTableId=table)
        elif change.object.startswith("default route"):
            self._set_default(cloud, table, change.before)
        else:
            name = change.object.removeprefix("association of subnet ")
            now = self._association(cloud, name)
            if now and now.table == table and change.before:
                cloud.ec2.replace_route_table_association(
                    AssociationId=now.id, RouteTableId=change.before["table"]
                )
            elif now and now.table == table:
                cloud.ec2.disassociate_route_table(AssociationId=now.id)

    def _set_default(self, cloud: AwsWriter, table: str, target: dict[str, str] | None) -> None:
        if target is None:
            none_on(
                lambda: cloud.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE),
                "InvalidRoute.NotFound",
            )
        elif known(self._look(cloud).default) is None:
            cloud.ec2.create_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, **target)  # type: ignore[arg-type]
        else:
            cloud.ec2.replace_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, **target)  # type: ignore[arg-type]

    def _associate(self, cloud: AwsWriter, name: str, table: str) -> None:
        now = self._association(cloud, name)
        if now is None:
            subnet = required(self._subnet_id(cloud, name), f"subnet {name}")
            cloud.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        elif now.table != table:
            cloud.ec2.replace_route_table_association(AssociationId=now.id, RouteTableId=table)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        table, default = known(facts.table), known(facts.default)
        if self.public:
            wanted = {"GatewayId": known(facts.gateway) or "an internet gateway"}
            route = Check.equal("the default route leads to", wanted, default or "nowhere")
        else:
            route = Check.equal("open to the internet", False, _open(default))
        tables = {name: known(association) for name, association in facts.associations.items()}
        return (
            Check.equal(f"route table {self.name} exists", True, table is not None),
            route,
            *(
                Check.equal(
                    f"subnet {name} uses the table",
                    table or "our table",
                    found.table if found else "the main table",
                )
                for name, found in tables.items()
            ),
        )

    def _table(self, cloud: AwsReader) -> "RouteTableTypeDef | None":
        pages = cloud.ec2.get_paginator("describe_route_tables").paginate(Filters=self.mark.filters)
        return at_most_one([table for page in pages for table in page["RouteTables"]], self.key)

    def _table_id(self, cloud: AwsReader) -> str | None:
        table = self._table(cloud)
        return table["RouteTableId"] if table else None

    def _subnet_id(self, cloud: AwsReader, name: str) -> str | None:
        return find_subnet_ids(cloud, self.account.project, [name]).get(name)

    def _association(self, cloud: AwsReader, name: str) -> Association | None:
        subnet = self._subnet_id(cloud, name)
        if subnet is None:
            return None
        tables = cloud.ec2.describe_route_tables(
            Filters=[{"Name": "association.subnet-id", "Values": [subnet]}]
        )["RouteTables"]
        for table in tables:
            for found in table["Associations"]:
                if found.get("SubnetId") == subnet:
                    return Association(found["RouteTableAssociationId"], table["RouteTableId"])
        return None


def _default_of(table: "RouteTableTypeDef | None") -> dict[str, str] | None:
    for route in table["Routes"] if table else ():
        if route.get("DestinationCidrBlock") == ANYWHERE:
            return {kind: str(target) for kind, target in route.items() if kind in _TARGETS and target}
    return None


def _open(default: dict[str, str] | None) -> bool:
    return bool(default) and (default or {}).get("GatewayId", "").startswith("igw-")
