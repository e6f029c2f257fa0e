"""Reading what is there: tables, stored objects, and what cannot be carried."""

from collections import defaultdict
from typing import Any

from core.errors import Unreadable
from tasks.databases.mysql.columns import KNOWN_TYPES
from tasks.databases.mysql.definitions import (
    disabled_event,
    in_order_of_use,
    normalised_table,
    without_definer,
)
from tasks.databases.mysql.quoting import name, names, text
from tasks.databases.mysql.session import ReadSession
from tasks.databases.port import Column, ObjectKind, StoredObject, Table

_ENGINES = {"InnoDB", "MyISAM", "Aria", "MEMORY", "ARCHIVE", "ROCKSDB"}


def tables(session: ReadSession, schema: str) -> tuple[Table, ...]:
    """The base tables, by name."""
    columns = _columns(session, schema)
    keys = _keys(session, schema)
    session.use(schema)
    found = []
    for row in session.query(
        "SELECT TABLE_NAME, ENGINE, TABLE_ROWS, DATA_LENGTH + INDEX_LENGTH, AUTO_INCREMENT"
        f" FROM information_schema.TABLES WHERE TABLE_SCHEMA = {text(schema)}"
        " AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME"
    ):
        table, engine, estimate, size, auto_increment = row
        definition = str(session.one(f"SHOW CREATE TABLE {name(table)}")[1])
        by_name = {column.name: column for column in columns[table]}
        found.append(
            Table(
                name=table,
                definition=normalised_table(definition),
                columns=tuple(columns[table]),
                key=tuple(by_name[column] for column in keys.get(table, ())),
                engine=engine or "",
                rows_estimate=int(estimate or 0),
                size_bytes=int(size or 0),
                auto_increment=int(auto_increment) if auto_increment else None,
            )
        )
    return tuple(found)


def _columns(session: ReadSession, schema: str) -> dict[str, list[Column]]:
    found: dict[str, list[Column]] = defaultdict(list)
    for table, column, kind, charset, collation, extra in session.query(
        "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, EXTRA"
        f" FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {text(schema)}"
        " ORDER BY TABLE_NAME, ORDINAL_POSITION"
    ):
        generated = "GENERATED" in extra.upper().replace("DEFAULT_GENERATED", "")
        found[table].append(Column(column, kind.lower(), charset or "", collation or "", generated, extra))
    return found


def _keys(session: ReadSession, schema: str) -> dict[str, tuple[str, ...]]:
    """Per table the primary key, or else the first unique key over whole columns that are never NULL."""
    indexes: dict[str, dict[str, list[tuple[str, bool]]]] = defaultdict(lambda: defaultdict(list))
    for table, index, column, prefix, nullable in session.query(
        "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART, NULLABLE FROM information_schema.STATISTICS"
        f" WHERE TABLE_SCHEMA = {text(schema)} AND NON_UNIQUE = 0"
        " ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX"
    ):
        # A functional key part (MySQL 8) has no column name.
        whole = column is not None and (index == "PRIMARY" or (prefix is None and nullable != "YES"))
        indexes[table][index].append((column, whole))
    return {
        table: tuple(column for column, _ in parts)
        for table, by_index in indexes.items()
        if (parts := next((p for p in by_index.values() if all(whole for _, whole in p)), None))
    }


def unmovable(session: ReadSession, schema: str) -> tuple[str, ...]:
    """Everything by name that this package does not carry, with the reason."""
    where = f"WHERE TABLE_SCHEMA = {text(schema)}"
    found: list[str] = []
    for table, kind, engine in session.query(
        f"SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES {where} ORDER BY TABLE_NAME"
    ):
        if kind not in ("BASE TABLE", "VIEW"):
            found.append(f"{kind.lower()} {table}: not yet carried out")
        elif kind == "BASE TABLE" and engine not in _ENGINES:
            found.append(f"table {table}: storage engine {engine} is not carried")
    views = {row[0] for row in session.query(f"SELECT TABLE_NAME FROM information_schema.VIEWS {where}")}
    for table, column, kind in session.query(
        f"SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS {where}"
        " ORDER BY TABLE_NAME, ORDINAL_POSITION"
    ):
        if table not in views and kind.lower() not in KNOWN_TYPES:
            found.append(f"column {table}.{column}: type {kind} is not carried")
    for table, other in session.query(
        "SELECT DISTINCT TABLE_NAME, REFERENCED_TABLE_SCHEMA FROM information_schema.KEY_COLUMN_USAGE"
        f" {where} AND REFERENCED_TABLE_SCHEMA <> {text(schema)} ORDER BY TABLE_NAME"
    ):
        found.append(f"table {table}: foreign key into schema {other}")
    for kind, routine in session.query(
        "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES"
        f" WHERE ROUTINE_SCHEMA = {text(schema)} AND ROUTINE_TYPE NOT IN ('FUNCTION', 'PROCEDURE')"
        " ORDER BY ROUTINE_NAME"
    ):
        found.append(f"{kind.lower()} {routine}: not yet carried out")
    return tuple(found)


