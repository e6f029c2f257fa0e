"""Definitions as texts: without what is volatile or belongs to one server, so that equal means equal."""

import re
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from tasks.databases.model import StoredObject
from tasks.databases.mysql.quoting import name, split_account, unquote

_NAME = r"`(?:[^`]|``)*`"
# SHOW CREATE TABLE puts the table's own options on the one line that starts with a bracket.
_AUTO_INCREMENT = re.compile(r"(?m)^(\) ENGINE=\w+) AUTO_INCREMENT=\d+")
# Before the first literal of a column that is not a member of its ENUM or SET.
_CHARACTER_SET = re.compile(
    rf"(?m)^(  {_NAME} \w+(?:\((?:'(?:[^'\\]|\\.|'')*'|[^')])*\))?) CHARACTER SET \w+(?= COLLATE \w)"
)
# Between double quotes where it was written under ANSI_QUOTES.
_WHO = rf"(?:{_NAME}|\"(?:[^\"]|\"\")*\")"
_DEFINER = re.compile(rf"\A(CREATE (?:ALGORITHM=\w+ )?)DEFINER=({_WHO})(?:@({_WHO}))? ")
_HEAD = re.compile(r"\ACREATE (?:ALGORITHM=\w+ )?")
_EVENT_STATE = re.compile(
    r"(ON COMPLETION (?:NOT )?PRESERVE) (?:ENABLE|DISABLE ON (?:SLAVE|REPLICA)|DISABLE)\b"
)


_NAME_OR_LITERAL = re.compile(rb"(?s)`(?:[^`]|``)*`|'((?:[^'\\]|\\.|'')*)'")
_ESCAPED = re.compile(rb"(?s)\\(.)|''")
_SPECIAL = {b"0": b"\0", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a", b"b": b"\b"}


def readable(definition: bytes) -> str:
    """A definition as text; literals that are no text, such as the default of a BINARY column, as x'...'.

    What is no text elsewhere is kept as surrogates, see is_text.
    """
    try:
        return definition.decode()
    except UnicodeDecodeError:
        return _NAME_OR_LITERAL.sub(_as_hex, definition).decode("utf-8", "surrogateescape")


def is_text(definition: str) -> bool:
    """Whether a definition can be written as it is."""
    return not any("\ud800" <= character <= "\udfff" for character in definition)


def _as_hex(found: re.Match[bytes]) -> bytes:
    content = found[1]
    if content is None:
        return found[0]
    try:
        content.decode()
    except UnicodeDecodeError:
        plain = _ESCAPED.sub(lambda e: _SPECIAL.get(e[1], e[1]) if e[1] else b"'", content)
        return b"x'" + plain.hex().encode() + b"'"
    return found[0]


def with_reference_systems(definition: str, systems: Mapping[str, int]) -> str:
    """With the REF_SYSTEM_ID of columns, which MariaDB's own SHOW CREATE TABLE forgets."""
    for column, number in systems.items():
        head = re.compile(rf"(?m)^(  {re.escape(name(column))} \w+)")
        definition = head.sub(rf"\1 REF_SYSTEM_ID={number}", definition, count=1)
    return definition


def normalised_table(definition: str, schema: str = "") -> str:
    """Without the next number, and without the schema's own name before a sequence of its own.

    And without a column's character set beside its collation: MySQL shows it where it was written down once.
    """
    own = re.compile(rf"\b(nextval|lastval)\({re.escape(name(schema))}\.", re.IGNORECASE)
    definition = own.sub(r"\1(", _AUTO_INCREMENT.sub(r"\1", definition))
    return _CHARACTER_SET.sub(r"\1", definition)


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
    user, host = split_account(definer)
    # Between backticks: a backslash would mean something else under NO_BACKSLASH_ESCAPES.
    whom = f"{name(user)}@{name(host)}" if host else name(user)
    return _HEAD.sub(lambda head: f"{head[0]}DEFINER={whom} ", definition, count=1)


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
