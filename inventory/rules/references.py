"""References: every name that is used is also described."""

from collections.abc import Iterable, Iterator

from inventory.draft import Draft, Finding, did_you_mean
from inventory.files import MIGRATION_LIST, SOURCES, TARGETS, TESTS
from inventory.yaml_lines import Path

_SOURCE_LISTS = {"application": "applications", "database": "databases", "file_share": "file_shares"}
_TARGET_LISTS = {
    "application": (("servers",), "server"),
    "database": (("databases",), "target database"),
    "file_share": (("buckets", "directories"), "bucket or directory"),
}


def sources_know_their_parts(draft: Draft) -> Iterator[Finding]:
    hosts, databases = draft.names(SOURCES, "hosts"), draft.names(SOURCES, "databases")
    for path, application in draft.each(SOURCES, ("applications",), draft.sources.applications):
        yield from _dangling(SOURCES, (*path, "host"), "host", application.host, hosts)
        for index, database in enumerate(application.uses_databases):
            where = (*path, "uses_databases", index)
            yield from _dangling(SOURCES, where, "database", database, databases)
    for path, share in draft.each(SOURCES, ("file_shares",), draft.sources.file_shares):
        yield from _dangling(SOURCES, (*path, "host"), "host", share.host, hosts)


def targets_know_their_parts(draft: Draft) -> Iterator[Finding]:
    targets = draft.targets
    if targets is None:
        return
    subnets, servers = draft.names(TARGETS, "network", "subnets"), draft.names(TARGETS, "servers")
    groups = draft.names(TARGETS, "security_groups")
    for path, server in draft.each(TARGETS, ("servers",), targets.servers):
        yield from _dangling(TARGETS, (*path, "subnet"), "subnet", server.subnet, subnets)
        where = (*path, "security_group")
        yield from _dangling(TARGETS, where, "security group", server.security_group, groups)
    for path, directory in draft.each(TARGETS, ("directories",), targets.directories):
        yield from _dangling(TARGETS, (*path, "server"), "server", directory.server, servers)
    for path, acl in draft.each(TARGETS, ("network_acls",), targets.network_acls):
        yield from _all_dangling(TARGETS, (*path, "subnets"), "subnet", acl.subnets, subnets)
    for path, backup in draft.each(TARGETS, ("backups",), targets.backups):
        yield from _all_dangling(TARGETS, (*path, "servers"), "server", backup.servers, servers)


def items_know_their_ends(draft: Draft) -> Iterator[Finding]:
    if draft.migration_list is None:
        return
    for path, item in draft.each(MIGRATION_LIST, ("items",), draft.migration_list.items):
        sources = draft.names(SOURCES, _SOURCE_LISTS[item.kind])
        what = f"source {item.kind.replace('_', ' ')}"
        yield from _dangling(MIGRATION_LIST, (*path, "name"), what, item.name, sources)
        lists, what = _TARGET_LISTS[item.kind]
        known = [draft.names(TARGETS, name) for name in lists]
        targets = None if None in known else frozenset().union(*(names for names in known if names))
        yield from _all_dangling(MIGRATION_LIST, (*path, "target"), what, item.target, targets)


def tests_know_their_items(draft: Draft) -> Iterator[Finding]:
    if draft.tests is None:
        return
    items = draft.names(MIGRATION_LIST, "items") or None
    for path, test in draft.each(TESTS, ("tests",), draft.tests.tests):
        yield from _dangling(TESTS, (*path, "item"), "item of the migration list", test.item, items)


def _all_dangling(
    file: str, path: Path, what: str, names: Iterable[str], known: frozenset[str] | None
) -> Iterator[Finding]:
    for index, name in enumerate(names):
        yield from _dangling(file, (*path, index), what, name, known)


def _dangling(file: str, path: Path, what: str, name: str, known: frozenset[str] | None) -> Iterator[Finding]:
    if known is not None and name not in known:
        yield Finding(file, path, f"there is no {what} {name!r}{did_you_mean(name, known)}")


RULES = (sources_know_their_parts, targets_know_their_parts, items_know_their_ends, tests_know_their_items)
