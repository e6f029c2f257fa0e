"""Phase 6, security: the declared flows as security groups and network ACLs, and the backups of servers."""

from graphlib import CycleError, TopologicalSorter
from ipaddress import ip_network
from typing import Any

from core.errors import Refused
from core.step import Step
from inventory.model import Inventory
from inventory.targets import AclRule, NetworkAcl, Rule, SecurityGroup
from tasks.aws import AclEntry, InboundRule, SetBackupPlan, SetNetworkAcl, SetSecurityGroup, cloud_of
from tasks.aws.marks import VPC_KEY, group_key, instance_key, subnet_key
from tasks.aws.network_acls import PROTOCOLS
from tasks.aws.security_groups import is_range


def security(inventory: Inventory) -> list[Step[Any]]:
    _refuse_circles(inventory)
    targets = inventory.targets
    return [
        *(_group(inventory, group) for group in targets.security_groups),
        *(_acl(inventory, acl) for acl in targets.network_acls),
        *(
            SetBackupPlan(
                key=f"security/backup/{policy.name}",
                needs=tuple(map(instance_key, policy.servers)),
                account=cloud_of(inventory),
                name=policy.name,
                servers=policy.servers,
                schedule=policy.schedule,
                keep_days=policy.keep_days,
            )
            for policy in targets.backups
        ),
    ]


def _group(inventory: Inventory, group: SecurityGroup) -> Step[Any]:
    return SetSecurityGroup(
        key=group_key(group.name),
        needs=(VPC_KEY, *map(group_key, sorted(_sources(group)))),
        account=cloud_of(inventory),
        name=group.name,
        inbound=tuple(_inbound(rule) for rule in group.inbound),
    )


def _inbound(rule: Rule) -> InboundRule:
    port = -1 if rule.protocol == "icmp" else rule.port
    # As AWS writes ranges, so that what is read back compares equal.
    source = str(ip_network(rule.source)) if is_range(rule.source) else rule.source
    return InboundRule(source, rule.protocol, port, port, rule.reason)


def _sources(group: SecurityGroup) -> set[str]:
    """The other groups that this group's rules name."""
    return {rule.source for rule in group.inbound if not is_range(rule.source)} - {group.name}


def _refuse_circles(inventory: Inventory) -> None:
    try:
        TopologicalSorter(
            {group.name: _sources(group) for group in inventory.targets.security_groups}
        ).prepare()
    except CycleError as error:
        raise Refused(
            f"security groups name each other in a circle: {' -> '.join(error.args[1])}",
            why="Each could only be made after the other: give the range of the subnet in one of the rules.",
            next_command=f"qianyun check {inventory.folder}",
        ) from error


def _acl(inventory: Inventory, acl: NetworkAcl) -> Step[Any]:
    return SetNetworkAcl(
        key=f"security/acl/{acl.name}",
        needs=(VPC_KEY, *map(subnet_key, acl.subnets)),
        account=cloud_of(inventory),
        name=acl.name,
        subnets=acl.subnets,
        entries=tuple(_entry(rule) for rule in acl.rules),
    )


def _entry(rule: AclRule) -> AclEntry:
    with_ports = rule.protocol in ("tcp", "udp")
    return AclEntry(
        number=rule.number,
        egress=rule.direction == "outbound",
        action=rule.action,
        protocol=PROTOCOLS[rule.protocol],
        cidr=str(rule.cidr),
        from_port=rule.from_port if with_ports else 0,
        to_port=rule.to_port if with_ports else 0,
    )
