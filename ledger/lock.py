"""One live run per project at a time; the lock falls with the process that holds it, kill -9 included."""

import fcntl
import getpass
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from core.errors import Refused, Unreadable
from ledger.engine import readable

_OURS = 0x514C  # first half of our advisory locks, so that they meet nobody else's


@contextmanager
def file_lock(path: Path, project: str, who: str) -> Iterator[None]:
    """Hold the lock file; its text says who holds it.

    Raises: errors.Refused where another holds it; errors.Unreadable where the file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Unreadable(f"the lock file {path}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            holder = os.pread(descriptor, 1000, 0).decode(errors="replace").strip()
            raise _held(project, holder) from taken
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{_holder(who)}\n".encode(), 0)
        yield
        # The file stays: deleting it would let two processes lock two files of one name.
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


@contextmanager
def server_lock(engine: Engine, project: str, who: str) -> Iterator[None]:
    """Hold PostgreSQL's advisory lock on a session of its own, whose application name says who holds it.

    Raises: errors.Refused where another holds it; errors.Unreadable where the server cannot be asked.
    """
    key = {"ours": _OURS, "project": int(hashlib.sha256(project.encode()).hexdigest()[:7], 16)}
    with readable(engine.url):
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        with readable(engine.url):
            taken = connection.execute(_TRY, key).scalar_one()
            if not taken:
                raise _held(project, connection.execute(_WHO, key).scalar() or "")
            connection.execute(_NAME, {"name": _holder(who).encode("ascii", "replace").decode()[:63]})
        yield
    finally:
        # Closing the session frees the lock, but only once the server notices: so say it before. Where the
        # session is lost, so is the lock. The session must not go back to the pool with our name on it.
        with suppress(DBAPIError):
            connection.execute(_FREE)
        connection.invalidate()
        connection.close()


_TRY = text("SELECT pg_try_advisory_lock(:ours, :project)")
_FREE = text("SELECT pg_advisory_unlock_all()")
_NAME = text("SELECT set_config('application_name', :name, false)")
_WHO = text(
    "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 "
    "AND l.classid = :ours AND l.objid = :project AND a.datname = current_database()"
)


def _holder(who: str) -> str:
    try:
        user = who or getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user} pid {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _held(project: str, holder: str) -> Refused:
    return Refused(
        f"project {project!r} has a live run already: {holder or 'another process'}",
        why="Two live runs would do each other's work. Wait for its end; if its process is gone, the lock is "
        "gone too and you may simply start again.",
        next_command="qianyun status",
    )
