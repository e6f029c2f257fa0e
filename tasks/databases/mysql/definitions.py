"""Definitions as texts: without what is volatile or belongs to one server, so that equal means equal."""

import re
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from tasks.databases.mysql.quoting import account, name, unquote
from tasks.databases.port import StoredObject

_NAME = r"`(?:[^`]|``)*`"
# SHOW CREATE TABLE puts the table's own options on the one line that starts with a bracket.
_AUTO_INCREMENT = re.compile(r"(?m)^(\) ENGINE=\w+) AUTO_INCREMENT=\d+")
_DEFINER = re.compile(rf"\A(CREATE (?:ALGORITHM=\w+ )?)DEFINER=({_NAME})(?:@({_NAME}))? ")
_HEAD = re.compile(r"\ACREATE (?:ALGORITHM=\w+ )?")
_EVENT_STATE = re.compile(
    r"(ON COMPLETION (?:NOT )?PRESERVE) (?:ENABLE|DISABLE ON (?:SLAVE|REPLICA)|DISABLE)\b"
)


def normalised_table(definition: str) -> str:
    return _AUTO_INCREMENT.sub(r"\1", definition)


def without_definer(definition: str) -> tuple[str, str]:
    """The definition without its DEFINER clause, and the definer as name@host."""
    found = _DEFINER.match(definition)
    if found is None:
        return definition, ""
    user, host = unquote(found[2]), unquote(found[3]) if found[3] else ""
    return found[1] + definition[found.end() :], f"{user}@{host}"


def with_definer(definition: str, definer: str) -> str:
    if not definer:
        return definition
    return _HEAD.sub(lambda head: f"{head[0]}DEFINER={account(definer)} ", definition, count=1)


def disabled_event(definition: str) -> str:
    return _EVENT_STATE.sub(r"\1 DISABLE", definition, count=1)


def in_order_of_use(views: Iterable[StoredObject]) -> list[StoredObject]:
    """Views after the views they read."""
    by_name = {view.name: view for view in sorted(views, key=lambda view: view.name)}
    reads = {
        view.name: [other for other in by_name if other != view.name and name(other) in view.definition]
        for view in by_name.values()
    }
    try:
        order = list(TopologicalSorter(reads).static_order())
    except CycleError:
        # Only an alias named like another view looks like a circle; making them is retried in rounds.
        order = list(by_name)
    return [by_name[n] for n in order]
