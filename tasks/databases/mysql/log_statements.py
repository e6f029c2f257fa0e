"""Statements in the binary log: which may change rows or tables of a schema, and which do not."""

import re
from typing import NamedTuple

from tasks.databases.mysql.binlog import Event
from tasks.databases.mysql.log_events import inflated


class Statement(NamedTuple):
    schema: str
    """The one it was run in."""
    text: str


def statement_of(event: Event, compressed: bool, extra: int = 0) -> Statement:
    body = event.body
    variables = int.from_bytes(body[11:13], "little")
    start = 13 + extra + variables
    end = start + body[8]
    text = body[end + 1 :]
    if compressed:
        text = inflated(text)
    return Statement(body[start:end].decode(errors="replace"), text.decode(errors="replace"))


_COMMENT = r"(?:/\*(?!!).*?\*/\s*|/\*!\d*\s*|--[^\n]*\n\s*|\#[^\n]*\n\s*)*"
_DEFINER = r"DEFINER\s*=\s*(?:`(?:[^`]|``)*`|'[^']*'|[^\s`'])+"
_HARMLESS = re.compile(
    rf"""(?isx) \A \s* {_COMMENT} (?:
        (?:SAVEPOINT|RELEASE|GRANT|REVOKE|SET|FLUSH|ANALYZE|OPTIMIZE|REPAIR|CHECK|XA|PURGE)\b
      | \#
      | (?:CREATE|DROP|ALTER|RENAME) \s+
        (?:OR\s+REPLACE\s+)? (?:(?:GLOBAL\s+)?TEMPORARY|USER|ROLE|SERVER)\b
      | ALTER \s+ TABLE \s+ [^\s(]+ \s+ (?:AUTO_INCREMENT \s* = \s* \d+ | (?:EN|DIS)ABLE\s+KEYS)
        \s* (?:\*/)? \s* ;? \s* \Z
      | (?:CREATE|DROP|ALTER) \s+
        (?:OR\s+REPLACE\s+ | ALGORITHM\s*=\s*\w+\s+ | {_DEFINER}\s+ | SQL\s+SECURITY\s+\w+\s+
           | AGGREGATE\s+)*
        (?:VIEW|TRIGGER|EVENT|PROCEDURE|FUNCTION|PACKAGE|SEQUENCE)\b
    )"""
)
_NAME = r"(?:`(?:[^`]|``)*`|[\w$]+)"
_ELSEWHERE = re.compile(
    rf"(?isx) \A [^(,;]*? \b TABLE \s+ (?:IF\s+(?:NOT\s+)?EXISTS\s+)? (?P<schema>{_NAME}) \s*\.\s* {_NAME}"
    r" (?: \s* (?:\(|/\*|;|\Z) | \s+ (?:ADD|DROP|ENGINE|MODIFY|CHANGE|AS|SELECT)\b )"
)


def touches(statement: Statement, schema: str) -> bool:
    """Whether a statement may change rows or tables of the schema; errs on the side of yes.

    Views, routines, triggers and events change no row: what becomes of them the comparison tells.
    """
    if _HARMLESS.match(statement.text):
        return False
    this = rf"`?{re.escape(schema)}`?"
    named = (
        rf"(?i)(?<![\w$`.]){this}\s*\.|\b(?:DATABASE|SCHEMA)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?{this}(?![\w$])"
    )
    if re.search(named, statement.text):
        return True
    return statement.schema == schema and not _ELSEWHERE.match(statement.text)


def headline(statement: Statement) -> str:
    """Its first words, before any value."""
    words = re.split(r"[\s]*[('\"=]", statement.text.strip(), maxsplit=1)[0]
    return " ".join(words.split())[:100]
