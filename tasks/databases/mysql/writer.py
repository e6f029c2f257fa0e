"""MysqlWriter: the write port of MariaDB and MySQL; every write is journalled first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from pymysql.charset import charset_by_name

from core.errors import ApplyFailed, MigrationError, Refused
from core.secret import Secret
from tasks.databases.model import (
    Changes,
    Grant,
    ObjectKind,
    Origin,
    SchemaOptions,
    SequenceState,
    StoredObject,
    Table,
)
from tasks.databases.mysql import keys, orphans
from tasks.databases.mysql.activity import writing
from tasks.databases.mysql.definitions import with_definer
from tasks.databases.mysql.privileges import granting, revoking
from tasks.databases.mysql.quoting import account, marks_schema, name, names, text
from tasks.databases.mysql.reader import MARKS_TABLE, POSITION_TABLE, REFRESHED
from tasks.databases.mysql.relay import Relay
from tasks.databases.mysql.replica import Replica
from tasks.databases.mysql.rows import RowWriter, marks_of
from tasks.databases.mysql.session import WriteSession


class MysqlWriter(RowWriter):
    def __init__(self, session: WriteSession, another: "Callable[[], MysqlWriter]") -> None:
        super().__init__(session)
        self._another = another

    def close(self) -> None:
        self._session.close()

    def another(self) -> "MysqlWriter":
        return self._another()

    def end_left_behind(self) -> None:
        for number in orphans.left_behind(self._session):
            with suppress(ApplyFailed):  # it has ended meanwhile
                self._write(f"end session {number}, which a run of ours left behind", f"KILL {number}")

    def create_schema(self, schema: str, options: SchemaOptions) -> None:
        self._write(f"create schema {schema}", f"CREATE DATABASE IF NOT EXISTS {_schema(schema, options)}")

    def change_schema(self, schema: str, options: SchemaOptions) -> None:
        self._write(f"change schema {schema}", f"ALTER DATABASE {_schema(schema, options)}")

    def drop_schema(self, schema: str) -> None:
        self._write(f"drop schema {schema}", f"DROP DATABASE IF EXISTS {name(schema)}")

    def create_table(self, schema: str, name: str, definition: str) -> None:
        self._session.use(schema)
        self._write(f"create table {schema}.{name}", definition)

    def drop_table(self, schema: str, name: str) -> None:
        self._write(f"drop table {schema}.{name}", f"DROP TABLE IF EXISTS {names(schema, name)}")

    def create_object(self, schema: str, wished: StoredObject) -> None:
        """Under the settings it was written with; its text goes in the character set it came in."""
        charset = wished.settings.get("character_set_client", "utf8mb4")
        codec = charset_by_name(charset).encoding
        self._session.use(schema)
        try:
            with self._under(wished.settings):
                statement = with_definer(wished.definition, wished.definer).encode(codec)
                self._write(f"create {wished.kind} {schema}.{wished.name}", statement)
        except UnicodeEncodeError as error:
            raise ApplyFailed(
                f"{wished.label}: its text cannot be written in its own character set {charset}",
                why="It would arrive changed; nothing of it was written.",
            ) from error

    def drop_object(self, schema: str, kind: ObjectKind, name: str) -> None:
        with self._dialect(kind):
            self._write(
                f"drop {kind} {schema}.{name}", f"DROP {kind.upper()} IF EXISTS {names(schema, name)}"
            )

    def advance_sequence(self, schema: str, name: str, state: SequenceState) -> None:
        # SETVAL never goes backwards: what was given out here meanwhile stays given out.
        run_out = state.next > state.last if state.step > 0 else state.next < state.last
        value = f"{state.last}, 1" if run_out else f"{state.next}, 0"
        self._write(
            f"advance sequence {schema}.{name}",
            f"DO SETVAL({names(schema, name)}, {value}, {state.round})",
        )

    def enable_event(self, schema: str, name: str, *, enabled: bool) -> None:
        state = "ENABLE" if enabled else "DISABLE"
        # Whoever alters an event becomes its definer, and leaves it the settings of the session.
        definer, charset, collation, mode, zone = self._session.one(
            "SELECT DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, SQL_MODE, TIME_ZONE"
            f" FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {text(schema)}"
            f" AND EVENT_NAME = {text(name)}"
        )
        settings = {
            "character_set_client": charset, "collation_connection": collation, "sql_mode": mode,
            "time_zone": zone,
        }  # fmt: skip
        statement = f"ALTER DEFINER = {account(definer)} EVENT {names(schema, name)} {state}"
        with self._under(settings):
            self._write(
                f"{state.lower()} event {schema}.{name}",
                statement.encode(charset_by_name(charset).encoding),
            )

    def create_marks(self, schema: str) -> None:
        ours = marks_schema(schema)
        self._write(
            f"create schema {ours}", f"CREATE DATABASE IF NOT EXISTS {name(ours)} CHARACTER SET utf8mb4"
        )
        self._write(
            f"create table {ours}.{MARKS_TABLE}",
            f"CREATE TABLE IF NOT EXISTS {names(ours, MARKS_TABLE)} ("
            "name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY,"
            " state VARCHAR(16) NOT NULL, copied_rows BIGINT NOT NULL DEFAULT 0,"
            " digest VARCHAR(128) NOT NULL DEFAULT '', position VARCHAR(512) NOT NULL DEFAULT '',"
            " dropped TEXT, definition MEDIUMTEXT) ENGINE=InnoDB",
        )
        self._write(
            f"create table {ours}.{POSITION_TABLE}",
            f"CREATE TABLE IF NOT EXISTS {names(ours, POSITION_TABLE)} (id TINYINT PRIMARY KEY,"
            " position VARCHAR(512) CHARACTER SET ascii COLLATE ascii_bin NOT NULL) ENGINE=InnoDB",
        )
        self._write(
            f"create table {ours}.{keys.DIRTY}",
            # The hash, because a key may be longer than an index takes.
            f"CREATE TABLE IF NOT EXISTS {names(ours, keys.DIRTY)} ("
            "table_name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, key_hash BINARY(32),"
            " key_literal MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,"
            " PRIMARY KEY (table_name, key_hash)) ENGINE=InnoDB",
        )

    def drop_marks(self, schema: str) -> None:
        self.drop_schema(marks_schema(schema))

    def begin_table(self, schema: str, table: str) -> None:
        self._write(
            f"mark {schema}.{table} as being copied",
            f"INSERT INTO {marks_of(schema)} (name, state) VALUES ({text(table)}, 'copying')"
            " ON DUPLICATE KEY UPDATE state = 'copying', digest = '', position = ''",
        )

    def raise_auto_increment(self, schema: str, table: str, value: int) -> None:
        self._write(
            f"set auto_increment of {schema}.{table}",
            f"ALTER TABLE {names(schema, table)} AUTO_INCREMENT = {value}",
        )

    def finish_table(self, schema: str, table: str, digest: str, position: str = "") -> None:
        self._write(
            f"mark {schema}.{table} as copied",
            f"REPLACE INTO {marks_of(schema)} (name, state, digest, position)"
            f" VALUES ({text(table)}, 'done', {text(digest)}, {text(position)})",
        )

    def empty_table(self, schema: str, table: str) -> None:
        self._write(f"empty table {schema}.{table}", f"TRUNCATE TABLE {names(schema, table)}")

    def set_refreshed(self, schema: str, value: bool) -> None:
        statement = f"REPLACE INTO {marks_of(schema)} (name, state) VALUES ({text(REFRESHED)}, 'refreshed')"
        if not value:
            statement = f"DELETE FROM {marks_of(schema)} WHERE name = {text(REFRESHED)}"
        self._write(f"mark {schema} as {'refreshed' if value else 'not refreshed'}", statement)

    def admit_us(self) -> None:
        found = dict(self._session.query("SHOW GLOBAL VARIABLES WHERE Variable_name = 'super_read_only'"))
        if found.get("super_read_only") == "ON":
            self._write("set super_read_only = OFF", "SET GLOBAL super_read_only = 0")

    def set_stage(self, schema: str, stage: str) -> None:
        values = f"{text(REFRESHED)}, {text(stage)}"
        statement = f"REPLACE INTO {marks_of(schema)} (name, state) VALUES ({values})"
        if not stage:
            statement = f"DELETE FROM {marks_of(schema)} WHERE name = {text(REFRESHED)}"
        self._write(f"mark {schema} as {stage or 'copied'}", statement)

    def set_position(self, schema: str, position: str) -> None:
        place = names(marks_schema(schema), POSITION_TABLE)
        statement = f"REPLACE INTO {place} (id, position) VALUES (1, {text(position)})"
        if not position:
            statement = f"DELETE FROM {place} WHERE id = 1"
        self._write(f"note the position {position or 'none'} for {schema}", statement)

    def apply_changes(self, schema: str, tables: Mapping[str, Table], batch: Sequence[Changes]) -> int:
        replica = Replica(self._session, schema)
        if replicated := replica.is_ours and bool(batch):
            # Noted only once it is there: a proof in between must not clear what is yet to come.
            replica.reach(batch[-1].position)
        return Relay(self._session, schema, tables, self._packet).apply(batch, replicated)

    def begin_replication(self, schema: str, origin: Origin, place: str) -> None:
        Replica(self._session, schema).begin(origin, place)

    def await_replication(self, schema: str, place: str) -> None:
        if (replica := Replica(self._session, schema)).is_ours:
            replica.await_place(place)

    def halt_replication(self, schema: str) -> None:
        Replica(self._session, schema).halt()

    def end_replication(self, schema: str) -> None:
        Replica(self._session, schema).end()

    def clear_dirty(self, schema: str, keys_proved: Sequence[tuple[str, str]]) -> None:
        if keys_proved:
            self._write(
                f"forget {len(keys_proved)} changed keys of {schema}, proved equal",
                keys.clear_statement(schema, keys_proved),
            )

    def create_account(self, name: str, authentication: Secret) -> None:
        how = authentication.reveal()
        kind = "USER" if how else "ROLE"
        self._write(f"create account {name}", f"CREATE {kind} {account(name)} {how}")

    def drop_account(self, name: str) -> None:
        kind = "ROLE" if name.endswith("@") else "USER"
        self._write(f"drop account {name}", f"DROP {kind} IF EXISTS {account(name)}")

    def grant(self, schema: str, name: str, grant: Grant) -> None:
        with self._dialect(grant.on):
            self._write(f"grant {grant} in {schema} to {name}", granting(schema, name, grant))

    def revoke(self, schema: str, name: str, grant: Grant) -> None:
        with self._dialect(grant.on):
            self._write(f"revoke {grant} in {schema} from {name}", revoking(schema, name, grant))

    @contextmanager
    def _under(self, settings: Mapping[str, str]) -> Iterator[None]:
        """Within it the session has these settings."""
        try:
            for setting, value in settings.items():
                self._session.send(f"set {setting}", f"SET SESSION {setting} = {text(value)}")
            yield
        finally:
            self._reset()

    @contextmanager
    def _dialect(self, thing: str) -> Iterator[None]:
        """MariaDB knows packages in its Oracle dialect alone."""
        if not thing.lower().startswith("package"):
            yield
            return
        self._session.send("set sql_mode", "SET SESSION sql_mode = 'ORACLE'")
        try:
            yield
        finally:
            self._reset()

    def _reset(self) -> None:
        with suppress(MigrationError):  # a broken connection: the cause is on its way already
            self._session.send("reset the session", "SET NAMES utf8mb4")
            self._session.prepare(lambda sql: self._session.send("reset the session", sql))

    def restrict_writes(self, settings: Mapping[str, str], wait_s: int) -> None:
        self._session.send("wait", f"SET SESSION lock_wait_timeout = {int(wait_s)}")
        # read_only comes first: super_read_only implies it when set, and falls with it when unset.
        for setting, value in sorted(settings.items()):
            if setting not in ("read_only", "super_read_only"):
                raise Refused(f"{setting} is not a setting that forbids writing")
            try:
                self._write(f"set {setting} = {value}", f"SET GLOBAL {setting} = {text(value)}")
            except ApplyFailed as error:
                still = "; ".join(writing(self._session)) or "none visible"
                raise ApplyFailed(
                    f"{error.detail}; still writing: {still}",
                    why=f"Waited {wait_s} s for running writers; writing goes on as before.",
                    next_command="SHOW PROCESSLIST;",
                    transient=error.transient,
                ) from error


def _schema(schema: str, options: SchemaOptions) -> str:
    return f"{name(schema)} CHARACTER SET {options.charset} COLLATE {options.collation}"
