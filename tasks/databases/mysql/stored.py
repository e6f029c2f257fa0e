"""Reading what is there beside the tables: sequences, routines, packages, views, triggers, events."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.errors import Unreadable
from tasks.databases.model import ObjectKind, SequenceState, StoredObject
from tasks.databases.mysql.definitions import (
    disabled_event,
    in_order_of_use,
    readable,
    without_definer,
)
from tasks.databases.mysql.quoting import name, names, text
from tasks.databases.mysql.session import ReadSession

ROUTINES = "('FUNCTION', 'PROCEDURE', 'PACKAGE', 'PACKAGE BODY')"


def objects(session: ReadSession, schema: str) -> tuple[StoredObject, ...]:
    """Sequences, routines, packages with their bodies, views by use, triggers in their order, events."""
    session.use(schema)
    routines: list[StoredObject] = []
    for kind, routine in session.query(
        "SELECT LOWER(ROUTINE_TYPE), ROUTINE_NAME FROM information_schema.ROUTINES"
        f" WHERE ROUTINE_SCHEMA = {text(schema)} AND ROUTINE_TYPE IN {ROUTINES}"
        " ORDER BY ROUTINE_TYPE, ROUTINE_NAME"
    ):
        row = session.raw(f"SHOW CREATE {kind} {names(schema, routine)}")
        routines.append(_object(session, kind, routine, row[2], sql_mode=row[1], charsets=row[3:5]))
    views = []
    for (view,) in session.query(
        f"SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = {text(schema)}"
    ):
        row = session.raw(f"SHOW CREATE VIEW {name(view)}")
        views.append(_object(session, "view", view, row[1], charsets=row[2:4]))
    return (
        *_sequences(session, schema),
        *routines,
        *in_order_of_use(views),
        *_triggers(session, schema),
        *_events(session, schema),
    )


def _sequence_names(session: ReadSession, schema: str) -> list[str]:
    return [
        row[0]
        for row in session.query(
            "SELECT TABLE_NAME FROM information_schema.TABLES"
            f" WHERE TABLE_SCHEMA = {text(schema)} AND TABLE_TYPE = 'SEQUENCE' ORDER BY TABLE_NAME"
        )
    ]


def _sequences(session: ReadSession, schema: str) -> list[StoredObject]:
    found = []
    for sequence in _sequence_names(session, schema):
        definition = readable(session.raw(f"SHOW CREATE SEQUENCE {name(sequence)}")[1])
        found.append(StoredObject("sequence", sequence, definition, "", {}))
    return found


def sequence_states(session: ReadSession, schema: str) -> Mapping[str, SequenceState]:
    """Shape: by name. Numbers that a server keeps in its cache count as given out."""
    found = {}
    for sequence in _sequence_names(session, schema):
        following, smallest, largest, step, rounds = map(
            int,
            session.one(
                "SELECT next_not_cached_value, minimum_value, maximum_value, increment, cycle_count"
                f" FROM {names(schema, sequence)}"
            ),
        )
        # An increment of 0 means the server's auto_increment_increment, which is positive.
        found[sequence] = SequenceState(following, step or 1, largest if step >= 0 else smallest, rounds)
    return found


def _triggers(session: ReadSession, schema: str) -> list[StoredObject]:
    found = []
    for trigger, table, order in session.query(
        "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_ORDER FROM information_schema.TRIGGERS"
        f" WHERE TRIGGER_SCHEMA = {text(schema)}"
        " ORDER BY EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER"
    ):
        row = session.raw(f"SHOW CREATE TRIGGER {name(trigger)}")
        made = _object(session, "trigger", trigger, row[2], sql_mode=row[1], charsets=row[3:5], table=table)
        found.append(replace(made, order=int(order)))
    return found


def _events(session: ReadSession, schema: str) -> list[StoredObject]:
    found = []
    for event, state in session.query(
        "SELECT EVENT_NAME, STATUS FROM information_schema.EVENTS"
        f" WHERE EVENT_SCHEMA = {text(schema)} ORDER BY EVENT_NAME"
    ):
        row = session.raw(f"SHOW CREATE EVENT {name(event)}")
        found.append(
            _object(
                session,
                "event",
                event,
                row[3],
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
    found: bytes | None,
    *,
    charsets: Sequence[bytes],
    sql_mode: bytes | None = None,
    time_zone: bytes | None = None,
    enabled: bool = True,
    table: str = "",
) -> StoredObject:
    if found is None:
        wanted = "SELECT ON *.*" if session.is_mariadb else "SHOW_ROUTINE ON *.*"
        raise Unreadable(
            f"{session.address}: {kind} {label}: the server hides its text from us",
            why="A routine whose text cannot be read would arrive empty.",
            next_command=f"GRANT {wanted} TO CURRENT_USER;",
        )
    definition, definer = without_definer(readable(found))
    settings = {"character_set_client": charsets[0].decode(), "collation_connection": charsets[1].decode()}
    if sql_mode is not None:
        settings["sql_mode"] = sql_mode.decode()
    if time_zone is not None:
        settings["time_zone"] = time_zone.decode()
    if kind == "event":
        definition = disabled_event(definition)
    return StoredObject(kind, label, definition, definer, settings, enabled, table)
