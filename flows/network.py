"""Phase 2, network: one VPC, its subnets, an internet gateway, a route table for each kind of subnet."""

from typing import Any

from core.step import Step
from inventory.model import Inventory
from tasks.aws import CreateInternetGateway, CreateRouteTable, CreateSubnet, CreateVpc, cloud_of
from tasks.aws.marks import GATEWAY_KEY, VPC_KEY, subnet_key


def network(inventory: Inventory) -> list[Step[Any]]:
    account, wish = cloud_of(inventory), inventory.targets.network
    steps: list[Step[Any]] = [CreateVpc(key=VPC_KEY, account=account, name=wish.name, cidr=str(wish.cidr))]
    for subnet in wish.subnets:
        steps.append(
            CreateSubnet(
                key=subnet_key(subnet.name),
                needs=(VPC_KEY,),
                account=account,
                name=subnet.name,
                cidr=str(subnet.cidr),
                zone=subnet.zone,
                public=subnet.public,
            )
        )
    if any(subnet.public for subnet in wish.subnets):
        steps.append(CreateInternetGateway(key=GATEWAY_KEY, needs=(VPC_KEY,), account=account))
    for public in (True, False):
        if names := tuple(subnet.name for subnet in wish.subnets if subnet.public == public):
            steps.append(_route_table(inventory, names, public))
    return steps


def _route_table(inventory: Inventory, subnets: tuple[str, ...], public: bool) -> Step[Any]:
    kind = "public" if public else "private"
    return CreateRouteTable(
        key=f"network/route-table/{kind}",
        needs=(VPC_KEY, *((GATEWAY_KEY,) if public else ()), *map(subnet_key, subnets)),
        account=cloud_of(inventory),
        name=kind,
        subnets=subnets,
        public=public,
    )
