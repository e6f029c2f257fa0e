"""Appending to the chain, and reading it."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import Connection, Engine, bindparam, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from core.errors import ApplyFailed, LedgerMismatch, MigrationError
from core.secret import redact
from ledger.engine import WRITING, is_transient, readable, shown
from ledger.entry import Draft, Entry, json_text
from ledger.schema import entries, head

Build: TypeAlias = Callable[[Connection], Sequence[Draft]]
"""Makes drafts from what the ledger holds, inside the appending transaction; may refuse, never writes."""

_INSERT = insert(entries)
_SELECT_HEAD = select(head.c.seq, head.c.hash).where(head.c.id == 1).with_for_update()
_UPDATE_HEAD = update(head).where(head.c.id == 1).values(seq=bindparam("new_seq"), hash=bindparam("new_hash"))


MOST_DEFERRED = 64
"""Records that may wait: enough that each costs little, few enough to lose."""
SOON_S = 0.5


@dataclass(eq=False)
class _Ticket:
    """One caller's wish to append; settled once it is on the disk or refused."""

    build: Build
    written: list[Entry] = field(default_factory=list)
    error: BaseException | None = None
    settled: bool = False


class Store:
    """The chain in its database; shared by the threads of a process, and by processes.

    Threads that append at the same time share one transaction: the first writes for all that wait, and
    each returns once its own records are committed. So waiting for the disk is paid once, not per thread.
    """

    def __init__(self, engine: Engine, settle: Callable[[bool], None] = lambda durable: None) -> None:
        self.engine = engine
        # What records rest on must be written before they are; durably, where they are durable.
        self._settle = settle
        # One snapshot for all statements of a view; SQLite's transactions are such by themselves.
        snapshot = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
        self._reading = engine.execution_options(**snapshot)
        self._waiting: deque[_Ticket] = deque()
        self._deferred: deque[Draft] = deque()
        self._timer: threading.Timer | None = None
        self._writing = threading.Lock()
        self._connection: Connection | None = None
        self._synchronous = True

    def append(self, build: Build) -> list[Entry]:
        """Commit the records that `build` makes, all or none, durably, and give them back.

        Raises: what `build` raises; errors.ApplyFailed where the database refuses.
        """
        ticket = _Ticket(build)
        self._waiting.append(ticket)
        with self._writing:
            if not ticket.settled:
                self._write_for_all()
        if ticket.error is not None:
            raise ticket.error
        return ticket.written

    def defer(self, draft: Draft) -> None:
        """Append this record soon: within SOON_S, before the next durable one or reading through this
        store, and once MOST_DEFERRED wait. A crash may take what still waits.

        Raises: TypeError, ValueError for what is no JSON; errors.ApplyFailed where the database refuses
        those that waited: they go on waiting.
        """
        json_text(draft.payload)  # refuses now what could not be written later
        self._deferred.append(draft)
        if len(self._deferred) >= MOST_DEFERRED:
            self.flush()
        elif self._timer is None:
            # Other processes must not miss the last steps before a long one for as long as that takes.
            self._timer = threading.Timer(SOON_S, self._flush_late)
            self._timer.daemon = True
            self._timer.start()

    def flush(self) -> None:
        """Write what waits. Raises: errors.ApplyFailed where the database refuses; it goes on waiting."""
        if self._deferred:
            with self._writing:
                if self._deferred:
                    self._write_for_all()

    def _flush_late(self) -> None:
        self._timer = None
        with suppress(MigrationError):  # they go on waiting: whoever writes or reads next is told
            self.flush()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the ledger; waits for no other process.

        Raises: errors.Unreadable; errors.ApplyFailed where records wait that cannot be written.
        """
        self.flush()
        with readable(self.engine.url), self._reading.connect() as connection:
            yield connection

    def close(self) -> None:
        try:
            self.flush()
        finally:
            if timer := self._timer:
                timer.cancel()
            with self._writing:
                self._drop_connection()
            self.engine.dispose()

    def _write_for_all(self) -> None:
        """Whoever waits is told by its ticket; with none waiting the caller is told, by an exception."""
        tickets = [self._waiting.popleft() for _ in range(len(self._waiting))]
        deferred = [self._deferred.popleft() for _ in range(len(self._deferred))]
        durable = bool(tickets)
        whole = [_Ticket(lambda _: deferred), *tickets] if deferred else tickets
        try:
            self._settle(durable)
            self._transaction_or_once_more(whole, durable)
        except BaseException as error:
            self._drop_connection()
            self._deferred.extendleft(reversed(deferred))
            told = self._unwritable(error) if isinstance(error, DBAPIError) else error
            for ticket in tickets:
                ticket.error = ticket.error or told
            if not tickets or not isinstance(error, DBAPIError):
                raise told from error
        finally:
            for ticket in tickets:
                ticket.settled = True

    def _transaction_or_once_more(self, tickets: list[_Ticket], durable: bool) -> None:
        try:
            self._transaction(tickets, durable)
        except DBAPIError as error:
            # Only where nothing was sent yet: a connection lost while committing may have committed.
            if not error.connection_invalidated or any(ticket.written for ticket in tickets):
                raise
            self._drop_connection()
            self._transaction(tickets, durable)

    def _transaction(self, tickets: list[_Ticket], durable: bool) -> None:
        connection = self._ready(durable=durable)
        with connection.begin():
            if connection.dialect.name == "postgresql" and not durable:
                connection.execute(_ASYNCHRONOUS)
            found = connection.execute(_SELECT_HEAD).one_or_none()
            if found is None:
                raise LedgerMismatch("the ledger has lost its head", next_command="qianyun ledger verify")
            start, previous = found.seq, found.hash
            seq = start
            for ticket in tickets:
                try:
                    made = _chained(seq, previous, ticket.build(connection))
                except (MigrationError, TypeError, ValueError) as refusal:
                    ticket.error = refusal  # the others' records go on
                    continue
                ticket.written.extend(made)
                if made:
                    connection.execute(_INSERT, [entry.__dict__ for entry in made])
                    seq, previous = made[-1].seq, made[-1].hash
            if seq > start:
                connection.execute(_UPDATE_HEAD, {"new_seq": seq, "new_hash": previous})

    def _ready(self, *, durable: bool) -> Connection:
        """The one writing connection, kept open; SQLite's sync level is set outside of transactions only."""
        if self._connection is not None and self._connection.invalidated:
            self._drop_connection()
        if self._connection is None:
            self._connection = self.engine.connect().execution_options(**{WRITING: True})
            self._synchronous = True
        if self.engine.dialect.name == "sqlite" and durable != self._synchronous:
            raw = self._connection.connection.driver_connection
            assert raw is not None
            raw.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._synchronous = durable
        return self._connection

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _unwritable(self, error: DBAPIError) -> ApplyFailed:
        return ApplyFailed(
            f"the ledger {shown(self.engine.url)} cannot be written: {redact(str(error.orig).strip())}",
            why="What cannot be recorded is not done: the step stops here, and the next run looks at the "
            "world again and goes on.",
            next_command="qianyun ledger verify",
            transient=is_transient(error),
        )


def _chained(seq: int, previous: str, drafts: Sequence[Draft]) -> list[Entry]:
    made: list[Entry] = []
    for draft in drafts:
        entry = Entry.following(seq + 1, previous, draft)
        made.append(entry)
        seq, previous = entry.seq, entry.hash
    return made


_ASYNCHRONOUS = text("SET LOCAL synchronous_commit TO off")
