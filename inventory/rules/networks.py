"""Addresses: networks that hold each other, do not overlap, and that the cloud accepts."""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias

from inventory.draft import Draft, Finding
from inventory.files import SOURCES, TARGETS
from inventory.targets import Subnet
from inventory.yaml_lines import Path

_AnyNetwork: TypeAlias = IPv4Network | IPv6Network
_LARGEST, _SMALLEST = 16, 28
"""Prefix lengths of a VPC and of its subnets. Source: Amazon VPC user guide, VPC CIDR blocks."""


def sizes_the_cloud_accepts(draft: Draft) -> Iterator[Finding]:
    if draft.targets is None:
        return
    network = draft.targets.network
    yield from _size((("network", "cidr")), network.cidr)
    for path, subnet in draft.each(TARGETS, ("network", "subnets"), network.subnets):
        yield from _size((*path, "cidr"), subnet.cidr)


def subnets_inside(draft: Draft) -> Iterator[Finding]:
    if draft.targets is None:
        return
    network = draft.targets.network
    for path, subnet in draft.each(TARGETS, ("network", "subnets"), network.subnets):
        if not _inside(subnet.cidr, network.cidr):
            yield Finding(TARGETS, (*path, "cidr"), f"{subnet.cidr} is not inside the network {network.cidr}")


def subnets_apart(draft: Draft) -> Iterator[Finding]:
    """Sorted by address, an overlap shows between a subnet and the one before that reaches furthest."""
    if draft.targets is None:
        return
    subnets = list(draft.each(TARGETS, ("network", "subnets"), draft.targets.network.subnets))
    for version in (4, 6):
        widest: tuple[Path, Subnet] | None = None
        for entry in sorted((e for e in subnets if e[1].cidr.version == version), key=_by_address):
            if widest and int(entry[1].cidr.network_address) <= int(widest[1].cidr.broadcast_address):
                # Reported at the entry that stands later in the file.
                (_, other), (path, subnet) = sorted((widest, entry), key=lambda e: str(e[0][-1]).zfill(9))
                yield Finding(
                    TARGETS, (*path, "cidr"), f"{subnet.cidr} overlaps {other.cidr} of {other.name!r}"
                )
            if not widest or int(entry[1].cidr.broadcast_address) > int(widest[1].cidr.broadcast_address):
                widest = entry


def apart_from_the_sources(draft: Draft) -> Iterator[Finding]:
    """Both sides are connected during the move: one address must not be in two places."""
    if draft.targets is None:
        return
    wished = draft.targets.network.cidr
    for _, network in draft.each(SOURCES, ("networks",), draft.sources.networks):
        if _overlap(network.cidr, wished):
            yield Finding(
                TARGETS,
                ("network", "cidr"),
                f"{wished} overlaps the source network {network.name!r} {network.cidr}",
            )


def zones_in_the_region(draft: Draft) -> Iterator[Finding]:
    if draft.targets is None:
        return
    region = draft.targets.cloud.region
    for path, subnet in draft.each(TARGETS, ("network", "subnets"), draft.targets.network.subnets):
        if not subnet.zone.startswith(region):
            yield Finding(TARGETS, (*path, "zone"), f"{subnet.zone} is not a zone of the region {region}")


def not_onto_itself(draft: Draft) -> Iterator[Finding]:
    """A target that is a source would be overwritten with itself, or emptied first."""
    if draft.targets is None:
        return
    hosts = {(h.ssh.address, h.ssh.port): h.name for h in draft.sources.hosts}
    for path, server in draft.each(TARGETS, ("servers",), draft.targets.servers):
        host = hosts.get((server.ssh.address, server.ssh.port))
        if host:
            yield Finding(
                TARGETS, (*path, "ssh", "address"), f"{server.ssh.address} is the source host {host!r}"
            )
    databases = {(d.address, d.port, d.schema_name): d.name for d in draft.sources.databases}
    for path, target in draft.each(TARGETS, ("databases",), draft.targets.databases):
        source = databases.get((target.address, target.port, target.schema_name))
        if source:
            where = f"{target.address}:{target.port}/{target.schema_name}"
            yield Finding(TARGETS, (*path, "address"), f"{where} is the source database {source!r}")


def _size(path: Path, cidr: _AnyNetwork) -> Iterator[Finding]:
    if cidr.version != 4:
        yield Finding(TARGETS, path, f"{cidr} is not an IPv4 network")
    elif not _LARGEST <= cidr.prefixlen <= _SMALLEST:
        yield Finding(TARGETS, path, f"{cidr}: the cloud takes networks from /{_LARGEST} to /{_SMALLEST}")


def _inside(inner: _AnyNetwork, outer: _AnyNetwork) -> bool:
    return inner.version == outer.version and inner.prefixlen >= outer.prefixlen and _overlap(inner, outer)


def _overlap(one: _AnyNetwork, other: _AnyNetwork) -> bool:
    return one.version == other.version and one.overlaps(other)


def _by_address(entry: tuple[Path, Subnet]) -> tuple[int, int]:
    return int(entry[1].cidr.network_address), entry[1].cidr.prefixlen


RULES = (
    sizes_the_cloud_accepts,
    subnets_inside,
    subnets_apart,
    apart_from_the_sources,
    zones_in_the_region,
    not_onto_itself,
)
