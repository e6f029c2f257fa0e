"""A crew of workers, each with connections of its own, and how fast it may go."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias

from tasks.databases.port import ReadPort, WritePort

_BACKLOG = 2
"""Pieces waiting per worker: enough that none is idle, few enough to stop soon."""
_LOOK_EVERY_S = 0.5
_PAUSE_S = 0.2


@dataclass(frozen=True)
class Hand:
    """What one worker works with: it reads the source's snapshot, looks at the target, and writes there."""

    source: ReadPort
    look: ReadPort
    write: WritePort


Work: TypeAlias = Callable[[Hand], None]


class Crew:
    """Works on pieces at once, one per hand; with a single hand there are no threads at all.

    The first failure stops it: pieces under way are finished, none is begun, and the failure is raised
    where the crew was called from.
    """

    def __init__(self, hands: Sequence[Hand]) -> None:
        self._hands = hands
        self._waiting: deque[Work] = deque()
        self._busy = 0
        self._failure: BaseException | None = None
        self._ending = False
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._work, args=(hand,), daemon=True) for hand in hands]

    @property
    def is_one(self) -> bool:
        return len(self._hands) == 1

    @property
    def busy(self) -> int:
        return self._busy

    def __enter__(self) -> "Crew":
        if not self.is_one:
            for thread in self._threads:
                thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        if self.is_one:
            return
        with self._changed:
            if kind is not None:
                self._waiting.clear()
            self._ending = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        if kind is None:
            self._raise()

    def do(self, work: Work) -> None:
        """Give a piece to the crew; waits while enough is waiting already."""
        if self.is_one:
            self.add(work)
            while self._waiting:
                self._waiting.popleft()(self._hands[0])
            return
        with self._changed:
            self._changed.wait_for(lambda: self._failure or len(self._waiting) < _BACKLOG * len(self._hands))
        self._raise()
        self.add(work)

    def add(self, work: Work) -> None:
        """As `do` without waiting: for work that comes out of work."""
        with self._changed:
            self._waiting.append(work)
            self._changed.notify_all()

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self, hand: Hand) -> None:
        while True:
            with self._changed:
                # Work under way may bring more: only when all is quiet there is none left.
                self._changed.wait_for(
                    lambda: self._failure or self._waiting or (self._ending and not self._busy)
                )
                if self._failure or not self._waiting:
                    return
                work = self._waiting.popleft()
                self._busy += 1
                self._changed.notify_all()
            failure: BaseException | None = None
            try:
                work(hand)
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that called the crew
                failure = error
            with self._changed:
                self._busy -= 1
                self._failure = self._failure or failure
                self._changed.notify_all()


@dataclass(frozen=True)
class Limits:
    """How much of the source a copy may take; 0 is without limit.

    Units: rows and bytes of table size per second; `most_running` is the number of statements that the
    source may be working on for others before the copy pauses.
    """

    rows_per_s: int = 0
    bytes_per_s: int = 0
    most_running: int = 0


NO_LIMITS = Limits()


class Pace:
    """Holds back the next piece until the limits allow it."""

    def __init__(self, limits: Limits, source: ReadPort) -> None:
        self._limits, self._source = limits, source
        self._ready_at = self._looked_at = 0.0

    def await_turn(self, rows: int, size_bytes: int, ours: int) -> None:
        """`ours`: how many statements our own workers may be running there."""
        now = time.monotonic()
        if self._limits.most_running and now - self._looked_at >= _LOOK_EVERY_S:
            while self._source.running() - 1 - ours > self._limits.most_running:
                time.sleep(_PAUSE_S)
            self._looked_at = now = time.monotonic()
        if self._ready_at > now:
            time.sleep(self._ready_at - now)
        needs = [
            amount / limit
            for amount, limit in ((rows, self._limits.rows_per_s), (size_bytes, self._limits.bytes_per_s))
            if limit
        ]
        self._ready_at = max(self._ready_at, now) + max(needs, default=0.0)
