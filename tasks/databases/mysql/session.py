"""Sessions: a connection each, with the settings that make values exact; reading ones are guarded."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import cached_property
from typing import Any, TypeAlias

import pymysql
from pymysql.constants import CLIENT
from pymysql.cursors import SSCursor

from core.access import Journal
from core.errors import ApplyFailed, Refused, Unreadable
from tasks.databases.mysql.errors import translated

_PATIENCE_S = 86_400
"""How long one statement may take, or a session wait for its next; a cut cable is noticed otherwise."""
_SETTINGS = {
    "time_zone": "'+00:00'",
    "sql_mode": "'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION'",
    "sql_quote_show_create": "1",
    # A digest computed in a derived table must not be computed again for each use of it.
    "optimizer_switch": "'derived_merge=off'",
    "lock_wait_timeout": "30",
    "net_write_timeout": "600",
    # One may have to wait for what others of the same step do: an index takes hours.
    "wait_timeout": str(_PATIENCE_S),
}
# Rows on their way into a LOAD DATA may be held up at the source for longer than the default 30 s.
_WRITER_SETTINGS = {
    "foreign_key_checks": "0",
    "innodb_lock_wait_timeout": "20",
    "net_read_timeout": "600",
}

_RULES_FOR_NEW_TABLES = (
    "sql_require_primary_key", "sql_generate_invisible_primary_key", "restrict_fk_on_non_standard_key",
)  # fmt: skip

# A cut cable shows neither an error nor an end: what is sent and never acknowledged, and a peer that
# answers no probe, end the connection. Longer than a server may stall over a disk or a lock.
_UNACKNOWLEDGED_S = 120
_PROBE_AFTER_S, _PROBE_EVERY_S, _PROBES = 20, 5, 6

# What holds commits or definitions for the moment in which snapshots are taken is on the list; it writes
# nothing and falls with the connection.
_ALLOWED = re.compile(
    r"""(?xis) \A (?:
        SELECT\b
      | SHOW\b
      | SET\ SESSION\ (?:TRANSACTION\ (?:READ\ ONLY|ISOLATION\ LEVEL\ REPEATABLE\ READ)\Z
          | (?:time_zone|sql_mode|sql_quote_show_create|optimizer_switch|lock_wait_timeout
             |wait_timeout|net_write_timeout|information_schema_stats_expiry
             |print_identified_with_as_hex)\ =\ (?:'[^']*'|\d+)\Z)
      | START\ TRANSACTION\ WITH\ CONSISTENT\ SNAPSHOT,\ READ\ ONLY\Z
      | BACKUP\ STAGE\ (?:START|BLOCK_DDL|BLOCK_COMMIT|END)\Z
      | LOCK\ INSTANCE\ FOR\ BACKUP\Z | UNLOCK\ INSTANCE\Z
      | FLUSH\ TABLES\ WITH\ READ\ LOCK\Z | UNLOCK\ TABLES\Z
      | COMMIT\Z
    )"""
)
_QUOTED = re.compile(r"""(?s)'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`""")
_EFFECT = re.compile(
    r"(?i)\b(?:INTO|FOR\s+UPDATE|LOCK\s+IN|NEXTVAL|SETVAL|LASTVAL|NEXT\s+VALUE|GET_LOCK|RELEASE_\w+|SLEEP"
    r"|BENCHMARK|LOAD_FILE)\b|:=|/\*|;|--|\#"
)
# What only MariaDB or only MySQL reads is looked through like the rest.
_FOR_ONE_SERVER = re.compile(r"(?s)/\*(?:M!|!80000) ((?:(?!\*/|/\*).)*) \*/")


_JOURNALLING = threading.Lock()

ANSWERED_IN_S = 200
"""How long a server may take over a COMMIT or a mark of ours; a cut cable is noticed before."""
_LOGGED_BYTES_PER_S = 5_000_000
"""At its COMMIT a transaction is written to the binary log as a whole, by a slow disk at this pace."""
_SHORT = re.compile(r"(?i)\s*(?:COMMIT|REPLACE|UPDATE|INSERT)\b")

Connection: TypeAlias = "pymysql.connections.Connection[Any]"


def connect(address: str, host: str, port: int, user: str, password: str) -> Connection:
    """Raises: errors.Unreadable"""
    with translated(address, user):
        connection = pymysql.connect(
            host=host,
            port=port,
            user=user,
            password=password,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=10,
            read_timeout=_PATIENCE_S,
            write_timeout=600,
            # No decoders: every conversion is a chance to lose a value.
            conv={},
            # The driver itself never opens a file that a server asks for; mysql/load.py answers with rows.
            local_infile=False,
            client_flag=CLIENT.LOCAL_FILES,
        )
    driver: Any = connection
    _notice_a_cut_cable(driver._sock)
    return connection


def _notice_a_cut_cable(sock: socket.socket) -> None:
    for option, value in (
        ("TCP_KEEPIDLE", _PROBE_AFTER_S),
        ("TCP_KEEPINTVL", _PROBE_EVERY_S),
        ("TCP_KEEPCNT", _PROBES),
        ("TCP_USER_TIMEOUT", 1000 * _UNACKNOWLEDGED_S),
    ):
        # Not every system knows every one; the driver has switched the probes themselves on.
        if (number := getattr(socket, option, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, number, value)


class Session:
    """One connection. Rows come as bytes or text, never converted by the driver."""

    def __init__(self, connection: Connection, address: str) -> None:
        self.connection = connection
        self.address = address

    def prepare(self, run: Callable[[str], object]) -> None:
        for setting, value in _SETTINGS.items():
            run(f"SET SESSION {setting} = {value}")

    @cached_property
    def is_mariadb(self) -> bool:
        return "mariadb" in str(self.one("SELECT VERSION()")[0]).lower()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with translated(self.address, self._user), self.connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Rows one by one, in bounded memory; nothing else may be asked until they are all read."""
        with translated(self.address, self._user), closing(SSCursor(self.connection)) as cursor:
            cursor.execute(sql)
            yield from cursor

    def one(self, sql: str) -> tuple[Any, ...]:
        return self.query(sql)[0]

    def named(self, sql: str) -> list[dict[str, Any]]:
        """Rows by the names of their columns, for statements whose columns differ by version."""
        with translated(self.address, self._user), self.connection.cursor() as cursor:
            cursor.execute(sql)
            columns = [column[0] for column in cursor.description or ()]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    def raw(self, sql: str) -> tuple[Any, ...]:
        """One row as bytes: a definition may hold what is no text, such as the default of a BINARY column."""
        driver: Any = self.connection
        driver.use_unicode = False
        try:
            return self.one(sql)
        finally:
            driver.use_unicode = True

    def use(self, schema: str) -> None:
        with translated(self.address, self._user):
            self.connection.select_db(schema)

    def close(self) -> None:
        with suppress(pymysql.err.Error):
            self.connection.close()

    def errors(self, writing: str = "") -> AbstractContextManager[None]:
        """Within it the driver's errors become ours."""
        return translated(self.address, self._user, writing)

    @property
    def _user(self) -> str:
        user = self.connection.user
        return user.decode() if isinstance(user, bytes) else str(user)


class ReadSession(Session):
    """Refuses every statement that is not a known read; the server's read-only session stands behind it."""

    def begin(self) -> None:
        self.prepare(self.query)
        self.query("SET SESSION TRANSACTION READ ONLY")
        self.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        if not self.is_mariadb:
            # MySQL 8 answers from day-old statistics otherwise.
            self.query("SET SESSION information_schema_stats_expiry = 0")
            # Its password hashes hold any byte; as text they would not survive.
            self.query("SET SESSION print_identified_with_as_hex = 1")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        refuse_unless_reading(sql)
        return super().query(sql)

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        refuse_unless_reading(sql)
        return super().stream(sql)

    def named(self, sql: str) -> list[dict[str, Any]]:
        refuse_unless_reading(sql)
        return super().named(sql)


class WriteSession(Session):
    """Journals before every write."""

    def __init__(self, connection: Connection, address: str, journal: Journal) -> None:
        super().__init__(connection, address)
        self._note = journal

    def journal(self, text: str) -> None:
        # Several sessions of one step write at once, and what hears of it need not expect that.
        with _JOURNALLING:
            self._note(text)

    def begin(self) -> None:
        self.prepare(super().query)
        for setting, value in _WRITER_SETTINGS.items():
            super().query(f"SET SESSION {setting} = {value}")
        if self.is_mariadb:
            # Rows older than their CHECK are legal at the source; the copy is exact, not a second opinion.
            super().query("SET SESSION check_constraint_checks = 0")
        else:
            self._admit_what_the_source_holds()

    def _admit_what_the_source_holds(self) -> None:
        """MySQL's rules for new tables stand back: what the source has is made as it is, and no more."""
        listed = ", ".join(f"'{rule}'" for rule in _RULES_FOR_NEW_TABLES)
        for rule, value in super().query(f"SHOW SESSION VARIABLES WHERE Variable_name IN ({listed})"):
            if value == "ON":
                # Without the right to, the rule itself will say what it refuses.
                with suppress(Unreadable):
                    super().query(f"SET SESSION {rule} = 0")

    def write(self, what: str, sql: str | bytes) -> None:
        """One write of its own; `what` goes to the ledger, the statement does not."""
        self.journal(f"{self.address}: {what}")
        self.send(what, sql)

    def send(self, what: str, sql: str | bytes, size_bytes: int = 0) -> int:
        """A statement of a write that was journalled already; gives the number of warnings.

        `size_bytes`: of a large transaction that a COMMIT ends.
        """
        with (
            translated(self.address, self._user, writing=what),
            self._answered_soon(what, sql, ANSWERED_IN_S + size_bytes // _LOGGED_BYTES_PER_S),
            self.connection.cursor() as cursor,
        ):
            # Bytes go to the server as they are: a batch of rows has no character set.
            cursor.execute(sql)
            return int(cursor.warning_count)

    @contextmanager
    def _answered_soon(self, what: str, sql: str | bytes, within_s: int) -> Iterator[None]:
        """Of what takes no time by itself no answer is waited for as long as for an index."""
        if not isinstance(sql, str) or not _SHORT.match(sql):
            yield
            return
        driver: Any = self.connection
        driver._read_timeout = within_s
        try:
            yield
        except pymysql.err.OperationalError as error:
            if not str(error.args[-1]).endswith("(timed out)"):
                raise
            raise ApplyFailed(
                f"{what}: {self.address} has not answered for {within_s} s",
                why="A server whose disk is full waits for room without a word, but in its own log. What was"
                " under way is undone or done whole; the next run looks which.",
                next_command="df -h  # on that server; make room, then run the same command again",
            ) from None
        finally:
            driver._read_timeout = _PATIENCE_S


def refuse_unless_reading(sql: str) -> None:
    """The allow-list of reading sessions.

    Raises: errors.Refused
    """
    bare = _FOR_ONE_SERVER.sub(r"\1", _QUOTED.sub("''", sql))
    if not _ALLOWED.match(sql.lstrip()) or _EFFECT.search(bare):
        raise Refused(
            f"a reading session was asked to run {sql[:80]!r}",
            why="Readers may only look: this statement is not on the list of known reads.",
        )
