"""A table's definition in the words of the other server, and what of it has no equal there.

Read line by line as both servers print them; a definition of either one gives the same text if it means the
same, so that the comparison of a move between MariaDB and MySQL is one of texts, as everywhere.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tasks.databases.model import Column, Table
from tasks.databases.mysql import crossing_columns
from tasks.databases.mysql.collations import differing
from tasks.databases.mysql.crossing_columns import NAME, TEXT, Stuck, bracketed, modern
from tasks.databases.mysql.expressions import Unclear, common_form, literal
from tasks.databases.mysql.quoting import name, unquote

_KEY = re.compile(
    r"(?s)  (?P<kind>PRIMARY KEY|UNIQUE KEY|FULLTEXT KEY|SPATIAL KEY|KEY)"
    rf"(?: (?P<name>{NAME}))? \((?P<rest>.*)"
)
_KEY_OPTION = re.compile(
    rf"(?s) (?:USING (?P<using>BTREE|HASH)|COMMENT (?P<comment>{TEXT})|KEY_BLOCK_SIZE=(?P<block>\d+)"
    r"|(?P<hidden>IGNORED|/\*!80000 INVISIBLE \*/))"
)
_FOREIGN = re.compile(
    rf"  CONSTRAINT (?P<name>{NAME}) FOREIGN KEY"
    rf" (?P<rest>\(.*? REFERENCES {NAME} \((?:{NAME}(?:, )?)+\))(?P<rules>.*)"
)
_CHECK = re.compile(rf"(?s)  CONSTRAINT (?P<name>{NAME}) CHECK \((?P<rest>.*)")
_SERVER_NAMED = re.compile(r"CONSTRAINT_\d+\Z")
_OPTION = re.compile(rf"(?s)\s*(?P<option>DEFAULT CHARSET|[A-Z_]+)=(?P<value>{TEXT}|{NAME}|[\w,]+)")
_ENGINES = ("InnoDB", "MyISAM", "MEMORY", "CSV", "ARCHIVE")
_OPTIONS = {
    "ROW_FORMAT", "KEY_BLOCK_SIZE", "STATS_PERSISTENT", "STATS_AUTO_RECALC", "STATS_SAMPLE_PAGES", "MAX_ROWS",
    "MIN_ROWS", "AVG_ROW_LENGTH", "CHECKSUM", "DELAY_KEY_WRITE", "PACK_KEYS", "COMMENT",
}  # fmt: skip
_LONGEST_NAME = 64


@dataclass(frozen=True)
class Crossed:
    text: str
    shown: tuple[str, ...] = ()
    """What is spelt or named otherwise, each thing with both forms."""
    stuck: tuple[str, ...] = ()
    """What has no equal, each thing with what would have to become of it."""


@dataclass
class _Table:
    """What is gathered on the way through the lines."""

    table: Table
    words: str
    columns: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    checks: list[tuple[str, str]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)


def crossed(table: Table, words: str, collation: str) -> Crossed:
    """`words`: "mysql" or "mariadb". `collation`: the table's own, which is not always printed."""
    head, *lines = table.definition.split("\n")
    end = next((n for n, line in enumerate(lines) if line.startswith(")")), len(lines))
    made = _Table(table, words)
    by_name = {column.name: column for column in table.columns}
    unnamed = 0
    for line in lines[:end]:
        try:
            unnamed += _line(made, line.removesuffix(","), by_name, unnamed)
        except Stuck as error:
            made.stuck.append(str(error))
        except Unclear as error:
            made.stuck.append(f"{line.strip()[:40]}: {error}: not known to mean the same there")
    tail = ""
    try:
        tail = _tail(made, "\n".join(lines[end:]), collation)
    except (Stuck, Unclear) as error:
        made.stuck.append(str(error))
    made.stuck += _orders(table, collation)
    made.stuck += _numbered(made) if words == "mysql" else ()
    if made.stuck:
        return Crossed(table.definition, (), tuple(dict.fromkeys(made.stuck)))
    checks = [f"  CONSTRAINT {name(label)} CHECK ({check})" for label, check in made.checks]
    body = ",\n".join([*made.columns, *sorted(made.keys), *sorted(made.foreign), *sorted(checks)])
    return Crossed(f"{head}\n{body}\n{tail}", tuple(made.shown))


