"""Wanted and found definitions side by side, as checks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from core.checks import Check, Status
from core.plan import Value
from tasks.databases.port import StoredObject

_AS_THERE = "as at the source"


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
    """The first line in which two definitions differ."""
    theirs = found.splitlines()
    for number, line in enumerate(wanted.splitlines()):
        other = theirs[number] if number < len(theirs) else "(nothing)"
        if line != other:
            return f"source: {line.strip()}; target: {other.strip()}"
    return f"target has more: {theirs[-1].strip()}"
