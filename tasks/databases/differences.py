"""Wanted and found definitions side by side, as checks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from core.checks import Check, Status
from core.plan import Value
from tasks.databases.model import SchemaOptions, StoredObject, Table

_AS_THERE = "as at the source"
_MOST_LINES = 5


def definition_check(table: str, wanted: str, found: str | None) -> Check:
    name = f"table {table}: definition"
    if found is None:
        return Check(name, Status.FAIL, "present", "absent")
    if wanted != found:
        return Check(name, Status.FAIL, _AS_THERE, first_difference(wanted, found))
    return Check(name, Status.PASS, _AS_THERE, _AS_THERE)


def table_checks(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[Check]:
    """Every table of the source as on the target, and none beside them."""
    checks = [definition_check(table, definition, found.get(table)) for table, definition in wanted.items()]
    extra = [
        Check(f"table {t}", Status.FAIL, "absent", "not at the source") for t in found if t not in wanted
    ]
    return checks + extra


def object_checks(wanted: Sequence[StoredObject], there: Sequence[StoredObject]) -> list[Check]:
    """Every object of the source as on the target, and none beside them."""
    found = {o.label: o for o in there}
    checks = []
    for wished in wanted:
        other = found.pop(wished.label, None)
        if other is None:
            checks.append(Check(wished.label, Status.FAIL, "present", "absent"))
        elif object_state(other) != object_state(wished):
            checks.append(Check(wished.label, Status.FAIL, _AS_THERE, object_difference(wished, other)))
        else:
            checks.append(Check(wished.label, Status.PASS, _AS_THERE, _AS_THERE))
    return checks + [Check(label, Status.FAIL, "absent", "not at the source") for label in found]


def object_state(wished: StoredObject) -> Value:
    """What must be equal: everything but whether an event runs, which changes at cutover."""
    return {**asdict(wished), "settings": dict(wished.settings), "enabled": wished.kind != "event"}


def object_difference(wanted: StoredObject, found: StoredObject) -> str:
    if wanted.definition != found.definition:
        return first_difference(wanted.definition, found.definition)
    mine, theirs = object_state(wanted), object_state(found)
    return "; ".join(f"{k}: {mine[k]} / {theirs[k]}" for k in mine if mine[k] != theirs[k])


def first_difference(wanted: str, found: str) -> str:
    """The lines in which two definitions differ; where only their order does, the first that is elsewhere."""
    ours, theirs = ([line.strip().rstrip(",") for line in text.splitlines()] for text in (wanted, found))
    here = list((Counter(ours) - Counter(theirs)).elements())
    there = list((Counter(theirs) - Counter(ours)).elements())
    if here or there:
        return f"source: {_listed(here)}; target: {_listed(there)}"
    mine, other = next(pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1])
    return f"in another order from here on: source: {mine}; target: {other}"


def _listed(lines: Sequence[str]) -> str:
    more = f" / and {len(lines) - _MOST_LINES} more" if len(lines) > _MOST_LINES else ""
    return (" / ".join(lines[:_MOST_LINES]) or "(nothing)") + more


def options_checks(wanted: SchemaOptions | None, found: SchemaOptions | None) -> list[Check]:
    """What new tables of the schema would get."""
    return [Check.equal("schema: options", _options(wanted), _options(found))]


def _options(options: SchemaOptions | None) -> str:
    return f"{options.charset} {options.collation}" if options else "absent"


def same_rows(ours: Table, theirs: Table) -> bool:
    """Whether the rows of two tables can be compared, though perhaps an index or comment differs."""
    if ours.definition == theirs.definition:
        return True
    # The digest takes these by number, which means nothing under another list of members.
    numbered = any(column.type in ("enum", "set") for column in ours.columns)
    return ours.columns == theirs.columns and ours.key == theirs.key and not numbered
