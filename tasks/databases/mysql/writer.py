"""MysqlWriter: the write port of MariaDB and MySQL; every write is journalled first."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from pymysql.charset import charset_by_name

from core.errors import ApplyFailed, MigrationError, Refused
from core.secret import Secret
from tasks.databases.mysql.columns import carried, where
from tasks.databases.mysql.definitions import with_definer
from tasks.databases.mysql.privileges import grant_target, writing
from tasks.databases.mysql.quoting import account, marks_schema, name, names, text
from tasks.databases.mysql.reader import MARKS_TABLE, REFRESHED
from tasks.databases.mysql.session import WriteSession
from tasks.databases.port import Grant, KeyRange, ObjectKind, RowBatch, SchemaOptions, StoredObject, Table


class MysqlWriter:
    def __init__(self, session: WriteSession) -> None:
        self._session = session
        self._write = session.write
        self._packet = int(session.one("SELECT @@max_allowed_packet")[0])

    def close(self) -> None:
        self._session.close()

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
        charset = wished.settings["character_set_client"]
        codec = charset_by_name(charset).encoding
        self._session.use(schema)
        try:
            for setting, value in wished.settings.items():
                self._session.send(f"set {setting}", f"SET SESSION {setting} = {text(value)}")
            statement = with_definer(wished.definition, wished.definer).encode(codec)
            self._write(f"create {wished.kind} {schema}.{wished.name}", statement)
        except UnicodeEncodeError as error:
            raise ApplyFailed(
                f"{wished.label}: its text cannot be written in its own character set {charset}",
                why="It would arrive changed; nothing of it was written.",
            ) from error
        finally:
            with suppress(MigrationError):  # a broken connection: the cause is on its way already
                self._session.send("reset the session", "SET NAMES utf8mb4")
                self._session.prepare(lambda sql: self._session.send("reset the session", sql))

    def drop_object(self, schema: str, kind: ObjectKind, name: str) -> None:
        self._write(f"drop {kind} {schema}.{name}", f"DROP {kind.upper()} IF EXISTS {names(schema, name)}")

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
            " digest VARCHAR(128) NOT NULL DEFAULT '') ENGINE=InnoDB",
        )

    def drop_marks(self, schema: str) -> None:
        self.drop_schema(marks_schema(schema))

    def begin_table(self, schema: str, table: str) -> None:
        self._write(
            f"mark {schema}.{table} as being copied",
            f"REPLACE INTO {_marks(schema)} (name, state) VALUES ({text(table)}, 'copying')",
        )

    def replace_range(self, schema: str, table: Table, within: KeyRange, batches: Iterator[RowBatch]) -> int:
        what = f"copy a range of rows into {schema}.{table.name}"
        send = self._session.send
        into = names(schema, table.name)
        columns = ", ".join(name(column.name) for column in carried(table))
        head = f"INSERT INTO {into} ({columns}) VALUES ".encode()
        self._session.journal(f"{self._session.address}: {what}")
        rows = 0
        send(what, "START TRANSACTION")
        try:
            send(what, f"DELETE FROM {into} WHERE {where(table.key, within)}")
            for batch in batches:
                self._refuse_too_long(what, len(head) + len(batch.payload))
                warnings = send(what, head + batch.payload)
                # An ENUM holding the '' of an invalid value warns and is right all the same.
                if warnings and not any(column.type in ("enum", "set") for column in table.columns):
                    raise self._not_exact(what)
                rows += batch.rows
            send(
                what,
                f"UPDATE {_marks(schema)} SET copied_rows = copied_rows + {rows}"
                f" WHERE name = {text(table.name)}",
            )
            send(what, "COMMIT")
        except MigrationError:
            with suppress(MigrationError):  # a broken connection rolls back by itself
                send(what, "ROLLBACK")
            raise
        return rows

    def raise_auto_increment(self, schema: str, table: str, value: int) -> None:
        self._write(
            f"set auto_increment of {schema}.{table}",
            f"ALTER TABLE {names(schema, table)} AUTO_INCREMENT = {value}",
        )

    def finish_table(self, schema: str, table: str, digest: str) -> None:
        self._write(
            f"mark {schema}.{table} as copied",
            f"REPLACE INTO {_marks(schema)} (name, state, digest)"
            f" VALUES ({text(table)}, 'done', {text(digest)})",
        )

    def empty_table(self, schema: str, table: str) -> None:
        self._write(f"empty table {schema}.{table}", f"TRUNCATE TABLE {names(schema, table)}")

    def set_refreshed(self, schema: str, value: bool) -> None:
        statement = f"REPLACE INTO {_marks(schema)} (name, state) VALUES ({text(REFRESHED)}, 'refreshed')"
        if not value:
            statement = f"DELETE FROM {_marks(schema)} WHERE name = {text(REFRESHED)}"
        self._write(f"mark {schema} as {'refreshed' if value else 'not refreshed'}", statement)

    def create_account(self, name: str, authentication: Secret) -> None:
        self._write(f"create account {name}", f"CREATE USER {account(name)} {authentication.reveal()}")

    def drop_account(self, name: str) -> None:
        self._write(f"drop account {name}", f"DROP USER IF EXISTS {account(name)}")

    def grant(self, schema: str, name: str, grant: Grant) -> None:
        option = " WITH GRANT OPTION" if grant.grantable else ""
        target = grant_target(schema, grant.on)
        self._write(
            f"grant {grant} in {schema} to {name}",
            f"GRANT {', '.join(grant.privileges)} ON {target} TO {account(name)}{option}",
        )

    def revoke(self, schema: str, name: str, grant: Grant) -> None:
        what = ", ".join((*grant.privileges, *(["GRANT OPTION"] if grant.grantable else [])))
        target = grant_target(schema, grant.on)
        self._write(
            f"revoke {grant} in {schema} from {name}", f"REVOKE {what} ON {target} FROM {account(name)}"
        )

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

    def _refuse_too_long(self, what: str, size: int) -> None:
        if size > self._packet:
            raise ApplyFailed(
                f"{self._session.address}: {what}: a row takes {size} bytes,"
                f" max_allowed_packet is {self._packet}",
                why="The server would cut the connection; nothing of this range was written.",
                next_command="SET GLOBAL max_allowed_packet = 1073741824;",
            )

    def _not_exact(self, what: str) -> ApplyFailed:
        said = "; ".join(str(row[2]) for row in self._session.query("SHOW WARNINGS")[:3])
        return ApplyFailed(
            f"{self._session.address}: {what}: {said}",
            why="The target would hold another value than the source; this range was rolled back.",
        )


def _schema(schema: str, options: SchemaOptions) -> str:
    return f"{name(schema)} CHARACTER SET {options.charset} COLLATE {options.collation}"


def _marks(schema: str) -> str:
    return names(marks_schema(schema), MARKS_TABLE)