def _line(made: _Table, line: str, columns: dict[str, Column], unnamed: int) -> int:
    """Gives how many checks without a name of their own it held."""
    label = made.table.name
    if line.startswith("  `"):
        shape = crossing_columns.read(line, columns)
        made.columns.append(crossing_columns.write(shape, made.words))
        made.shown += _spelt(made, shape, line)
        if shape.check:
            made.checks.append((_named(made, unnamed + 1), shape.check))
            made.shown.append(f"the CHECK of column {shape.column.name} is named {made.checks[-1][0]}")
        return bool(shape.check)
    if found := _KEY.match(line):
        made.keys.append(_key(made, found))
    elif found := _FOREIGN.match(line):
        made.foreign.append(_foreign(found))
    elif found := _CHECK.match(line):
        inside, rest = bracketed(found["rest"])
        if rest.strip():
            raise Stuck(
                f"CHECK {unquote(found['name'])}: {rest.strip()}: no equal of a CHECK that is not enforced"
            )
        own = unquote(found["name"])
        if made.words == "mysql" and _SERVER_NAMED.match(own):
            # MariaDB gives such names in every table anew, in MySQL they are the schema's.
            made.checks.append((_named(made, unnamed + 1), common_form(inside)))
            made.shown.append(f"CHECK {own} is named {made.checks[-1][0]}")
            return 1
        made.checks.append((own, common_form(inside)))
    else:
        raise Stuck(f"{line.strip()[:60]}: no equal in table {label}")
    return 0


def _named(made: _Table, number: int) -> str:
    found = f"{made.table.name}_chk_{number}"
    if len(found) > _LONGEST_NAME:
        raise Stuck(f"its CHECK {number} has no name: give it one, MySQL's would be too long")
    return found


def _spelt(made: _Table, shape: crossing_columns.Shape, line: str) -> Iterator[str]:
    label = f"column {shape.column.name}"
    if made.words == "mysql" and "json_valid(" in shape.check:
        yield f"{label}: stays a LONGTEXT with CHECK json_valid: as JSON its texts would be rewritten"
    if (
        re.search(r"`? (?:small|medium|big|tiny)?int\(\d+\)(?! unsigned zerofill)", line)
        and "(" not in shape.type
    ):
        yield f"{label}: without a display width"
    if re.search(r"(?i)DEFAULT (?!current)\w+\(", line):
        yield f"{label}: DEFAULT {shape.default}"
    if shape.default and shape.default.startswith("('") and f"DEFAULT {shape.default[1:-1]}" in line:
        yield f"{label}: DEFAULT {shape.default}, as an expression"


def _key(made: _Table, found: re.Match[str]) -> str:
    parts, rest = bracketed(found["rest"])
    kind, label = found["kind"], unquote(found["name"]) if found["name"] else ""
    if re.match(r"\(", parts) or ",(" in parts or re.search(r"\bcast\(", parts):
        raise Stuck(
            f"index {label}: a part that is an expression: a generated column, and an index over that"
        )
    if "WITHOUT OVERLAPS" in parts:
        raise Stuck(f"index {label}: WITHOUT OVERLAPS: no equal")
    said = f"  {kind}{f' {name(label)}' if label else ''} ({parts})"
    while rest:
        option = _KEY_OPTION.match(rest)
        if option is None:
            raise Stuck(f"index {label}: {rest.strip()[:40]}: not known there")
        rest = rest[option.end() :]
        if option["using"] == "HASH" and made.table.engine == "InnoDB":
            raise Stuck(
                f"index {label}: USING HASH over long values: no equal; a shorter key, or a hash column"
            )
        if option["hidden"]:
            hidden = "INVISIBLE" if made.words == "mysql" else "IGNORED"
            said += f" {hidden}"
            if option["hidden"] != hidden and "/*" not in option["hidden"]:
                made.shown.append(f"index {label}: {option['hidden']} is spelt {hidden}")
        elif option["comment"]:
            said += f" COMMENT {literal(option['comment'])}"
        elif option["block"]:
            said += f" KEY_BLOCK_SIZE={option['block']}"
        elif option["using"] == "HASH" or made.table.engine != "InnoDB":
            said += f" USING {option['using']}"
    return said