def objects(session: ReadSession, schema: str) -> tuple[StoredObject, ...]:
    """Functions and procedures, views by use, triggers by their order of action, events."""
    session.use(schema)
    routines: list[StoredObject] = []
    for kind, routine in session.query(
        "SELECT LOWER(ROUTINE_TYPE), ROUTINE_NAME FROM information_schema.ROUTINES"
        f" WHERE ROUTINE_SCHEMA = {text(schema)} AND ROUTINE_TYPE IN ('FUNCTION', 'PROCEDURE')"
        " ORDER BY ROUTINE_TYPE, ROUTINE_NAME"
    ):
        row = session.one(f"SHOW CREATE {kind} {names(schema, routine)}")
        routines.append(_object(session, kind, routine, row[2], sql_mode=row[1], charsets=row[3:5]))
    views = []
    for (view,) in session.query(
        f"SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = {text(schema)}"
    ):
        row = session.one(f"SHOW CREATE VIEW {name(view)}")
        views.append(_object(session, "view", view, row[1], charsets=row[2:4]))
    return (*routines, *in_order_of_use(views), *_triggers(session, schema), *_events(session, schema))


def _triggers(session: ReadSession, schema: str) -> list[StoredObject]:
    found = []
    for trigger, table in session.query(
        "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS"
        f" WHERE TRIGGER_SCHEMA = {text(schema)}"
        " ORDER BY EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER"
    ):
        row = session.one(f"SHOW CREATE TRIGGER {name(trigger)}")
        found.append(
            _object(session, "trigger", trigger, row[2], sql_mode=row[1], charsets=row[3:5], table=table)
        )
    return found


def _events(session: ReadSession, schema: str) -> list[StoredObject]:
    found = []
    for event, state in session.query(
        "SELECT EVENT_NAME, STATUS FROM information_schema.EVENTS"
        f" WHERE EVENT_SCHEMA = {text(schema)} ORDER BY EVENT_NAME"
    ):
        row = session.one(f"SHOW CREATE EVENT {name(event)}")
        found.append(
            _object(
                session,
                "event",
                event,
                disabled_event(row[3]) if row[3] else row[3],
                sql_mode=row[1],
                charsets=row[4:6],
                time_zone=row[2],
                enabled=state == "ENABLED",
            )
        )
    return found


def _object(
    session: ReadSession,
    kind: ObjectKind,
    label: str,
    text_found: str | None,
    *,
    charsets: tuple[Any, ...],
    sql_mode: str | None = None,
    time_zone: str | None = None,
    enabled: bool = True,
    table: str = "",
) -> StoredObject:
    if text_found is None:
        wanted = "SELECT ON *.*" if session.is_mariadb else "SHOW_ROUTINE ON *.*"
        raise Unreadable(
            f"{session.address}: {kind} {label}: the server hides its text from us",
            why="A routine whose text cannot be read would arrive empty.",
            next_command=f"GRANT {wanted} TO CURRENT_USER;",
        )
    definition, definer = without_definer(text_found)
    settings = {"character_set_client": charsets[0], "collation_connection": charsets[1]}
    if sql_mode is not None:
        settings["sql_mode"] = sql_mode
    if time_zone is not None:
        settings["time_zone"] = time_zone
    return StoredObject(kind, label, definition, definer, settings, enabled, table)
