"""Views, routines, triggers and events in the words of the other server, and what of them has no equal there.

Bodies are kept as they were written and taken over word for word, so that what only one server knows, or what
each does in its own way, is looked for by name. Views are kept as they were understood, see crossing_views.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from tasks.databases.model import StoredObject, Table
from tasks.databases.mysql import crossing_views
from tasks.databases.mysql.collations import differing
from tasks.databases.mysql.crossing_columns import modern
from tasks.databases.mysql.expressions import Unclear
from tasks.databases.mysql.quoting import name, unquote

_ONLY_IN_MARIADB = ("sequence", "package", "package body")
_BOTH = (
    (r"\b(?:NOT )?(?:REGEXP|RLIKE)\b|\bREGEXP_\w+\(", "regular expressions are another engine's there"),
    (r"\bJSON_\w+\s*\(", "functions of JSON give other texts there"),
    (r"\b\w+_(?:uca1400|0900|nopad)_\w+|\b\w+_croatian_\w+", "no such collation there"),
)
_TO_MYSQL = (
    (r"\b(?:NEXTVAL|LASTVAL|SETVAL)\s*\(|\b(?:NEXT|PREVIOUS) VALUE FOR\b", "sequences are not known there"),
    (r"\bRETURNING\b|\bEXECUTE IMMEDIATE\b|%(?:ROW)?TYPE\b|\b(?:ROW )?TYPE OF\b", "not known there"),
    (r"\bFOR\s+\w+\s+IN\b|\bGOTO\b|\bELSIF\b|\bFETCH GROUP\b", "not known there"),
    (r"\bCREATE\s+OR\s+REPLACE\s+(?!VIEW\b|ALGORITHM\b|SQL\b|DEFINER\b)\w+", "not known there"),
    (r"\b(?:INET[46]|UUID|VARCHAR2|NUMBER|CLOB)\b(?!\s*\()", "no such type there"),
    (r"\b(?:MD5|SHA1|SHA|ENCODE|DECODE|PASSWORD|OLD_PASSWORD|ENCRYPT|DES_\w+|COLUMN_\w+|TO_CHAR|ADD_MONTHS"
     r"|SYS_GUID|NVL2?|CHR|LENGTHB|NATURAL_SORT_KEY|SFORMAT|KDF)\s*\(", "no such function in every MySQL"),
)  # fmt: skip
_TO_MARIADB = (
    (r"->>?\s*'", "functions of JSON give other texts there"),
    (r"\bLATERAL\b|\bMEMBER\s+OF\b|\bVALUES\s+ROW\s*\(|\bLANGUAGE\s+JAVASCRIPT\b|\bGROUPING\s*\(",
     "not known there"),
    (r"\b(?:UUID_TO_BIN|BIN_TO_UUID|IS_UUID|ANY_VALUE|ST_\w+|RANDOM_BYTES|STATEMENT_DIGEST\w*)\s*\(",
     "no such function in every MariaDB"),
    (r"\bVALUES\s*\([^;]*\)\s*AS\s+\w+", "not known there"),
)  # fmt: skip
_RULES: Mapping[str, tuple[tuple[re.Pattern[str], str], ...]] = {
    words: tuple((re.compile(pattern, re.IGNORECASE), why) for pattern, why in (*rules, *_BOTH))
    for words, rules in {"mysql": _TO_MYSQL, "mariadb": _TO_MARIADB}.items()
}
_LITERAL = re.compile(r"(?s)'(?:[^'\\]|\\.|'')*'")
# Names of several modes together stand beside these modes; the rest changes nothing that a text does.
_SAYS_NOTHING = {
    "ANSI", "TRADITIONAL", "NO_AUTO_CREATE_USER", "NO_KEY_OPTIONS", "NO_FIELD_OPTIONS", "NO_TABLE_OPTIONS",
}  # fmt: skip
_MODES_OF_ONE = {
    "ORACLE", "MSSQL", "DB2", "POSTGRESQL", "MAXDB", "MYSQL40", "MYSQL323", "EMPTY_STRING_IS_NULL",
    "SIMULTANEOUS_ASSIGNMENT",
}  # fmt: skip
_ROUNDS, _CUTS = "TIME_ROUND_FRACTIONAL", "TIME_TRUNCATE_FRACTIONAL"
_NAME = r"(?:`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\"|[\w$\u0080-\uffff]+)"
_TRIGGER = re.compile(
    rf"(?is)\ACREATE\s+TRIGGER\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:{_NAME}\s*\.\s*)?(?P<name>{_NAME})\s+(?P<time>BEFORE|AFTER)\s+"
    rf"(?P<event>INSERT|UPDATE|DELETE)\s+ON\s+(?:(?P<schema>{_NAME})\s*\.\s*)?(?P<table>{_NAME})\s+FOR\s+EACH\s+ROW\s+"
    rf"(?:(?:FOLLOWS|PRECEDES)\s+{_NAME}\s+)?(?P<body>.*)\Z"
)


@dataclass(frozen=True)
class Told:
    """The object as the target shall have it, what is said otherwise, and what has no equal."""

    object: StoredObject
    shown: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()


def crossed(found: StoredObject, words: str, own: str) -> Told:
    """`own`: the flavour of the server that it was read from."""
    if found.kind in _ONLY_IN_MARIADB:
        return Told(found, stuck=("no equal",) if words == "mysql" else ())
    stuck = [*_collation(found), *_findings(found, words)]
    shown: list[str] = []
    made = found
    if (mode := found.settings.get("sql_mode")) is not None:
        if alone := sorted(_MODES_OF_ONE & set(mode.split(","))):
            stuck.append(f"sql_mode {','.join(alone)}: not known there")
        other = _mode(mode, words, own)
        if set(other.split(",")) != set(mode.split(",")):
            shown.append(f"sql_mode {other}, which was {mode}")
        made = replace(made, settings={**made.settings, "sql_mode": other})
    try:
        made = replace(made, definition=_definition(found))
        if found.kind == "view" and made.definition != found.definition:
            shown.append("the same query with all brackets written")
    except Unclear as error:
        stuck.append(f"{error}: not known to mean the same there")
    if stuck:
        return Told(found, stuck=tuple(dict.fromkeys(stuck)))
    return Told(made, tuple(shown))


def _collation(found: StoredObject) -> Iterator[str]:
    collation = found.settings.get("collation_connection", "")
    if words := differing(modern(collation)):
        yield f"was made under collation_connection {collation}: {words}"


def _findings(found: StoredObject, words: str) -> Iterator[str]:
    bare = _LITERAL.sub("''", found.definition)
    if re.match(r"CREATE AGGREGATE ", bare):
        yield "AGGREGATE: no equal of a stored aggregate"
    for pattern, why in _RULES[words]:
        for what in sorted({match[0].strip().rstrip("(") for match in pattern.finditer(bare)}):
            yield f"{what}: {why}"


def _mode(mode: str, words: str, own: str) -> str:
    """The modes under which the other server does the same.

    MariaDB cuts fractions of a second off unless told to round them, MySQL rounds them unless told to cut.
    """
    modes = set(mode.split(",")) - _SAYS_NOTHING - {""}
    if own != words:
        rounds = _ROUNDS in modes if own == "mariadb" else _CUTS not in modes
        modes -= {_ROUNDS, _CUTS}
        modes |= {_ROUNDS} if rounds and words == "mariadb" else set()
        modes |= {_CUTS} if not rounds and words == "mysql" else set()
    return ",".join(sorted(modes))


def _definition(found: StoredObject) -> str:
    """Raises: Unclear"""
    if found.kind == "view":
        return crossing_views.common_form(found.definition)
    if found.kind != "trigger":
        return found.definition
    parts = _TRIGGER.match(found.definition)
    if parts is None:
        raise Unclear("the head of its text")
    label, table = (name(_bare(parts[part])) for part in ("name", "table"))
    head = f"CREATE TRIGGER {label} {parts['time'].upper()} {parts['event'].upper()} ON {table} FOR EACH ROW"
    return f"{head} {parts['body']}"


def _bare(identifier: str) -> str:
    return unquote(identifier) if identifier[0] in '`"' else identifier


def twice_named(tables: Iterable[Table], words: str) -> Iterator[str]:
    """CHECKs of one name: in MySQL they are the schema's, in MariaDB each table's own."""
    first: dict[str, str] = {}
    for table in tables if words == "mysql" else ():
        for quoted in re.findall(r"(?m)^  CONSTRAINT (`(?:[^`]|``)*`) CHECK ", table.definition):
            label = unquote(quoted)
            other = first.setdefault(label.lower(), table.name)
            if other != table.name:
                yield f"table {table.name}: CHECK {label}: so named in table {other} too; there once a schema"
