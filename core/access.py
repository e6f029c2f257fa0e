"""How steps reach the world: endpoints, opened read-only or writable.

Reading is a type. `inspect` and `verify` get a Reader, `apply` and `undo` a Writer; a rehearsal never
builds a Writer. What an endpoint opens for a Reader must also refuse to write by itself (a read-only
database session, an AWS client whose hook refuses non-reads, a shell that runs probe commands only).
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeAlias, TypeVar


class Closable(Protocol):
    def close(self) -> None: ...


R = TypeVar("R", bound=Closable)
W = TypeVar("W", bound=Closable)

Journal: TypeAlias = Callable[[str], None]
"""Called by a writable port just before every single write, with a text fit for the ledger."""


class Progress(Protocol):
    """Told by long work how far it is."""

    def __call__(self, done: int, total: int, unit: str) -> None: ...


class Endpoint(ABC, Generic[R, W]):
    """A system we touch. Frozen and hashable: equal endpoints share pooled connections."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where it is, for people; never a secret."""

    @abstractmethod
    def open_reader(self) -> R:
        """Connect read-only.

        Raises: errors.Unreadable, with `transient` set where trying again may help.
        """

    @abstractmethod
    def open_writer(self, journal: Journal) -> W:
        """Connect for writing; every write calls `journal` first.

        Raises: errors.Unreadable, with `transient` set where trying again may help.
        """


class Pool:
    """Idle read-only connections of one run, lent to one step at a time (drivers are not thread-safe).

    `proved` holds what steps of this run have proved of the world, by what it is called, in a form that
    tells whether the world has moved since. It goes with the run: the next one proves everything anew.
    """

    def __init__(self) -> None:
        self.proved: dict[str, frozenset[bytes]] = {}
        self._idle: dict[Endpoint[Any, Any], list[Closable]] = {}
        self._lock = threading.Lock()

    def borrow(self, endpoint: Endpoint[R, Any]) -> R:
        with self._lock:
            idle = self._idle.get(endpoint)
            if idle:
                return idle.pop()  # type: ignore[return-value]
        return endpoint.open_reader()

    def give_back(self, endpoint: Endpoint[Any, Any], connection: Closable) -> None:
        with self._lock:
            self._idle.setdefault(endpoint, []).append(connection)

    def forget(self, endpoint: Endpoint[Any, Any]) -> None:
        """Close what is idle of an endpoint: what broke one connection has broken the others with it, and
        each of them would cost a step one of its few attempts."""
        with self._lock:
            idle = self._idle.pop(endpoint, [])
        for connection in idle:
            connection.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()


class Reader:
    """Opens endpoints read-only for one step."""

    def __init__(self, pool: Pool | None = None) -> None:
        self._pool = pool
        self._open: dict[Endpoint[Any, Any], Closable] = {}
        self.proved: dict[str, frozenset[bytes]] = pool.proved if pool else {}

    def open(self, endpoint: Endpoint[R, Any]) -> R:
        if endpoint not in self._open:
            self._open[endpoint] = self._pool.borrow(endpoint) if self._pool else endpoint.open_reader()
        return self._open[endpoint]  # type: ignore[return-value]

    def close(self, *, healthy: bool = False) -> None:
        """Give healthy connections back to the pool; after a failure close them, they may be broken."""
        opened, self._open = self._open, {}
        for endpoint, connection in opened.items():
            if healthy and self._pool:
                self._pool.give_back(endpoint, connection)
            else:
                connection.close()
                if self._pool:
                    self._pool.forget(endpoint)


def _no_progress(done: int, total: int, unit: str) -> None:
    return None


class Writer:
    """Opens endpoints for writing for one step; `reader` looks while it writes."""

    def __init__(self, reader: Reader, journal: Journal, progress: Progress = _no_progress) -> None:
        self.reader = reader
        self.progress = progress
        self._journal = journal
        self._open: dict[Endpoint[Any, Any], Closable] = {}

    def open(self, endpoint: Endpoint[Any, W]) -> W:
        if endpoint not in self._open:
            self._open[endpoint] = endpoint.open_writer(self._journal)
        return self._open[endpoint]  # type: ignore[return-value]

    def close(self) -> None:
        opened, self._open = self._open, {}
        for connection in opened.values():
            connection.close()
