"""Secondary indexes that wait until a table's rows are there: built once, sorted, instead of row by row.

Source: MariaDB Knowledge Base and MySQL 8.0 Reference Manual, "ALTER TABLE", "InnoDB online DDL".
"""

import re
from collections.abc import Sequence

from tasks.databases.mysql.quoting import name, unquote

_NAME = r"`(?:[^`]|``)*`"
_KEY = re.compile(
    rf"  (?P<kind>UNIQUE KEY|KEY|FULLTEXT KEY|SPATIAL KEY|VECTOR KEY) (?P<name>{_NAME}) (?P<rest>.*?),?"
)
_FIRST_COLUMN = re.compile(rf"\((?P<column>{_NAME})")
_FOREIGN = re.compile(rf"  CONSTRAINT {_NAME} FOREIGN KEY \((?P<columns>[^)]*)\)")
_NUMBERED = re.compile(rf"  (?P<column>{_NAME}) .* AUTO_INCREMENT\b")
_PUT_OFF = ("KEY", "UNIQUE KEY")
# Kinds whose making rewrites the table, and tables whose definition may not change.
_NOT_WITH = ("FULLTEXT KEY", "SPATIAL KEY", "VECTOR KEY", "USING HASH", "WITH SYSTEM VERSIONING")


def put_off(definition: str, key: Sequence[str], referenced: Sequence[str]) -> tuple[str, ...]:
    """The names of the indexes that may wait.

    Not those that find rows meanwhile, that a foreign key of this or (`referenced`: first columns) of
    another table rests on, or that give out numbers.
    """
    lines = definition.splitlines()
    if any(word in line for line in lines for word in _NOT_WITH) or ") ENGINE=InnoDB" not in definition:
        return ()
    needed = {unquote(found["column"]) for line in lines if (found := _NUMBERED.match(line))}
    needed |= {
        unquote(re.match(_NAME, found["columns"])[0])  # type: ignore[index]
        for line in lines
        if (found := _FOREIGN.match(line))
    }
    needed |= set(referenced)
    waiting = []
    for found in filter(None, map(_KEY.fullmatch, lines)):
        first = _FIRST_COLUMN.match(found["rest"])
        if found["kind"] not in _PUT_OFF or first is None:
            continue
        # A table without a primary key is cut by a unique one: by which is for the catalogue to know.
        finds_rows = found["kind"] == "UNIQUE KEY" and "  PRIMARY KEY" not in definition
        if unquote(first["column"]) not in needed and not finds_rows:
            waiting.append(unquote(found["name"]))
    return tuple(waiting)


def without(definition: str, indexes: Sequence[str]) -> str:
    """The definition as the server gives it once these indexes are dropped."""
    head, *lines, tail = _parts(definition)
    kept = [
        line.removesuffix(",")
        for line in lines
        if not ((found := _KEY.fullmatch(line)) and unquote(found["name"]) in indexes)
    ]
    return "\n".join([head, ",\n".join(kept), tail])


def drop(indexes: Sequence[str]) -> str:
    return ", ".join(f"DROP KEY {name(index)}" for index in indexes)


def make(definition: str, there: str) -> str:
    """What an ALTER TABLE says to come from the definition that is there back to the whole one.

    Indexes kept between those put off are named again, which costs nothing: only so the order is as it was.
    """
    present = [unquote(found["name"]) for found in _keys(there)]
    whole = [(unquote(found["name"]), found) for found in _keys(definition)]
    missing = [n for n, (index, _) in enumerate(whole) if index not in present]
    if not missing:
        return ""
    after = whole[missing[0] :]
    again = [index for index, _ in after if index in present]
    clauses = [f"DROP KEY {name(index)}" for index in again]
    clauses += [f"ADD {found['kind']} {found['name']} {found['rest']}" for _, found in after]
    return ", ".join(clauses)


def _keys(definition: str) -> list[re.Match[str]]:
    return [found for line in definition.splitlines() if (found := _KEY.fullmatch(line))]


def _parts(definition: str) -> list[str]:
    """The first line, one line for each column, key and constraint, and all from the table's options on."""
    lines = definition.split("\n")
    end = next(n for n, line in enumerate(lines) if line.startswith(")"))
    return [*lines[:end], "\n".join(lines[end:])]