def _foreign(found: re.Match[str]) -> str:
    # Both engines take RESTRICT and NO ACTION, said or not, for the same.
    rules = re.sub(r" ON (?:DELETE|UPDATE) (?:RESTRICT|NO ACTION)", "", found["rules"])
    return f"  CONSTRAINT {found['name']} FOREIGN KEY {found['rest']}{rules}"


def _tail(made: _Table, tail: str, collation: str) -> str:
    options, _, partitions = re.sub(
        r"\s*/\*!\d+ (PARTITION BY .*) \*/\s*\Z", r"\n \1", tail, flags=re.S
    ).partition("\n")
    at, said = 1, [f"ENGINE={made.table.engine}"]
    while options[at:].strip():
        found = _OPTION.match(options, at)
        if found is None:
            raise Stuck(f"{options[at:].strip()[:40]}: not known there")
        at, option, value = found.end(), found["option"], found["value"]
        if option == "ENGINE" and value not in _ENGINES:
            raise Stuck(f"ENGINE {value}: no such engine; InnoDB")
        if option not in _OPTIONS and option not in ("ENGINE", "DEFAULT CHARSET", "COLLATE"):
            raise Stuck(f"{option}={value}: not known there")
        if option in _OPTIONS:
            said.append(f"{option}={literal(value) if option == 'COMMENT' else value}")
    charset = modern(collation).partition("_")[0]
    head = [said[0], f"DEFAULT CHARSET={charset} COLLATE={modern(collation)}", *sorted(said[1:])]
    if partitions and made.table.engine != "InnoDB":
        raise Stuck(f"partitions of {made.table.engine}: MySQL has them for InnoDB alone")
    return ") " + " ".join(head) + (f"\n {_partitions(partitions)}" if partitions else "")


_PARTITION_WORDS: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"\b((?:SUB)?PARTITION) (?!BY\b)([A-Za-z_]\w*)", lambda m: f"{m[1]} `{m[2]}`"),
    (r"(KEY (?:ALGORITHM = \d+ )?|COLUMNS) ?\(([^()]*)\)", lambda m: f"{m[1].strip()} ({_columns_of(m[2])})"),
)


def _columns_of(listed: str) -> str:
    return ",".join(part if part.startswith("`") else f"`{part}`" for part in listed.split(",") if part)


def _partitions(found: str) -> str:
    pieces = re.split(rf"(?s)({TEXT})", found)
    bare = "\0".join(pieces[::2])
    if re.search(r"\bDEFAULT\b", bare):
        raise Stuck("a DEFAULT partition of a list: no equal")
    if re.search(r"\b(?:DATA|INDEX) DIRECTORY\b|\bTABLESPACE\b", bare):
        raise Stuck("partitions that name places of the server")
    bare = re.sub(r"\s+", " ", bare).replace("MAXVALUE", "MAXVALUE").replace("( ", "(").strip()
    for pattern, words in _PARTITION_WORDS:
        bare = re.sub(pattern, words, bare)
    texts = [literal(quoted) for quoted in pieces[1::2]]
    return "".join(part + quoted for part, quoted in zip(bare.split("\0"), [*texts, ""], strict=True))


def _numbered(made: _Table) -> Iterator[str]:
    """MySQL lets no expression of a table speak of its AUTO_INCREMENT column."""
    for line in made.columns:
        if " AUTO_INCREMENT" not in line:
            continue
        column = re.match(rf"  ({NAME})", line)
        label = column[1] if column else ""
        for other in made.columns:
            if label in other.partition(" GENERATED ALWAYS AS ")[2]:
                yield f"column {unquote(other.split()[0])}: an expression over the AUTO_INCREMENT column"
        for check, expression in made.checks:
            if label in expression:
                yield f"CHECK {check}: an expression over the AUTO_INCREMENT column"


def _orders(table: Table, collation: str) -> Iterator[str]:
    """Collations that the other server does not have, or that sort otherwise there."""
    for column in table.columns:
        if column.collation and (words := differing(modern(column.collation))):
            yield f"column {column.name}: {column.collation}: {words}"
    if words := differing(modern(collation)):
        yield f"{collation} for its new columns: {words}"
