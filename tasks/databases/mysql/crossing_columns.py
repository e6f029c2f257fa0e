"""Columns of SHOW CREATE TABLE in the words of either server: read thing by thing, written in one order.

Source: MySQL 8.4 Reference Manual, "CREATE TABLE"; MariaDB Knowledge Base, "CREATE TABLE".
"""

import re
from dataclasses import dataclass, field

from tasks.databases.model import Column
from tasks.databases.mysql.expressions import Unclear, common_form, literal
from tasks.databases.mysql.quoting import name, unquote

NAME = r"`(?:[^`]|``)*`"
TEXT = r"'(?:[^'\\]|\\.|'')*'"
_HEAD = re.compile(
    rf"(?s)  (?P<name>{NAME}) (?P<type>\w+)(?P<size>\((?:{TEXT}|[^')])*\))?(?P<sign>(?: unsigned| zerofill)*)"
)
_WHOLE = {"tinyint", "smallint", "mediumint", "int", "bigint"}
_WITHOUT_DEFAULT = ("text", "blob", "json", "geometry", "point", "linestring", "polygon", "collection")
_OTHER_TYPES = {
    "inet4": "VARBINARY(4) or CHAR(15), with conversion in the programs",
    "inet6": "VARBINARY(16) or CHAR(39), with conversion in the programs",
    "uuid": "CHAR(36), with conversion in the programs",
    "json": "a LONGTEXT there: MySQL keeps its values rewritten, programs would get other texts",
    "vector": "the servers keep vectors in forms of their own",
}
_NOW = re.compile(r"(?i)(?:current_timestamp|now|localtimestamp)(?:\((\d?)\))?\Z")
# What follows a column's type, in any order. Comments are MySQL's; without them MariaDB says the same.
_PARTS = (
    ("charset", re.compile(r" CHARACTER SET (\w+)")),
    ("collation", re.compile(r" COLLATE (\w+)")),
    ("not_null", re.compile(r" NOT NULL")),
    ("null", re.compile(r" NULL")),
    ("invisible", re.compile(r" (?:INVISIBLE|/\*!80023 INVISIBLE \*/)")),
    ("numbered", re.compile(r" AUTO_INCREMENT")),
    ("comment", re.compile(rf"(?s) COMMENT ({TEXT})")),
    ("renewed", re.compile(r"(?i) ON UPDATE (current_timestamp(?:\(\d?\))?)")),
)
_GENERATED, _DEFAULT, _CHECK = " GENERATED ALWAYS AS (", " DEFAULT ", " CHECK ("
_AFTER_GENERATED = re.compile(r" (VIRTUAL|STORED|PERSISTENT)")


class Stuck(Exception):
    """What the other server has no equal of, with what would have to become of it."""


@dataclass
class Shape:
    """One column, in no server's words."""

    column: Column
    type: str
    generated: str = ""
    stored: bool = False
    default: str | None = None
    """In the common form; None where there is none or it is NULL."""
    found: dict[str, str] = field(default_factory=dict)
    check: str = ""
    """The CHECK that MariaDB keeps with the column, in the common form."""


def read(line: str, columns: dict[str, Column]) -> Shape:
    """Raises: Stuck"""
    head = _HEAD.match(line)
    if head is None:
        raise Stuck(f"{line.strip()[:60]}: a form that is not known")
    column = columns[unquote(head["name"])]
    kind = head["type"].lower()
    if kind in _OTHER_TYPES:
        raise Stuck(f"column {column.name} {kind}: {_OTHER_TYPES[kind]}")
    shape = Shape(column, _type(kind, head["size"] or "", head["sign"]))
    rest = line[head.end() :].removesuffix(",")
    while rest:
        rest = _part(shape, rest)
    return shape


def _type(kind: str, size: str, sign: str) -> str:
    if kind in _WHOLE and "zerofill" not in sign and not (kind == "tinyint" and size == "(1)" and not sign):
        size = ""  # how wide clients may show it, which MySQL has given up
    kind = "geometrycollection" if kind == "geomcollection" else kind
    return f"{kind}{'' if kind == 'year' else size}{sign}"


