"""Declared flows and what else targets.yaml wishes for: rules the cloud would refuse half-way through."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, ip_network

from inventory.draft import Draft, Finding, did_you_mean
from inventory.files import TARGETS
from inventory.targets import Rule
from inventory.yaml_lines import Path

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SCHEDULE = re.compile(r"(cron|rate)\([^()]+\)")


def group_rules(draft: Draft) -> Iterator[Finding]:
    if draft.targets is None:
        return
    groups = draft.names(TARGETS, "security_groups") or frozenset()
    for path, group in draft.each(TARGETS, ("security_groups",), draft.targets.security_groups):
        seen: set[tuple[str, str, int]] = set()
        for index, rule in enumerate(group.inbound):
            where = (*path, "inbound", index)
            yield from _source(where, rule.source, groups)
            yield from _port(where, rule)
            if (rule.source, rule.protocol, rule.port) in seen:
                yield Finding(TARGETS, where, "the same flow stands twice")
            seen.add((rule.source, rule.protocol, rule.port))


def _source(path: Path, source: str, groups: frozenset[str]) -> Iterator[Finding]:
    if source in groups:
        return
    try:
        ip_network(source)
    except ValueError:
        network = _loosely(source)
        if network:
            message = f"{source!r} has bits set behind its prefix: the network is {network}"
        else:
            message = f"{source!r} is neither a security group nor a network{did_you_mean(source, groups)}"
        yield Finding(TARGETS, (*path, "source"), message)


def _loosely(source: str) -> str:
    try:
        return str(ip_network(source, strict=False))
    except ValueError:
        return ""


def _port(path: Path, rule: Rule) -> Iterator[Finding]:
    if rule.protocol == "icmp" and rule.port:
        yield Finding(TARGETS, (*path, "port"), f"icmp has no ports, found {rule.port}")
    elif rule.protocol != "icmp" and not rule.port:
        yield Finding(TARGETS, (*path, "port"), f"{rule.protocol} needs a port from 1 to 65535")


def acl_rules(draft: Draft) -> Iterator[Finding]:
    if draft.targets is None:
        return
    for path, acl in draft.each(TARGETS, ("network_acls",), draft.targets.network_acls):
        numbers: set[tuple[str, int]] = set()
        for index, rule in enumerate(acl.rules):
            where = (*path, "rules", index)
            if (rule.direction, rule.number) in numbers:
                yield Finding(
                    TARGETS, (*where, "number"), f"{rule.direction} rule {rule.number} stands twice"
                )
            numbers.add((rule.direction, rule.number))
            if rule.from_port > rule.to_port:
                yield Finding(
                    TARGETS, (*where, "to_port"), f"{rule.to_port} is below from_port {rule.from_port}"
                )


def one_acl_a_subnet(draft: Draft) -> Iterator[Finding]:
    if draft.targets is None:
        return
    taken: dict[str, str] = {}
    for path, acl in draft.each(TARGETS, ("network_acls",), draft.targets.network_acls):
        for index, subnet in enumerate(acl.subnets):
            if subnet in taken:
                message = f"the subnet {subnet!r} already has the ACL {taken[subnet]!r}"
                yield Finding(TARGETS, (*path, "subnets", index), message)
            taken[subnet] = acl.name


def bucket_names(draft: Draft) -> Iterator[Finding]:
    """Source: Amazon S3 user guide, bucket naming rules."""
    if draft.targets is None:
        return
    for path, bucket in draft.each(TARGETS, ("buckets",), draft.targets.buckets):
        if not _BUCKET.fullmatch(bucket.name) or ".." in bucket.name:
            message = f"{bucket.name!r} is not a bucket name: 3 to 63 small letters, digits, dots and dashes"
            yield Finding(TARGETS, (*path, "name"), message)


def backup_schedules(draft: Draft) -> Iterator[Finding]:
    if draft.targets is None:
        return
    for path, backup in draft.each(TARGETS, ("backups",), draft.targets.backups):
        if not _SCHEDULE.fullmatch(backup.schedule):
            message = f"{backup.schedule!r} is not a schedule: write as in cron(0 18 * * ? *)"
            yield Finding(TARGETS, (*path, "schedule"), message)


def dns_switches(draft: Draft) -> Iterator[Finding]:
    if draft.targets is None:
        return
    for path, record in draft.each(TARGETS, ("dns",), draft.targets.dns):
        if record.old == record.new:
            yield Finding(TARGETS, (*path, "new"), f"{record.new} is the old value too: nothing would switch")
        for key, value in (("old", record.old), ("new", record.new)):
            if record.type == "A" and not _is_ipv4(value):
                yield Finding(
                    TARGETS, (*path, key), f"{value!r} is not an IPv4 address, as an A record needs"
                )


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


RULES = (group_rules, acl_rules, one_acl_a_subnet, bucket_names, backup_schedules, dns_switches)
