"""The cloud's part of the environment phase: the servers' instances and the buckets."""

from ipaddress import ip_address
from typing import Any

from core.step import Step
from inventory.model import Inventory
from inventory.targets import Server
from tasks.aws import CreateBucket, RunInstance, cloud_of
from tasks.aws.marks import group_key, instance_key, subnet_key


def instances(inventory: Inventory) -> list[Step[Any]]:
    return [_instance(inventory, server) for server in inventory.targets.servers]


def buckets(inventory: Inventory) -> list[Step[Any]]:
    return [
        CreateBucket(
            key=bucket_key(bucket.name),
            account=cloud_of(inventory),
            name=bucket.name,
            versioned=bucket.versioned,
        )
        for bucket in inventory.targets.buckets
    ]


def bucket_key(name: str) -> str:
    return f"environment/bucket/{name}"


def _instance(inventory: Inventory, server: Server) -> Step[Any]:
    return RunInstance(
        key=instance_key(server.name),
        needs=(subnet_key(server.subnet), group_key(server.security_group)),
        account=cloud_of(inventory),
        server=server.name,
        image=server.provider.image,
        instance_type=server.provider.instance_type,
        subnet=server.subnet,
        security_group=server.security_group,
        address=_private_address(inventory, server),
    )


def _private_address(inventory: Inventory, server: Server) -> str:
    """The address we will reach the server at, where it lies in its subnet; else AWS picks one."""
    subnet = next(s for s in inventory.targets.network.subnets if s.name == server.subnet)
    try:
        inside = ip_address(server.ssh.address) in subnet.cidr
    except ValueError:
        return ""  # a name, not an address
    return server.ssh.address if inside else ""
