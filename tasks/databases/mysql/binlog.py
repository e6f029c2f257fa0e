"""The server's binary log as a stream of events: positions, the dump command, framing and checksums.

Own framing, because the stream must never reconnect by itself: in the middle of a transaction it would
give the rest of it as if it were a whole one.
Source: MySQL Internals Manual, "Replication Protocol"; MariaDB Knowledge Base, "Replication Protocol".
"""

import re
import secrets
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import pymysql
from pymysql.constants import COMMAND

from core.errors import Refused, Unreadable
from tasks.databases.mysql.errors import number_and_text, translated
from tasks.databases.mysql.quoting import text
from tasks.databases.mysql.session import Connection

QUERY, STOP, ROTATE, FORMAT, XID, TABLE_MAP, INCIDENT, HEARTBEAT = 2, 3, 4, 15, 16, 19, 26, 27
_HEADER = struct.Struct("<IBIIIH")
_FIRST = 4
"""Position of the first event in every file."""
_IGNORABLE = 0x80
_HEARTBEAT_S = 0.1
_SILENCE_S = 15
"""With ten heartbeats a second, so much silence is a cut cable."""
_POSITION = re.compile(r"(?P<file>.+):(?P<offset>\d+)(?:@(?P<born>\d+))?")
_GONE_FROM_LOG = {1236, 1220, 1373, 1779, 1789}


@dataclass(frozen=True, order=True)
class Position:
    """A place in the log; `born` tells files of one name apart (RESET MASTER, another server)."""

    number: int
    offset: int
    file: str
    born: int = 0
    """When the file was begun, seconds since the epoch by the server's clock; 0 unknown."""

    def __str__(self) -> str:
        return f"{self.file}:{self.offset}" + (f"@{self.born}" if self.born else "")

    def reaches(self, other: "Position") -> bool:
        return (self.number, self.offset) >= (other.number, other.offset)

    def at(self, offset: int) -> "Position":
        return Position(self.number, offset, self.file, self.born)


def at(file: str, offset: int, born: int = 0) -> Position:
    digits = file.rpartition(".")[2]
    return Position(int(digits) if digits.isdigit() else 0, offset, file, born)


def parsed(position: str) -> Position:
    """Raises: errors.Refused"""
    found = _POSITION.fullmatch(position)
    if found is None:
        raise Refused(
            f"{position!r} is no position of a binary log (file:offset)",
            why="Reading from anywhere else would lose or repeat changes.",
        )
    return at(found["file"], int(found["offset"]), int(found["born"] or 0))


class Event(NamedTuple):
    kind: int
    at_s: int
    """By the source's clock, seconds since the epoch; 0 for events that the server made up on the way."""
    size: int
    end: int
    """Position after it; 0 for events that the server made up on the way."""
    flags: int
    body: bytes

    @property
    def ignorable(self) -> bool:
        return bool(self.flags & _IGNORABLE)


class Dump:
    """A connection of its own on which the server sends its log."""

    def __init__(self, connection: Connection, address: str, start: Position) -> None:
        self._connection = connection
        self._address = address
        self._start = start
        self.file = start
        """The file being read; its offset is where reading began."""
        self._checksums = False

    def close(self) -> None:
        with suppress(pymysql.err.Error):
            self._connection.close()

    def events(self) -> Iterator[Event]:
        """All events from the start on, heartbeats included.

        Raises: errors.Unreadable, transient where the server or the cable went away.
        """
        self._ask()
        while True:
            event = self._next()
            if event.kind == ROTATE:
                offset, name = struct.unpack("<Q", event.body[:8])[0], event.body[8:].decode()
                if name != self.file.file:
                    self.file = at(name, offset)
            elif event.kind == FORMAT:
                self._check_birth(event)
            yield event

    def _ask(self) -> None:
        with self._translated(), self._connection.cursor() as cursor:
            cursor.execute("SELECT @@global.binlog_checksum, VERSION()")
            checksum, version = cursor.fetchone() or ("NONE", "")
            self._checksums = checksum != "NONE"
            cursor.execute(f"SET @master_binlog_checksum = {text(str(checksum))}")
            cursor.execute(f"SET @source_binlog_checksum = {text(str(checksum))}")
            cursor.execute(f"SET @master_heartbeat_period = {int(_HEARTBEAT_S * 1e9)}")
            cursor.execute(f"SET @source_heartbeat_period = {int(_HEARTBEAT_S * 1e9)}")
            if "mariadb" in str(version).lower():
                cursor.execute("SET @mariadb_slave_capability = 4")
            # One number per reader: the server ends an older dump that bears the same.
            number = (1 << 31) | secrets.randbits(30)
            head = struct.pack("<IHI", self._start.offset, 0, number)
            driver: Any = self._connection
            driver._read_timeout = _SILENCE_S
            driver._execute_command(COMMAND.COM_BINLOG_DUMP, head + self._start.file.encode())

    def _next(self) -> Event:
        with self._translated():
            driver: Any = self._connection
            packet = driver._read_packet()
            if packet.is_eof_packet():
                raise pymysql.err.OperationalError(2013, "the server ended the stream of its log")
        raw = packet.get_all_data()
        at_s, kind, _, size, end, flags = _HEADER.unpack_from(raw, 1)
        if kind == FORMAT:
            # The algorithm of the file's checksums stands before the checksum of this event itself.
            self._checksums = raw[-5] == 1
            sums = raw[-5] in (0, 1)
        else:
            sums = self._checksums
        if not sums:
            return Event(kind, at_s, size, end, flags, raw[20:])
        if self._checksums and zlib.crc32(raw[1:-4]) != int.from_bytes(raw[-4:], "little"):
            raise Unreadable(
                f"{self._address}: {self.file.file}: the event before {end} does not match its checksum",
                why="It was changed in the log or on the way; nothing of it was applied.",
                transient=True,
            )
        return Event(kind, at_s, size, end, flags, raw[20:-4])

    def _check_birth(self, event: Event) -> None:
        born = self.file.born
        if born and event.at_s != born:
            raise _another_log(self._address, self._start, f"began at {event.at_s}, not at {born}")
        self.file = at(self.file.file, self.file.offset, event.at_s)

    def _translated(self) -> Any:
        return _translated(self._address, self._connection, self._start)


class _translated:
    """The driver's errors as ours; a place that the log does not hold any more has words of its own."""

    def __init__(self, address: str, connection: Connection, start: Position) -> None:
        user = connection.user
        self._general = translated(address, user.decode() if isinstance(user, bytes) else str(user))
        self._address, self._start = address, start

    def __enter__(self) -> None:
        self._general.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool | None:
        if isinstance(error, pymysql.err.MySQLError):
            number, said = number_and_text(error)
            if number in _GONE_FROM_LOG:
                raise _another_log(self._address, self._start, f"{said} (error {number})") from None
        return self._general.__exit__(kind, error, trace)


def _another_log(address: str, start: Position, said: str) -> Unreadable:
    return Unreadable(
        f"{address}: the binary log cannot be read from {start} on: {said}",
        why="What changed since then is lost for the relay (log purged, reset, or another server):"
        " the target must be copied again.",
        next_command="SHOW BINARY LOGS;",
    )
