"""The migration list: what is in scope can be moved as listed, and nothing is left unsaid."""

from collections.abc import Iterator

from inventory.draft import Draft, Finding
from inventory.files import MIGRATION_LIST, SOURCES, TARGETS, TESTS
from inventory.migration import Item
from inventory.sources import Application
from inventory.yaml_lines import Path

_LISTS = (("application", "applications"), ("database", "databases"), ("file_share", "file_shares"))


def _items(draft: Draft) -> Iterator[tuple[Path, Item]]:
    if draft.migration_list is not None:
        yield from draft.each(MIGRATION_LIST, ("items",), draft.migration_list.items)


def every_source_is_listed(draft: Draft) -> Iterator[Finding]:
    """What stands neither in nor out of scope is what people quarrel about afterwards."""
    if not draft.names(MIGRATION_LIST, "items"):
        return
    kinds = {path[1]: kind for path, kind in draft.named(MIGRATION_LIST, "items", key="kind")}
    listed = {(kinds.get(path[1]), name) for path, name in draft.named(MIGRATION_LIST, "items")}
    # Where the kind itself is faulty, the name alone must do.
    unclear = {name for kind, name in listed if kind not in dict(_LISTS)}
    for kind, section in _LISTS:
        for path, name in draft.named(SOURCES, section):
            if (kind, name) not in listed and name not in unclear:
                what = kind.replace("_", " ")
                message = f"the {what} {name!r} is not on the migration list, in or out of scope"
                yield Finding(SOURCES, path, message)


def items_say_what_they_need(draft: Draft) -> Iterator[Finding]:
    for path, item in _items(draft):
        if not item.in_scope:
            if not item.reason.strip():
                yield Finding(MIGRATION_LIST, (*path, "reason"), f"{item.name!r} is out of scope: say why")
            continue
        if not item.target:
            yield Finding(MIGRATION_LIST, (*path, "target"), f"{item.name!r} is in scope: say where it goes")
        elif len(item.target) > 1 and item.kind != "file_share":
            message = f"{item.kind} {item.name!r} goes to one target, found {len(item.target)}"
            yield Finding(MIGRATION_LIST, (*path, "target"), message)
        if item.method == "exclude":
            yield Finding(MIGRATION_LIST, (*path, "method"), "exclude contradicts in_scope: true")
        elif item.method in ("dms", "follow") and item.kind != "database":
            message = f"{item.method} moves databases, {item.name!r} is none"
            yield Finding(MIGRATION_LIST, (*path, "method"), message)


def one_source_a_target(draft: Draft) -> Iterator[Finding]:
    """Two sources moved into one database or folder would overwrite each other."""
    taken: dict[tuple[str, str], str] = {}
    for path, item in _items(draft):
        if not item.in_scope or item.kind == "application":
            continue
        for index, target in enumerate(item.target):
            if (item.kind, target) in taken:
                message = f"{target!r} is already the target of {taken[item.kind, target]!r}"
                yield Finding(MIGRATION_LIST, (*path, "target", index), message)
            taken.setdefault((item.kind, target), item.name)


def same_engine(draft: Draft) -> Iterator[Finding]:
    if draft.targets is None:
        return
    sources = {d.name: d.engine for d in draft.sources.databases}
    targets = {d.name: d.engine for d in draft.targets.databases}
    for path, item in _items(draft):
        if item.kind != "database" or not item.in_scope:
            continue
        for index, target in enumerate(item.target):
            source_engine, target_engine = sources.get(item.name), targets.get(target)
            if source_engine and target_engine and source_engine != target_engine:
                message = f"{item.name!r} is {source_engine}, its target {target!r} is {target_engine}"
                yield Finding(MIGRATION_LIST, (*path, "target", index), message)


def applications_are_complete(draft: Draft) -> Iterator[Finding]:
    moved = {item.name for _, item in _items(draft) if item.in_scope and item.kind == "application"}
    for path, application in draft.each(SOURCES, ("applications",), draft.sources.applications):
        if application.php_fpm and application.software != "nginx":
            message = f"PHP-FPM is served by nginx here, {application.name!r} is {application.software}"
            yield Finding(SOURCES, (*path, "php_fpm"), message)
        if application.name in moved:
            yield from _ready_to_move(path, application)


def _ready_to_move(path: Path, application: Application) -> Iterator[Finding]:
    if application.software == "commercial" and not application.licence.strip():
        message = "commercial software moves only with a licence: name the one that party A supplies"
        yield Finding(SOURCES, (*path, "licence"), message)
    if application.software == "nginx" and not application.site:
        yield Finding(SOURCES, (*path, "site"), "nginx: name the site's file in sites-available")


def databases_move_with_their_applications(draft: Draft) -> Iterator[Finding]:
    """An application in scope would wait for ever for a database that is not moved."""
    scope = {(item.kind, item.name): item.in_scope for _, item in _items(draft)}
    for path, application in draft.each(SOURCES, ("applications",), draft.sources.applications):
        if not scope.get(("application", application.name)):
            continue
        for index, database in enumerate(application.uses_databases):
            if scope.get(("database", database)) is False:
                message = f"{application.name!r} is in scope, its database {database!r} is not"
                yield Finding(SOURCES, (*path, "uses_databases", index), message)


def tests_of_what_is_in_scope(draft: Draft) -> Iterator[Finding]:
    if draft.tests is None:
        return
    items = {item.name: item for _, item in _items(draft)}
    for path, test in draft.each(TESTS, ("tests",), draft.tests.tests):
        item = items.get(test.item)
        if item is None:
            continue
        if not item.in_scope:
            yield Finding(TESTS, (*path, "item"), f"{item.name!r} is out of scope: it is not even looked at")
        elif test.kind == "sql" and item.kind != "database":
            message = f"a query needs a database, {item.name!r} is of kind {item.kind}"
            yield Finding(TESTS, (*path, "item"), message)


def region_is_allowed(draft: Draft) -> Iterator[Finding]:
    if draft.project is None or draft.targets is None:
        return
    region, allowed = draft.targets.cloud.region, draft.project.residency.allowed_regions
    if region not in allowed:
        message = f"{region!r} is not on the project's residency list ({', '.join(allowed)})"
        yield Finding(TARGETS, ("cloud", "region"), message)


RULES = (
    every_source_is_listed,
    items_say_what_they_need,
    one_source_a_target,
    same_engine,
    applications_are_complete,
    databases_move_with_their_applications,
    tests_of_what_is_in_scope,
    region_is_allowed,
)
