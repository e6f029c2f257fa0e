"""The target's own replication of one schema, as SHOW REPLICA STATUS tells of it.

Source: MariaDB Knowledge Base, "SHOW REPLICA STATUS"; MySQL 8.4 Reference Manual, "SHOW REPLICA STATUS".
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.secret import redact
from tasks.databases.model import Replication
from tasks.databases.mysql import binlog
from tasks.databases.mysql.quoting import marks_schema, names, text
from tasks.databases.mysql.session import Session

POSITION = "position"
OURS = 2
"""The row of the table of positions that says that replication is ours, with what it found there before."""
_PLAIN = re.compile(r"[a-z0-9_]{1,48}")
_PREFIX = "qianyun_"
_EVENT = re.compile(r"on table (?P<table>[^;]+);")
_PLACE = re.compile(r"(?:master|source)(?:'s)? log (?P<file>[^\s,]+), end_log_pos (?P<offset>\d+)")
# Source: MariaDB Knowledge Base, "MariaDB Error Codes"; MySQL 8.4 Error Message Reference.
_WORDS = {
    1062: "a row with this key, or with another unique value of it, is there already",
    1032: "a row that changed at the source is not there",
    1146: "there is no such table",
    1451: "other rows still refer to a row",
    1452: "a row refers to one that is not there",
    1677: "a column is of another type",
}
PURGED = {1236, 13114}
REFUSED_LOGIN = {1045, 1044, 1698, 1130, 1227, 13117}


def name_for(schema: str) -> str:
    """The connection (MariaDB) or channel (MySQL) of a schema; its name becomes part of file names."""
    if _PLAIN.fullmatch(schema):
        return _PREFIX + schema
    return _PREFIX + hashlib.sha256(schema.encode()).hexdigest()[:24]


def is_name_of_ours(name: str) -> bool:
    return name.startswith(_PREFIX)


def wildcard(schema: str) -> str:
    """All tables of the schema, as a replication filter names them."""
    return re.sub(r"([\\_%])", r"\\\1", schema) + ".%"


@dataclass(frozen=True)
class Status:
    """One connection as its server shows it, in MariaDB's old words whatever the version."""

    name: str
    host: str
    port: int
    user: str
    io: str
    """ "Yes" | "No" | "Connecting" | "Preparing"."""
    sql: str
    io_error: tuple[int, str]
    sql_error: tuple[int, str]
    filter: str
    file: str
    offset: int
    received: str
    """Up to where of the source's log it has got events, carried out or not."""

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def stopped(self) -> bool:
        return "No" in (self.io, self.sql)

    @property
    def connected(self) -> bool:
        return self.io == "Yes" and self.sql == "Yes"

    @property
    def executed(self) -> str:
        return str(binlog.at(self.file, self.offset)) if self.file else ""

    @property
    def trouble(self) -> str:
        if self.sql_error[0]:
            return diverged(*self.sql_error)
        number, said = self.io_error
        return f"{redact(said)} (error {number})" if number else ""

    def shown(self, schema: str) -> Replication:
        return Replication(
            self.name,
            self.address,
            self.user,
            self.connected,
            self.stopped,
            self.filter == wildcard(schema),
            self.executed,
            self.trouble,
        )


def diverged(number: int, said: str) -> str:
    """What stopped the applying thread: the server's own text holds keys and statements."""
    table, place = _EVENT.search(said), _PLACE.search(said)
    words = f"{_WORDS.get(number, 'the target could not carry out a change')} (error {number})"
    where = f", at {place['file']}:{place['offset']} of the source's log" if place else ""
    return (f"table {table['table']}: " if table else "") + words + where


def diverged_by_worker(session: Session, name: str) -> str:
    """What stopped one of MySQL's applying threads: the channel's own words leave out the table."""
    rows = session.query(
        "SELECT LAST_ERROR_NUMBER, LAST_ERROR_MESSAGE"
        " FROM performance_schema.replication_applier_status_by_worker"
        f" WHERE CHANNEL_NAME = {text(name)} AND LAST_ERROR_NUMBER <> 0 LIMIT 1"
    )
    return diverged(int(rows[0][0]), str(rows[0][1])) if rows else ""


def all_of(session: Session) -> tuple[Status, ...]:
    """Every replication that the server has."""
    show = "SHOW ALL SLAVES STATUS" if session.is_mariadb else "SHOW REPLICA STATUS"
    return tuple(_status(_old_words(row)) for row in session.named(show))


def status_of(session: Session, schema: str) -> Status | None:
    wanted = name_for(schema)
    return next((status for status in all_of(session) if status.name.lower() == wanted), None)


def _old_words(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        column.replace("Source_", "Master_").replace("Replica_", "Slave_"): value
        for column, value in row.items()
    }


def _status(row: Mapping[str, Any]) -> Status:
    return Status(
        name=row["Connection_name"] if "Connection_name" in row else row["Channel_Name"],
        host=row["Master_Host"] or "",
        port=int(row["Master_Port"] or 0),
        user=row["Master_User"] or "",
        io=row["Slave_IO_Running"],
        sql=row["Slave_SQL_Running"],
        io_error=(int(row["Last_IO_Errno"] or 0), row["Last_IO_Error"] or ""),
        sql_error=(int(row["Last_SQL_Errno"] or 0), row["Last_SQL_Error"] or ""),
        filter=row["Replicate_Wild_Do_Table"] or "",
        file=row["Relay_Master_Log_File"] or "",
        offset=int(row["Exec_Master_Log_Pos"] or 0),
        received=f"{row['Master_Log_File']}:{row['Read_Master_Log_Pos']}" if row["Master_Log_File"] else "",
    )


def before_ours(session: Session, schema: str) -> str | None:
    """What the server's own replication position was before ours began; None where there is none of ours."""
    rows = session.query(before_query(schema))
    return str(rows[0][0]) if rows else None


def before_query(schema: str) -> str:
    return f"SELECT position FROM {names(marks_schema(schema), POSITION)} WHERE id = {OURS}"


def domains(gtids: str) -> dict[str, int]:
    """Shape: of MariaDB's list of transactions, the number by replication domain."""
    parts = (entry.strip().split("-") for entry in gtids.split(",") if entry.strip())
    return {domain: int(number) for domain, _, number in parts}


def merged(before: str, start: str) -> str:
    """A list of transactions in which `start` replaces what `before` says of its domains."""
    taken = domains(start)
    kept = [entry.strip() for entry in before.split(",") if entry.strip()]
    kept = [entry for entry in kept if entry.split("-")[0] not in taken]
    return ",".join((*kept, *([start] if start else [])))
