"""Where the binary log ends, and what keeps a schema from being followed by it."""

import re
from collections.abc import Iterator

from core.errors import Unreadable
from tasks.databases.mysql import privileges
from tasks.databases.mysql.binlog import Position, at, parsed
from tasks.databases.mysql.quoting import names, text
from tasks.databases.mysql.replica_status import all_of, is_name_of_ours
from tasks.databases.mysql.row_images import SourceColumn
from tasks.databases.mysql.session import ReadSession

_TRANSACTIONAL = ("InnoDB", "ROCKSDB")
_WANTED = {
    "binlog_format": ("ROW", "SET GLOBAL binlog_format = 'ROW';  -- and reconnect the clients"),
    "binlog_row_image": ("FULL", "SET GLOBAL binlog_row_image = 'FULL';  -- and reconnect the clients"),
    "binlog_row_value_options": ("", "SET GLOBAL binlog_row_value_options = '';"),
    "binlog_transaction_compression": ("OFF", "SET GLOBAL binlog_transaction_compression = OFF;"),
}
_STATUS_SINCE = (8, 2)
"""MySQL's version from which SHOW MASTER STATUS has a new name."""


def end(session: ReadSession) -> Position | None:
    """Raises: errors.Unreadable with the GRANT that is missing."""
    row = _status(session)
    return at(str(row[0]), int(row[1])) if row else None


def _status(session: ReadSession) -> tuple[str, ...]:
    old = session.is_mariadb or _version(session) < _STATUS_SINCE
    rows = session.query("SHOW MASTER STATUS" if old else "SHOW BINARY LOG STATUS")
    return tuple(rows[0]) if rows else ()


def _version(session: ReadSession) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", str(session.one("SELECT VERSION()")[0]))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def bytes_beyond(session: ReadSession, position: str) -> int:
    """How much of the log lies beyond a position.

    Raises: errors.Unreadable where the log begins after it.
    """
    place = parsed(position)
    files = {at(str(row[0]), 0).number: int(row[1]) for row in session.query("SHOW BINARY LOGS")}
    if place.number not in files:
        raise Unreadable(
            f"{session.address}: the binary log does not hold {place.file} any more",
            why="What changed since then is lost for the relay: the target must be copied again.",
            next_command="SHOW BINARY LOGS;",
        )
    return max(0, sum(size for number, size in files.items() if number >= place.number) - place.offset)


def reasons(session: ReadSession, schema: str) -> tuple[str, ...]:
    """Each reason against following the schema, with the statement that mends it."""
    missing = privileges.missing(session, schema, "follow-from")
    if missing:
        return tuple(f"a privilege is missing: {statement}" for statement in missing)
    if session.one("SELECT @@global.log_bin")[0] not in (1, "1", "ON"):
        return ("log_bin is OFF: write log_bin = ON under [mysqld] into its configuration and restart it",)
    return (*_settings(session), *_filters(session, schema), *_tables(session, schema))


def _settings(session: ReadSession) -> Iterator[str]:
    listed = ", ".join(text(setting) for setting in _WANTED)
    found = dict(session.query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({listed})"))
    for setting, (wanted, statement) in _WANTED.items():
        if str(found.get(setting, wanted)).upper() != wanted:
            yield f"{setting} is {found[setting]}: {statement}"
    settings = dict(session.query("SHOW GLOBAL VARIABLES LIKE 'log_%_updates'"))
    if "OFF" in settings.values() and _is_replica(session):
        yield (
            "it is itself a replica and does not log what it replicates:"
            " write log_slave_updates = ON under [mysqld] into its configuration and restart it"
        )


def _is_replica(session: ReadSession) -> bool:
    if session.is_mariadb:
        return dict(session.query("SHOW GLOBAL STATUS LIKE 'Slave_running'")).get("Slave_running") == "ON"
    return any(not is_name_of_ours(status.name) for status in all_of(session))


def _filters(session: ReadSession, schema: str) -> Iterator[str]:
    row = _status(session)
    only, never = (_listed(row[2]), _listed(row[3])) if len(row) > 3 else ((), ())
    if (only and schema not in only) or schema in never:
        yield (
            f"binlog_do_db or binlog_ignore_db leaves {schema} out of the log:"
            " take it out of the configuration and restart the server"
        )


def _listed(value: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in str(value or "").split(",") if part.strip())


def _tables(session: ReadSession, schema: str) -> Iterator[str]:
    listed = ", ".join(text(engine) for engine in _TRANSACTIONAL)
    for table, engine in session.query(
        "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES"
        f" WHERE TABLE_SCHEMA = {text(schema)} AND TABLE_TYPE = 'BASE TABLE'"
        f" AND ENGINE NOT IN ({listed}) ORDER BY TABLE_NAME"
    ):
        yield (
            f"table {table}: {engine} has no transactions:"
            f" ALTER TABLE {names(schema, table)} ENGINE = InnoDB;"
        )


def columns(session: ReadSession, schema: str) -> dict[str, list[SourceColumn]]:
    """The columns of each table in the order of its row images."""
    found: dict[str, list[SourceColumn]] = {}
    for table, column, kind, full_type, extra in session.query(
        "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, EXTRA FROM information_schema.COLUMNS"
        f" WHERE TABLE_SCHEMA = {text(schema)} ORDER BY TABLE_NAME, ORDINAL_POSITION"
    ):
        generated = "GENERATED" in extra.upper().replace("DEFAULT_GENERATED", "")
        shape = SourceColumn(column, kind.lower(), str(full_type).lower(), generated)
        found.setdefault(table, []).append(shape)
    return found


def without_rows(session: ReadSession, schema: str) -> frozenset[str]:
    """What appears in the log like tables but is carried otherwise: sequences."""
    return frozenset(
        row[0]
        for row in session.query(
            "SELECT TABLE_NAME FROM information_schema.TABLES"
            f" WHERE TABLE_SCHEMA = {text(schema)} AND TABLE_TYPE = 'SEQUENCE'"
        )
    )
