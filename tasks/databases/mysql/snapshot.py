"""One moment of the source for several reading sessions, with its place in the binary log.

MariaDB holds commits by BACKUP STAGE, MySQL by its global read lock, just while the snapshots begin. Held
by a session of its own: should we die, or the cable be cut, the server ends it after seconds.
Source: MariaDB Knowledge Base, "BACKUP STAGE"; MySQL 8.0 Reference Manual, "LOCK INSTANCE FOR BACKUP".
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from core.errors import MigrationError, Unreadable
from tasks.databases.mysql import binlog, privileges
from tasks.databases.mysql.session import ReadSession

_BEGIN = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
_STAGED = (10, 5)
_WAIT_S = 2
"""How long commits may queue behind the wait for those that are under way."""
_SILENCE_S = 5
"""After so long without a word the server ends the holding session, and with it what it holds."""
_ATTEMPTS = 3
_MARIADB = (
    ("BACKUP STAGE START", "BACKUP STAGE BLOCK_DDL", "BACKUP STAGE BLOCK_COMMIT"),
    ("BACKUP STAGE END",),
)
_MYSQL = (
    ("LOCK INSTANCE FOR BACKUP", "FLUSH TABLES WITH READ LOCK"),
    ("UNLOCK TABLES", "UNLOCK INSTANCE"),
)
_OLD = (("FLUSH TABLES WITH READ LOCK",), ("UNLOCK TABLES",))


def one_reader_because(session: ReadSession) -> str:
    """Why no second reader can share a snapshot here; "" where it can."""
    needed = ("RELOAD",) if session.is_mariadb else ("RELOAD", "BACKUP_ADMIN")
    if lacking := [p for p in needed if not privileges.holds(session, p)]:
        return f"the account lacks {' and '.join(lacking)}, by which several readers share one snapshot"
    return ""


def begin(sessions: Sequence[ReadSession], holder: Callable[[], ReadSession]) -> str:
    """Begin the same snapshot in all sessions; gives its place in the binary log, "" where there is none.

    Raises: errors.Unreadable (transient) where commits could not be held within seconds.
    """
    if len(sessions) == 1 and (sessions[0].is_mariadb or one_reader_because(sessions[0])):
        return _alone(sessions[0])
    for left in reversed(range(_ATTEMPTS)):
        try:
            with _commits_held(holder):
                for session in sessions:
                    session.query(_BEGIN)
                return _end_of_log(sessions[0])
        except Unreadable as error:
            if not error.transient or not left:
                raise
            for session in sessions:
                session.query("COMMIT")
    raise AssertionError("unreachable")


@contextmanager
def _commits_held(holder: Callable[[], ReadSession]) -> Iterator[None]:
    session = holder()
    hold, release = _statements(session)
    try:
        session.query(f"SET SESSION lock_wait_timeout = {_WAIT_S}")
        session.query(f"SET SESSION wait_timeout = {_SILENCE_S}")
        for statement in hold:
            session.query(statement)
        yield
        for statement in release:
            session.query(statement)
    finally:
        # Whatever is still held falls with the session.
        with suppress(MigrationError):
            session.close()


def _statements(session: ReadSession) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not session.is_mariadb:
        return _MYSQL
    version = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+)", str(session.one("SELECT VERSION()")[0]))
    staged = version is not None and (int(version[1]), int(version[2])) >= _STAGED
    return _MARIADB if staged else _OLD


def _alone(session: ReadSession) -> str:
    """A snapshot that holds nobody up."""
    if session.is_mariadb:
        session.query(_BEGIN)
        found = dict(session.query("SHOW STATUS LIKE 'Binlog_snapshot_%'"))
        return _place(found.get("Binlog_snapshot_file", ""), found.get("Binlog_snapshot_position", "0"))
    for _ in range(20 * _ATTEMPTS):
        before = _end_of_log(session)
        session.query(_BEGIN)
        if not before or _end_of_log(session) == before:
            return before
        session.query("COMMIT")  # somebody wrote meanwhile: the place would not be the snapshot's
    session.query(_BEGIN)
    return ""


def _end_of_log(session: ReadSession) -> str:
    for statement in ("SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"):
        try:
            rows = session.query(statement)
        except Unreadable as error:
            if error.transient:
                raise
            continue  # without the privilege, or (MySQL 8.4) without the old statement
        return _place(rows[0][0], rows[0][1]) if rows else ""
    return ""


def _place(file: str, offset: str | int) -> str:
    return str(binlog.at(file, int(offset))) if file else ""
