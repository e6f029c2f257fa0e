"""What cannot be carried: each thing by name, with the reason."""

import re
from collections.abc import Iterator

from core.errors import Unreadable
from tasks.databases.mysql.columns import KNOWN_TYPES
from tasks.databases.mysql.definitions import is_text, readable
from tasks.databases.mysql.quoting import names, text
from tasks.databases.mysql.session import ReadSession
from tasks.databases.mysql.stored import ROUTINES, objects

_INVALID_VIEW = 1356
_STRINGS = re.compile(r"(?i)\b(?:var)?char(?:acter)?2?\b|\b\w*text\b|\b(?:enum|set|clob)\s*\(")
_ENGINES = {"InnoDB", "MyISAM", "Aria", "MEMORY", "ARCHIVE", "ROCKSDB", "CSV"}
# In SHOW CREATE TABLE on the lines after the columns: they point at files of the source's machine.
_ELSEWHERE = re.compile(r"(?m)^(?:\)|.*PARTITION ).*\b((?:DATA|INDEX) DIRECTORY|UNION|CONNECTION)\b ?=")


def unmovable(session: ReadSession, schema: str) -> tuple[str, ...]:
    """Shape: "kind name: reason", so that what stands before the colon can be left out by the inventory."""
    if not session.query(f"SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {text(schema)}"):
        return ()
    return (
        *_tables(session, schema),
        *_columns(session, schema),
        *_foreign_keys(session, schema),
        *_objects(session, schema),
    )


def _tables(session: ReadSession, schema: str) -> Iterator[str]:
    for table, kind, engine, comment in session.query(
        "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COMMENT FROM information_schema.TABLES"
        f" WHERE TABLE_SCHEMA = {text(schema)} ORDER BY TABLE_NAME"
    ):
        if kind == "SYSTEM VERSIONED":
            yield f"table {table}: system-versioned: its history of earlier rows would be lost"
        elif kind == "BASE TABLE" and engine is None:
            yield f"table {table}: cannot be opened at the source: {comment}"
        elif kind == "BASE TABLE" and engine not in _ENGINES:
            yield f"table {table}: storage engine {engine} is not carried"
        elif kind == "BASE TABLE":
            definition = readable(session.raw(f"SHOW CREATE TABLE {names(schema, table)}")[1])
            if found := _ELSEWHERE.search(definition):
                yield f"table {table}: {found[1]} names a place on the source's machine"
        elif kind not in ("VIEW", "SEQUENCE"):
            yield f"{kind.lower()} {table}: not carried"


def _columns(session: ReadSession, schema: str) -> Iterator[str]:
    for table, column, kind in session.query(
        "SELECT c.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE FROM information_schema.COLUMNS c"
        " JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME)"
        f" WHERE c.TABLE_SCHEMA = {text(schema)} AND t.TABLE_TYPE = 'BASE TABLE'"
        " ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION"
    ):
        if kind.lower() not in KNOWN_TYPES:
            yield f"table {table}: column {column} has type {kind}, which is not carried"


def _foreign_keys(session: ReadSession, schema: str) -> Iterator[str]:
    for table, other in session.query(
        "SELECT DISTINCT TABLE_NAME, REFERENCED_TABLE_SCHEMA FROM information_schema.KEY_COLUMN_USAGE"
        f" WHERE TABLE_SCHEMA = {text(schema)} AND REFERENCED_TABLE_SCHEMA <> {text(schema)}"
        " ORDER BY TABLE_NAME, REFERENCED_TABLE_SCHEMA"
    ):
        yield f"table {table}: foreign key into schema {other}"


def _objects(session: ReadSession, schema: str) -> Iterator[str]:
    # A view that reads what is not there has no columns, and neither has one that we may not run.
    for (view,) in session.query(
        "SELECT v.TABLE_NAME FROM information_schema.VIEWS v LEFT JOIN information_schema.COLUMNS c"
        " ON c.TABLE_SCHEMA = v.TABLE_SCHEMA AND c.TABLE_NAME = v.TABLE_NAME"
        f" WHERE v.TABLE_SCHEMA = {text(schema)} AND c.COLUMN_NAME IS NULL ORDER BY v.TABLE_NAME"
    ):
        if _is_broken(session, schema, view):
            yield f"view {view}: broken at the source: it reads what is not there or what its definer may not"
    for kind, routine in session.query(
        "SELECT LOWER(ROUTINE_TYPE), ROUTINE_NAME FROM information_schema.ROUTINES"
        f" WHERE ROUTINE_SCHEMA = {text(schema)} AND ROUTINE_TYPE NOT IN {ROUTINES} ORDER BY ROUTINE_NAME"
    ):
        yield f"{kind} {routine}: not carried"
    older = {f"{kind} {label}": collation for kind, label, collation in session.query(_older(schema))}
    for found in objects(session, schema):
        if not is_text(found.definition):
            yield f"{found.label}: its text holds bytes that are no text"
        elif found.label in older and _STRINGS.search(found.definition):
            # Made on the target, its parameters and variables would take the schema's collation of today.
            yield (
                f"{found.label}: made while the schema's collation was {older[found.label]}; make it again"
                " at the source"
            )


def _older(schema: str) -> str:
    """What was made while the schema had another collation than now."""
    sources = (
        ("LOWER(ROUTINE_TYPE), ROUTINE_NAME", "ROUTINES", "ROUTINE_SCHEMA"),
        ("'trigger', TRIGGER_NAME", "TRIGGERS", "TRIGGER_SCHEMA"),
        ("'event', EVENT_NAME", "EVENTS", "EVENT_SCHEMA"),
    )
    return " UNION ALL ".join(
        f"SELECT {what}, DATABASE_COLLATION FROM information_schema.{table}"
        f" JOIN information_schema.SCHEMATA s ON s.SCHEMA_NAME = {column}"
        f" WHERE {column} = {text(schema)} AND DATABASE_COLLATION <> s.DEFAULT_COLLATION_NAME"
        for what, table, column in sources
    )


def _is_broken(session: ReadSession, schema: str, view: str) -> bool:
    try:
        session.query(f"SHOW COLUMNS FROM {names(schema, view)}")
    except Unreadable as error:
        return f"(error {_INVALID_VIEW})" in error.detail
    return False
