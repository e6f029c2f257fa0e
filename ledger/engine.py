"""Where the ledger is: making the SQLAlchemy engine, and bringing the tables to the newest format."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from core.errors import LedgerMismatch, Refused, Unreadable
from core.secret import Secret, redact
from ledger.entry import FORMAT, genesis_hash, utc_text
from ledger.schema import REVISION, VERSION_TABLE, head, setup

BUSY_TIMEOUT_S = 30
WRITING = "qianyun_writing"
"""Execution option of connections whose transactions append: SQLite then takes the write lock at once."""


def ledger_url(home: Path, url: str | None) -> URL:
    """The ledger's address: the file under `home`, unless a URL says otherwise.

    Raises: errors.Refused for anything but a SQLite file or PostgreSQL.
    """
    if not url:
        return URL.create("sqlite", database=str(home.absolute() / "ledger.db"))
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Refused("the ledger's address is not a URL", why=_ACCEPTED, next_command=_EXAMPLE) from error
    if parsed.password:
        Secret(str(parsed.password))  # from now on masked in every text
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite", database=str(Path(str(parsed.database)).absolute()))
    raise Refused(f"a ledger cannot be kept in {shown(parsed)}", why=_ACCEPTED, next_command=_EXAMPLE)


def shown(url: URL) -> str:
    """The address for people, without its password."""
    if url.get_backend_name() == "sqlite" and url.database:
        return url.database
    return url.render_as_string(hide_password=True)


def make_engine(url: URL, *, read_only: bool = False) -> Engine:
    """Connect lazily; a read-only engine's database refuses to write."""
    if url.get_backend_name() != "sqlite":
        engine = create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
        settings = f"SET lock_timeout = '{BUSY_TIMEOUT_S}s'; SET default_transaction_read_only = {read_only}"
        event.listen(engine, "connect", lambda connection, _: _on_postgresql_connect(connection, settings))
        return engine
    arguments = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
    engine = create_engine(url, connect_args=arguments)
    event.listen(engine, "connect", lambda connection, _: _on_sqlite_connect(connection, read_only))
    event.listen(engine, "begin", _on_sqlite_begin)
    return engine


def _on_postgresql_connect(connection: Any, settings: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(settings)
    connection.commit()


def _on_sqlite_connect(connection: Any, read_only: bool) -> None:
    # The driver would begin transactions by itself, and too late: we say BEGIN (see _on_sqlite_begin).
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA query_only = {read_only}")


def _on_sqlite_begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get(WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextmanager
def readable(url: URL) -> Iterator[None]:
    """Driver errors while reading, in our words.

    Raises: errors.Unreadable, transient where the server was out of reach or busy.
    """
    try:
        yield
    except DBAPIError as error:
        raise Unreadable(
            f"the ledger {shown(url)}: {redact(str(error.orig).strip())}",
            why="Without its ledger Qianyun cannot tell what was approved and done, so it does nothing.",
            transient=is_transient(error),
        ) from error


def is_transient(error: DBAPIError) -> bool:
    if error.connection_invalidated or "database is locked" in str(error.orig):
        return True
    # PostgreSQL: connection failures carry no code; 08 connection, 53300 too many, 55P03 lock, 57P shutdown.
    code = getattr(error.orig, "sqlstate", "")
    return code is None or code.startswith(("08", "53300", "55P03", "57P"))


def stored_revision(connection: Connection) -> str | None:
    """The format the tables are in; None where there is no ledger."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()


def require(engine: Engine) -> None:
    """Raises: errors.Unreadable where there is no ledger, errors.LedgerMismatch for another format."""
    url = engine.url
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        raise _no_ledger(url)
    with readable(url), engine.connect() as connection:
        revision = stored_revision(connection)
    if revision is None:
        raise _no_ledger(url)
    if not _current(revision, url):
        raise LedgerMismatch(
            f"{shown(url)} has the older format {revision}, this Qianyun reads {REVISION}",
            why="The next rehearsal brings it up to date; looking at it never changes it.",
            next_command="qianyun rehearse",
        )


def bring_up(engine: Engine, project: str) -> None:
    """Make the tables, or bring them to the newest format; nothing is done where they are up to date.

    Raises: errors.Unreadable where the database refuses; errors.LedgerMismatch where a newer Qianyun
    wrote it.
    """
    url = engine.url
    path = Path(str(url.database)) if url.get_backend_name() == "sqlite" else None
    with readable(url):
        if path is None or path.is_file():
            with engine.connect() as connection:
                if _current(stored_revision(connection), url):
                    return
        with _alone(path), engine.connect() as connection:
            raw = connection.connection.driver_connection
            if path is not None and raw is not None:
                raw.execute("PRAGMA journal_mode = WAL")
            _migrate(connection.execution_options(**{WRITING: True}), url, project)


def _current(revision: str | None, url: URL) -> bool:
    if revision is not None and revision > REVISION:
        raise LedgerMismatch(
            f"{shown(url)} has format {revision}, this Qianyun knows formats up to {REVISION}",
            why="A newer version wrote it; reading it by older rules could misjudge what was done.",
        )
    return revision == REVISION


def _migrate(connection: Connection, url: URL, project: str) -> None:
    # Loaded here: it takes as long as all the rest of opening, and is needed once in a ledger's life.
    from alembic import command
    from alembic.config import Config

    with connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('qianyun-ledger-migration'))"))
        revision = stored_revision(connection)
        if _current(revision, url):
            return
        config = Config(attributes={"connection": connection})
        # ConfigParser would take a percent sign of the path for an interpolation.
        config.set_main_option(
            "script_location", str(Path(__file__).parent / "migrations").replace("%", "%%")
        )
        command.upgrade(config, "head")
        if revision is None:
            now = utc_text(datetime.now(UTC))
            connection.execute(insert(setup).values(id=1, project=project, format=FORMAT, created_at_utc=now))
            connection.execute(insert(head).values(id=1, seq=0, hash=genesis_hash(project, now)))


@contextmanager
def _alone(path: Path | None) -> Iterator[None]:
    """One process at a time makes a SQLite ledger: switching to WAL does not wait for others by itself."""
    if path is None:
        yield
        return
    folder = path.parent
    try:
        # What the ledger holds is confidential: nobody else on the machine may look in.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise Unreadable(
            f"the ledger's folder {folder}: {error.strerror}", why="Qianyun keeps its records there."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _no_ledger(url: URL) -> Unreadable:
    return Unreadable(
        f"there is no ledger at {shown(url)}",
        why="Nothing was rehearsed or migrated from here yet, or QIANYUN_HOME points elsewhere.",
        next_command="qianyun rehearse",
    )


_ACCEPTED = (
    "A SQLite file and PostgreSQL are supported; without QIANYUN_LEDGER_URL it is a file under QIANYUN_HOME."
)
_EXAMPLE = "export QIANYUN_LEDGER_URL=postgresql://qianyun@db.example.com/qianyun"
