"""The rows of one transaction of the source: small ones in memory, large ones in a temporary file."""

import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, overload

from core.errors import Unreadable
from tasks.databases.model import RowChange
from tasks.databases.mysql import log_events
from tasks.databases.mysql.log_events import RowsEvent
from tasks.databases.mysql.row_images import Unknown

SMALL_BYTES = 1 << 20
IN_MEMORY_BYTES = 32 << 20


class Rows(Sequence[RowChange]):
    """The rows of one transaction, decoded while they are gone through."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._events: list[RowsEvent] = []
        self._file: IO[bytes] | None = None
        self._places: list[tuple[int, int]] = []
        self._held = 0
        self._count: int | None = None

    def add(self, event: RowsEvent) -> None:
        self._held += len(event.body)
        if self._file is None and self._held > IN_MEMORY_BYTES:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the rows
            kept, self._events = self._events, []
            for earlier in kept:
                self._put_away(self._file, earlier)
        if self._file is None:
            self._events.append(event)
        else:
            self._put_away(self._file, event)

    def _put_away(self, file: IO[bytes], event: RowsEvent) -> None:
        start = file.seek(0, 2)
        file.write(event.body)
        self._places.append((start, len(event.body)))
        self._events.append(event._replace(body=b""))

    @property
    def size_bytes(self) -> int:
        return self._held

    @property
    def events(self) -> int:
        return len(self._events)

    def forget_after(self, events: int) -> None:
        """What was rolled back to a savepoint."""
        del self._events[events:]
        del self._places[events:]

    def __iter__(self) -> Iterator[RowChange]:
        for n, event in enumerate(self._events):
            if self._file is not None:
                self._file.seek(self._places[n][0])
                event = event._replace(body=self._file.read(self._places[n][1]))
            try:
                yield from log_events.changes_of(event)
            except Unknown as error:
                raise not_exact(self._label, event.image.name, error) from None

    def __len__(self) -> int:
        if self._count is None:
            self._count = sum(1 for _ in self)
        return self._count

    def __bool__(self) -> bool:
        return bool(self._events)

    @overload
    def __getitem__(self, index: int) -> RowChange: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RowChange]: ...
    def __getitem__(self, index: int | slice) -> RowChange | Sequence[RowChange]:
        return tuple(self)[index]


def not_exact(label: str, table: str, error: Unknown) -> Unreadable:
    return Unreadable(
        f"{label}: table {table}: {error}",
        why="Its change cannot be carried over exactly; the target must be copied again.",
        next_command="SET GLOBAL binlog_row_image = 'FULL', GLOBAL binlog_format = 'ROW';",
    )
