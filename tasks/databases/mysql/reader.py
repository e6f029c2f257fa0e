"""MysqlReader: the read port of MariaDB and MySQL."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, cast

from core.secret import Secret
from tasks.databases.model import (
    WHOLE,
    Account,
    Changes,
    ContentDigest,
    KeyRange,
    Mark,
    Marks,
    Origin,
    Purpose,
    Replication,
    RowBatch,
    RowDigest,
    RowForm,
    SchemaOptions,
    SequenceState,
    Server,
    StoredObject,
    Table,
    WriteState,
)
from tasks.databases.mysql import (
    activity,
    binlog,
    catalog,
    changes,
    digests,
    followable,
    indexes,
    inserts,
    keys,
    load,
    privileges,
    replica_status,
    replicable,
    snapshot,
    stored,
    unmovable,
)
from tasks.databases.mysql.quoting import marks_schema, names, text
from tasks.databases.mysql.session import ReadSession
from tasks.databases.port import ReadPort

MARKS_TABLE = "tables"
POSITION_TABLE = "position"
REFRESHED = ""
"""The name, borne by no table, of the mark that says how far the whole schema is (a stage, or refreshed)."""
_REFRESHED = "refreshed"

_SETTINGS = (
    "version", "version_comment", "sql_mode", "character_set_server", "collation_server", "time_zone",
    "system_time_zone", "lower_case_table_names", "log_bin", "binlog_format", "binlog_row_image",
    "binlog_row_metadata", "gtid_binlog_pos", "gtid_mode", "server_id", "max_allowed_packet",
    "innodb_page_size", "event_scheduler", "read_only", "super_read_only", "default_storage_engine",
)  # fmt: skip


class MysqlReader:
    def __init__(self, session: ReadSession, another: "Callable[[], MysqlReader]") -> None:
        self._session = session
        self._another = another

    def close(self) -> None:
        self._session.close()

    def another(self) -> "MysqlReader":
        return self._another()

    def server(self) -> Server:
        listed = ", ".join(text(s) for s in _SETTINGS)
        settings = dict(self._session.query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({listed})"))
        return Server(
            flavour=self.flavour(),
            version=settings["version"],
            account=self._session.one("SELECT CURRENT_USER()")[0],
            read_only=settings.get("read_only") not in ("OFF", "0"),
            settings=settings,
        )

    def flavour(self) -> str:
        return "mariadb" if self._session.is_mariadb else "mysql"

    def missing_privileges(self, schema: str, purpose: Purpose) -> tuple[str, ...]:
        found = privileges.missing(self._session, schema, purpose)
        if purpose in ("copy-to", "return-to"):
            found += privileges.missing(self._session, marks_schema(schema), "copy-to")
        return found

    def options(self, schema: str) -> SchemaOptions | None:
        rows = self._session.query(
            "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
            f" WHERE SCHEMA_NAME = {text(schema)}"
        )
        return SchemaOptions(*rows[0]) if rows else None

    def tables(self, schema: str) -> tuple[Table, ...]:
        return catalog.tables(self._session, schema)

    def auto_increment(self, schema: str, table: str) -> int | None:
        rows = self._session.query(
            "SELECT AUTO_INCREMENT FROM information_schema.TABLES"
            f" WHERE TABLE_SCHEMA = {text(schema)} AND TABLE_NAME = {text(table)}"
        )
        return int(rows[0][0]) if rows and rows[0][0] else None

    def objects(self, schema: str) -> tuple[StoredObject, ...]:
        return stored.objects(self._session, schema)

    def sequences(self, schema: str) -> Mapping[str, SequenceState]:
        return stored.sequence_states(self._session, schema)

    def with_triggers(self, schema: str) -> tuple[str, ...]:
        rows = self._session.query(
            "SELECT DISTINCT EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS"
            f" WHERE TRIGGER_SCHEMA = {text(schema)} ORDER BY 1"
        )
        return tuple(str(row[0]) for row in rows)

    def unmovable(self, schema: str) -> tuple[str, ...]:
        return unmovable.unmovable(self._session, schema)

    def open_for(self, seconds: int) -> tuple[str, ...]:
        return activity.open_for(self._session, seconds)

    def marks(self, schema: str) -> Marks | None:
        ours = marks_schema(schema)
        if not self._session.query(
            f"SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = {text(ours)}"
            # The last one made: marks that are half made are made again.
            f" AND TABLE_NAME = {text(keys.DIRTY)}"
        ):
            return None
        rows = self._session.query(
            "SELECT name, state, digest, position, dropped, definition"
            f" FROM {names(ours, MARKS_TABLE)} ORDER BY name"
        )
        tables = {table: _mark(*values) for table, *values in rows if table != REFRESHED}
        state = next((row[1] for row in rows if row[0] == REFRESHED), "")
        refreshed = state == _REFRESHED
        places = dict(self._session.query(f"SELECT id, position FROM {names(ours, POSITION_TABLE)}"))
        by_number = {int(number): str(place) for number, place in places.items()}
        stage, replicated = "" if refreshed else state, replica_status.OURS in by_number
        return Marks(tables, refreshed, by_number.get(1, ""), stage, replicated)

    def account_names(self) -> frozenset[str]:
        return privileges.names(self._session)

    def account(self, schema: str, name: str) -> Account | None:
        return privileges.account(self._session, schema, name)

    def authentication(self, name: str) -> Secret:
        return privileges.authentication(self._session, name)

    def is_frozen(self) -> bool:
        # super_read_only stops only accounts that bypass read_only; write_state names those one by one.
        return self._write_settings()["read_only"] == "ON"

    def _write_settings(self) -> dict[str, str]:
        wanted = "'read_only'" if self._session.is_mariadb else "'read_only', 'super_read_only'"
        rows = self._session.query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({wanted})")
        return {setting: "OFF" if value in ("OFF", "0") else "ON" for setting, value in rows}

    def write_state(self) -> WriteState:
        return WriteState(
            settings=self._write_settings(),
            writing=activity.writing(self._session),
            bypassing=activity.bypassing(self._session),
        )

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        # Its moment is the same for all InnoDB tables; other engines have no snapshots.
        self._session.query("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        yield
        # Left by an exception the session is closed by its owner; a COMMIT would only hide the cause.
        self._session.query("COMMIT")

    def one_reader_because(self) -> str:
        return snapshot.one_reader_because(self._session)

    @contextmanager
    def snapshot_with(self, others: Sequence[ReadPort]) -> Iterator[str]:
        sessions = [self._session, *(cast(MysqlReader, o)._session for o in others)]
        position = snapshot.begin(sessions, lambda: self._another()._session)
        yield position
        for session in sessions:
            session.query("COMMIT")

    def position(self) -> str:
        return str(followable.end(self._session) or "")

    def not_followable(self, schema: str) -> tuple[str, ...]:
        return followable.reasons(self._session, schema)

    def changes(self, schema: str, after: str, upto: str = "") -> Iterator[Changes]:
        columns = followable.columns(self._session, schema)
        ignored = followable.without_rows(self._session, schema)
        start = binlog.parsed(after)
        session = self._another()._session
        dump = binlog.Dump(session.connection, session.address, start)
        follower = changes.Follower(dump, session.address, schema, columns, ignored, start)
        try:
            yield from follower.changes(binlog.parsed(upto) if upto else None)
        finally:
            dump.close()

    def clock(self) -> float:
        return float(self._session.one("SELECT UNIX_TIMESTAMP(NOW(6))")[0])

    def lag_bytes(self, position: str) -> int:
        return followable.bytes_beyond(self._session, position)

    def replication(self, schema: str) -> Replication | None:
        found = replica_status.status_of(self._session, schema)
        return found.shown(schema) if found else None

    def not_replicable(
        self, schema: str, origin: Origin, source: ReadPort, source_schema: str
    ) -> tuple[str, ...]:
        theirs = cast(MysqlReader, source)._session
        return replicable.reasons(
            replicable.End(theirs, source_schema),
            replicable.End(self._session, schema),
            origin,
            ours=(self.marks(schema) or Marks()).replicated,
        )

    def lacking_to_replicate(self, user: str) -> tuple[str, ...]:
        return replicable.lacking(self._session, user)

    def replication_place(self, position: str = "") -> str:
        return replicable.place(self._session, position)

    def replicated_beyond(self, schema: str, place: str) -> bool:
        return replicable.is_beyond(self._session, schema, place)

    def dirty(self, schema: str, most: int) -> tuple[tuple[str, str], ...]:
        return keys.dirty(self._session, schema, most)

    def key_digests(self, schema: str, table: Table, keys_wanted: Sequence[str]) -> Mapping[str, str]:
        return keys.digests(self._session, schema, table, keys_wanted)

    def is_empty(self, schema: str, table: str) -> bool:
        return not self._session.query(f"SELECT 1 FROM {names(schema, table)} LIMIT 1")

    def ranges(self, schema: str, table: Table, rows: int, within: KeyRange = WHOLE) -> Iterator[KeyRange]:
        return digests.ranges(self._session, schema, table, rows, within)

    def rows(
        self, schema: str, table: Table, within: KeyRange, form: RowForm = "statement"
    ) -> Iterator[RowBatch]:
        way = load if form == "stream" else inserts
        try:
            yield from way.read_rows(self._session, schema, table, within)
        except load.TooLong:
            raise digests.too_long(self._session, schema, table) from None

    def digest(self, schema: str, table: Table, within: KeyRange) -> ContentDigest:
        return digests.digest(self._session, schema, table, within)

    def row_digests(self, schema: str, table: Table, within: KeyRange) -> Iterator[RowDigest]:
        return digests.row_digests(self._session, schema, table, within)

    def bags(
        self, schema: str, table: Table, signs: int, prefixes: Sequence[str] = ()
    ) -> Mapping[str, ContentDigest]:
        return digests.bags(self._session, schema, table, signs, prefixes)

    def running(self) -> int:
        return digests.running(self._session)

    def answer(self, schema: str, query: str) -> tuple[tuple[str | None, ...], ...]:
        self._session.use(schema)
        rows = self._session.query(query)
        return tuple(tuple(None if v is None else digests.as_text(v) for v in row) for row in rows)


def _mark(
    state: Literal["copying", "done"], digest: str, position: str, dropped: str | None, whole: str
) -> Mark:
    """`dropped`: the names of indexes that were put off, one a line, while they are."""
    bare = indexes.without(whole, dropped.split("\n")) if dropped else ""
    return Mark(state, digest, position, bare, whole if dropped else "")