def _part(shape: Shape, rest: str) -> str:
    """Takes one thing from what is left of the line."""
    for key, pattern in _PARTS:
        if found := pattern.match(rest):
            shape.found[key] = found[1] if found.groups() else key
            return rest[found.end() :]
    label = f"column {shape.column.name}"
    try:
        if rest.startswith(_GENERATED):
            inside, rest = bracketed(rest[len(_GENERATED) :])
            shape.generated = common_form(inside)
            if kept := _AFTER_GENERATED.match(rest):
                shape.stored = kept[1] != "VIRTUAL"
                rest = rest[kept.end() :]
            return rest
        if rest.startswith(_CHECK):
            inside, rest = bracketed(rest[len(_CHECK) :])
            shape.check = common_form(inside)
            return rest
        if rest.startswith(_DEFAULT):
            value, rest = _default(rest[len(_DEFAULT) :])
            shape.default = None if value.upper() == "NULL" else _default_form(shape, value)
            return rest
    except Unclear as error:
        raise Stuck(f"{label}: {error}: not known to mean the same there") from None
    raise Stuck(f"{label}: {_words(rest)}")


def _words(rest: str) -> str:
    if found := re.match(r" (?:REF_SYSTEM_ID=|/\*!80003 SRID )(\d+)", rest):
        return (
            f"reference system {found[1]}: the other server reads the axes of such values in the other order"
        )
    if "COMPRESSED" in rest:
        return "COMPRESSED: no equal; ROW_FORMAT=COMPRESSED of the table"
    return f"{rest.strip()[:40]}: not known there"


def bracketed(rest: str) -> tuple[str, str]:
    """Up to the bracket that closes one already open, and what follows it."""
    depth = 1
    for found in re.finditer(rf"(?s){NAME}|{TEXT}|[()]", rest):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if not depth:
            return rest[: found.start()], rest[found.end() :]
    raise Unclear("a bracket is not closed")


def _default(rest: str) -> tuple[str, str]:
    """The value, up to whatever follows it outside brackets and texts."""
    at = 0
    ending = re.compile(r" (?:ON UPDATE|COMMENT|CHECK|AUTO_INCREMENT|INVISIBLE|/\*)")
    while at < len(rest) and not ending.match(rest, at):
        if rest[at] == "(":
            inside, _ = bracketed(rest[at + 1 :])
            at += len(inside) + 2
        elif quoted := re.compile(rf"(?s){NAME}|{TEXT}").match(rest, at):
            at = quoted.end()
        else:
            at += 1
    return rest[:at], rest[at:]


def _default_form(shape: Shape, value: str) -> str:
    if now := _NOW.match(value):
        return f"CURRENT_TIMESTAMP({now[1]})" if now[1] else "CURRENT_TIMESTAMP"
    plain = value[1:-1] if value.startswith("(") and bracketed(value[1:])[1] == "" else value
    large = shape.type.endswith(_WITHOUT_DEFAULT) or shape.type in _WITHOUT_DEFAULT
    if re.fullmatch(rf"(?s){TEXT}", plain) and (large or plain is value):
        return f"({literal(plain)})" if large else literal(plain)
    if re.fullmatch(r"-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", plain) and plain is value:
        return f"'{plain}'"
    if plain is value and re.fullmatch(r"(?i)b'[01]*'|x'[0-9a-f]*'|0x[0-9a-f]+", plain):
        return common_form(plain)
    found = common_form(plain)
    return found if found.startswith("(") else f"({found})"


def write(shape: Shape, words: str) -> str:
    """The column in the words of "mysql" or "mariadb".

    Raises: Stuck
    """
    found, column = shape.found, shape.column
    parts = [f"  {name(column.name)} {shape.type}"]
    if column.charset:
        parts.append(f"CHARACTER SET {modern(column.charset)} COLLATE {modern(column.collation)}")
    if shape.generated:
        if "not_null" in found and words == "mariadb":
            raise Stuck(f"column {column.name}: NOT NULL: no equal for a generated column")
        parts.append(f"GENERATED ALWAYS AS ({shape.generated}) {'STORED' if shape.stored else 'VIRTUAL'}")
        parts += ["NOT NULL"] if "not_null" in found else []
    else:
        parts.append("NOT NULL" if "not_null" in found else "NULL")
    parts += ["INVISIBLE"] if "invisible" in found else []
    parts += [f"DEFAULT {shape.default}"] if shape.default is not None else []
    if "renewed" in found:
        parts.append(f"ON UPDATE {_default_form(shape, found['renewed'])}")
    parts += ["AUTO_INCREMENT"] if "numbered" in found else []
    parts += [f"COMMENT {literal(found['comment'])}"] if "comment" in found else []
    return " ".join(parts)


def modern(charset: str) -> str:
    """utf8 by the name that says how many bytes a character takes."""
    return re.sub(r"\Autf8(?=_|\Z)", "utf8mb3", charset)
