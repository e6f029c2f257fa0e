"""Names: unique where they are spoken of alone, and never such that two steps get one key."""

from collections.abc import Iterator

from inventory.draft import Draft, Finding
from inventory.files import MIGRATION_LIST, PRECONDITIONS, PROJECT, SOURCES, TARGETS, TESTS
from inventory.yaml_lines import Path

_UNIQUE: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (PROJECT, ("contacts",), "mail"),
    (SOURCES, ("networks",), "name"),
    (SOURCES, ("hosts",), "name"),
    (SOURCES, ("applications",), "name"),
    (SOURCES, ("databases",), "name"),
    (SOURCES, ("file_shares",), "name"),
    (TARGETS, ("network", "subnets"), "name"),
    (TARGETS, ("security_groups",), "name"),
    (TARGETS, ("network_acls",), "name"),
    (TARGETS, ("servers",), "name"),
    (TARGETS, ("databases",), "name"),
    (TARGETS, ("backups",), "name"),
    (TARGETS, ("dns",), "name"),
    (PRECONDITIONS, ("preconditions",), "kind"),
    (TESTS, ("tests",), "name"),
)
_CUTOVER_WORDS = ("dns", "check")


def unique_in_its_list(draft: Draft) -> Iterator[Finding]:
    for file, path, key in _UNIQUE:
        named = draft.named(file, *path, key=key)
        # A person is found by mail whatever its case; two entries would make the approver ambiguous.
        yield from _twice(file, [(p, n.lower()) for p, n in named] if key == "mail" else named)
    for index in range(len(draft.named(TARGETS, "servers"))):
        yield from _twice(TARGETS, draft.named(TARGETS, "servers", index, "accounts"))


def one_item_a_name(draft: Draft) -> Iterator[Finding]:
    """The scope guard and the tests speak of items by name alone, whatever their kind."""
    yield from _twice(MIGRATION_LIST, draft.named(MIGRATION_LIST, "items"))


def one_storage_a_name(draft: Draft) -> Iterator[Finding]:
    """A bucket and a directory of one name would share the key files/{share}/{target}."""
    storage = draft.named(TARGETS, "buckets") + draft.named(TARGETS, "directories")
    yield from _twice(TARGETS, storage)


def no_cutover_words(draft: Draft) -> Iterator[Finding]:
    """cutover/dns/... and cutover/check/... are keys of their own."""
    for path, name in draft.named(SOURCES, "databases") + draft.named(SOURCES, "file_shares"):
        if name in _CUTOVER_WORDS:
            yield Finding(SOURCES, path, f"{name!r} is a word of the step keys: choose another name")


def _twice(file: str, named: list[tuple[Path, str]]) -> Iterator[Finding]:
    first: dict[str, Path] = {}
    for path, name in named:
        if name in first:
            # Counted from 1 for people, where the path counts from 0.
            where = ".".join(str(part) for part in first[name][:-1] if isinstance(part, str))
            number = next(part for part in reversed(first[name]) if isinstance(part, int)) + 1
            yield Finding(file, path, f"{name!r} stands twice, first as entry {number} of {where}")
        else:
            first[name] = path


RULES = (unique_in_its_list, one_item_a_name, one_storage_a_name, no_cutover_words)
