"""What stands with a target database for method dms (AWS DMS) and for its own replication (follow)."""

from collections.abc import Iterator

from inventory.draft import Draft, Finding, did_you_mean
from inventory.files import MIGRATION_LIST, TARGETS
from inventory.targets import DmsProvider, Targets
from inventory.yaml_lines import Path

SERVED = ("mariadb", "mysql")
"""Engines whose schema we make and whose rows we compare on both sides; DMS alone proves nothing."""


def dms_items_can_be_served(draft: Draft) -> Iterator[Finding]:
    if draft.targets is None or draft.migration_list is None:
        return
    databases = {database.name: database for database in draft.targets.databases}
    sources = {database.name: database for database in draft.sources.databases}
    for path, item in draft.each(MIGRATION_LIST, ("items",), draft.migration_list.items):
        if item.method != "dms" or item.kind != "database" or not item.in_scope:
            continue
        source, target = sources.get(item.name), databases.get(item.target[0]) if item.target else None
        if source is not None and source.engine not in SERVED:
            message = f"dms is carried out for {' and '.join(SERVED)}, {item.name!r} is {source.engine}"
            yield Finding(MIGRATION_LIST, (*path, "method"), message)
        if target is not None and target.provider is None:
            message = (
                f"method dms: describe the replication instance in the provider block of {target.name!r}"
            )
            yield Finding(MIGRATION_LIST, (*path, "method"), message)
        elif source is not None and target is not None and target.provider and target.provider.secrets_role:
            for what, database in (("source", source), ("target", target)):
                if not database.password.startswith("aws:"):
                    message = f"secrets_role: the password of the {what} {database.name!r} is no aws: secret"
                    yield Finding(MIGRATION_LIST, (*path, "method"), message)


def dms_knows_its_parts(draft: Draft) -> Iterator[Finding]:
    targets = draft.targets
    if targets is None:
        return
    for path, database in draft.each(TARGETS, ("databases",), targets.databases):
        if database.provider is not None:
            yield from _parts(draft, targets, (*path, "provider"), database.provider)


def _parts(draft: Draft, targets: Targets, path: Path, wish: DmsProvider) -> Iterator[Finding]:
    groups, subnets = draft.names(TARGETS, "security_groups"), draft.names(TARGETS, "network", "subnets")
    if groups is not None and wish.security_group not in groups:
        message = f"there is no security group {wish.security_group!r}"
        yield Finding(TARGETS, (*path, "security_group"), message + did_you_mean(wish.security_group, groups))
    missing = [name for name in wish.subnets if subnets is not None and name not in subnets]
    for name in missing:
        message = f"there is no subnet {name!r}{did_you_mean(name, subnets or ())}"
        yield Finding(TARGETS, (*path, "subnets", wish.subnets.index(name)), message)
    zones = {subnet.zone for subnet in targets.network.subnets if subnet.name in wish.subnets}
    if not missing and subnets is not None and len(zones) < 2:
        yield Finding(
            TARGETS, (*path, "subnets"), f"DMS wants subnets in two zones, found {', '.join(zones)}"
        )


def own_replication_fits(draft: Draft) -> Iterator[Finding]:
    """A target that replicates by itself does so for a followed schema, whole and under its own name."""
    if draft.targets is None or draft.migration_list is None:
        return
    sources = {database.name: database for database in draft.sources.databases}
    items = {
        item.target[0]: item
        for _, item in draft.each(MIGRATION_LIST, ("items",), draft.migration_list.items)
        if item.kind == "database" and item.in_scope and item.target
    }
    for path, database in draft.each(TARGETS, ("databases",), draft.targets.databases):
        item = items.get(database.name)
        if database.replicate_from is None or item is None:
            continue
        where = (*path, "replicate_from")
        if item.method != "follow":
            message = f"replicate_from is for method follow, {item.name!r} moves by {item.method}"
            yield Finding(TARGETS, where, message)
        if database.engine not in SERVED:
            message = f"replicate_from is carried out for {' and '.join(SERVED)}, not {database.engine}"
            yield Finding(TARGETS, where, message)
        source = sources.get(item.name)
        if source is not None and source.schema_name != database.schema_name:
            message = (
                f"replicated, {source.schema_name!r} keeps its name, the target's is {database.schema_name!r}"
            )
            yield Finding(TARGETS, where, message)


RULES = (dms_items_can_be_served, dms_knows_its_parts, own_replication_fits)
