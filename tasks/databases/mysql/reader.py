"""MysqlReader: the read port of MariaDB and MySQL."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import Unreadable
from core.secret import Secret
from tasks.databases.mysql import catalog, privileges
from tasks.databases.mysql.columns import (
    bound_expressions,
    carried,
    is_long,
    long_literal,
    row_expressions,
    row_hash,
    where,
)
from tasks.databases.mysql.quoting import marks_schema, name, names, text
from tasks.databases.mysql.session import ReadSession
from tasks.databases.port import (
    Account,
    ContentDigest,
    KeyRange,
    Mark,
    Marks,
    Purpose,
    RowBatch,
    SchemaOptions,
    Server,
    StoredObject,
    Table,
    WriteState,
)

BATCH_BYTES = 1 << 20
MARKS_TABLE = "tables"
REFRESHED = ""
"""The name, borne by no table, of the mark that says: refreshed under the freeze."""

_SETTINGS = (
    "version", "version_comment", "sql_mode", "character_set_server", "collation_server", "time_zone",
    "system_time_zone", "lower_case_table_names", "log_bin", "binlog_format", "binlog_row_image",
    "binlog_row_metadata", "gtid_binlog_pos", "gtid_mode", "server_id", "max_allowed_packet",
    "innodb_page_size", "event_scheduler", "read_only", "super_read_only", "default_storage_engine",
)  # fmt: skip


class MysqlReader:
    def __init__(self, session: ReadSession) -> None:
        self._session = session

    def close(self) -> None:
        self._session.close()

    def server(self) -> Server:
        listed = ", ".join(text(s) for s in _SETTINGS)
        settings = dict(self._session.query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({listed})"))
        return Server(
            flavour="mariadb" if self._session.is_mariadb else "mysql",
            version=settings["version"],
            account=self._session.one("SELECT CURRENT_USER()")[0],
            read_only=settings.get("read_only") not in ("OFF", "0"),
            settings=settings,
        )

    def missing_privileges(self, schema: str, purpose: Purpose) -> tuple[str, ...]:
        found = privileges.missing(self._session, schema, purpose)
        if purpose == "copy-to":
            found += privileges.missing(self._session, marks_schema(schema), purpose)
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
        return catalog.objects(self._session, schema)

    def unmovable(self, schema: str) -> tuple[str, ...]:
        return catalog.unmovable(self._session, schema)

    def marks(self, schema: str) -> Marks | None:
        ours = marks_schema(schema)
        if not self._session.query(
            f"SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = {text(ours)}"
            f" AND TABLE_NAME = {text(MARKS_TABLE)}"
        ):
            return None
        rows = self._session.query(
            f"SELECT name, state, digest FROM {names(ours, MARKS_TABLE)} ORDER BY name"
        )
        tables = {table: Mark(state, digest) for table, state, digest in rows if table != REFRESHED}
        return Marks(tables, refreshed=any(row[0] == REFRESHED for row in rows))

    def account_names(self) -> frozenset[str]:
        return privileges.names(self._session)

    def account(self, schema: str, name: str) -> Account | None:
        return privileges.account(self._session, schema, name)

    def authentication(self, name: str) -> Secret:
        return privileges.authentication(self._session, name)

    def is_frozen(self) -> bool:
        return all(value == "ON" for value in self._write_settings().values())

    def _write_settings(self) -> dict[str, str]:
        wanted = "'read_only'" if self._session.is_mariadb else "'read_only', 'super_read_only'"
        rows = self._session.query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({wanted})")
        return {setting: "OFF" if value in ("OFF", "0") else "ON" for setting, value in rows}

    def write_state(self) -> WriteState:
        return WriteState(
            settings=self._write_settings(),
            writing=privileges.writing(self._session),
            bypassing=privileges.bypassing(self._session),
        )

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        # Its moment is the same for all InnoDB tables; other engines have no snapshots.
        self._session.query("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        yield
        # Left by an exception the session is closed by its owner; a COMMIT would only hide the cause.
        self._session.query("COMMIT")

    def is_empty(self, schema: str, table: str) -> bool:
        return not self._session.query(f"SELECT 1 FROM {names(schema, table)} LIMIT 1")

    def ranges(self, schema: str, table: Table, rows: int) -> Iterator[KeyRange]:
        after: tuple[str, ...] | None = None
        if table.key:
            order = ", ".join(name(column.name) for column in table.key)
            select = f"SELECT {', '.join(bound_expressions(table.key))} FROM {names(schema, table.name)}"
            while found := self._session.query(
                f"{select} WHERE {where(table.key, KeyRange(after))}"
                f" ORDER BY {order} LIMIT 1 OFFSET {rows - 1}"
            ):
                upto = tuple(_text(bound) for bound in found[0])
                yield KeyRange(after, upto)
                after = upto
        yield KeyRange(after, None)

    def rows(self, schema: str, table: Table, within: KeyRange) -> Iterator[RowBatch]:
        long_columns = [column for column in carried(table) if is_long(column)]
        batch: list[bytes] = []
        size = 0
        for opening, *values in self._session.stream(
            f"SELECT {', '.join(row_expressions(table))} FROM {names(schema, table.name)}"
            f" WHERE {where(table.key, within)}"
        ):
            if opening is None:
                raise self._too_long(schema, table)
            pieces = [long_literal(c, v) for c, v in zip(long_columns, values, strict=True)]
            first = [opening] if opening != b"(" else [opening + pieces.pop(0)]
            row = b",".join([*first, *pieces]) + b")"
            if batch and size + len(row) > BATCH_BYTES:
                yield RowBatch(len(batch), b",".join(batch))
                batch, size = [], 0
            batch.append(row)
            size += len(row)
        if batch:
            yield RowBatch(len(batch), b",".join(batch))

    def digest(self, schema: str, table: Table, within: KeyRange) -> ContentDigest:
        piece = "SUM(CAST(CONV(HEX(SUBSTR(h, {}, 8)), 16, 10) AS UNSIGNED))"
        rows, hashed, *sums = self._session.one(
            f"SELECT COUNT(*), COUNT(h), {', '.join(piece.format(start) for start in (1, 9))}"
            f" FROM (SELECT UNHEX({row_hash(table)}) AS h FROM {names(schema, table.name)}"
            f" WHERE {where(table.key, within)}) AS rows_hashed"
        )
        if rows != hashed:
            raise self._too_long(schema, table)
        return ContentDigest(int(rows), tuple(int(s or 0) for s in sums))

    def row_digests(self, schema: str, table: Table, within: KeyRange) -> Iterator[tuple[str, str]]:
        key = ", ".join(_for_people(c.name, c.type) for c in table.key) or "''"
        for *parts, digest in self._session.stream(
            f"SELECT {key}, {row_hash(table)} FROM {names(schema, table.name)}"
            f" WHERE {where(table.key, within)}"
        ):
            labels = zip((c.name for c in table.key), parts, strict=False)
            yield ", ".join(f"{column}={_text(part)}" for column, part in labels), str(digest)

    def answer(self, schema: str, query: str) -> tuple[tuple[str | None, ...], ...]:
        self._session.use(schema)
        rows = self._session.query(query)
        return tuple(tuple(None if v is None else _text(v) for v in row) for row in rows)

    def _too_long(self, schema: str, table: Table) -> Unreadable:
        return Unreadable(
            f"{self._session.address}: {schema}.{table.name}: a row is longer than max_allowed_packet",
            why="The server gives NULL for it; counting it as equal or copying it so would lose it.",
            next_command="SET GLOBAL max_allowed_packet = 1073741824;",
        )


def _for_people(column: str, kind: str) -> str:
    quoted = name(column)
    return f"HEX({quoted})" if kind in ("binary", "varbinary", "blob", "bit", "tinyblob") else quoted


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
