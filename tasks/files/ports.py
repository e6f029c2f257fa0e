"""What the copying steps ask of a source and of a target, whether disk or bucket."""

from abc import abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from core.access import Endpoint
from tasks.files.listing import Differences, Entry, Listing
from tasks.files.rclone import Remote

Moved: TypeAlias = Callable[[int, int], None]
"""Told while files move: bytes done, bytes in all."""


@dataclass(frozen=True)
class CopyState:
    """What our earlier copies left written down at the target.

    Units: the source's own clock (ctime), seconds since 1970. What has not changed since `begun_at` is
    whole where it is at the target; what has not changed since `copied_at` is there. `last_at` is the
    same for the last copy, at cutover; `ready_at` for the copy just before the freeze.
    """

    begun_at: float
    copied_at: float | None = None
    last_at: float | None = None
    ready_at: float | None = None


class SourceReader(Protocol):
    """A share where it is now."""

    @property
    def remote(self) -> Remote: ...

    def listing(self) -> Listing | None:
        """All entries, or None where the share is not there. Raises: errors.Unreadable."""

    def now(self) -> float:
        """By the clock that its entries' `changed_at` is taken from."""

    def checksums(self, names: Collection[str], algorithm: str) -> dict[str, str]:
        """By name; what could not be read is left out."""

    def close(self) -> None: ...


class TargetReader(Protocol):
    """A place that receives a share."""

    algorithm: str
    """The checksum it computes by itself."""

    def listing(self) -> Listing | None: ...

    def wanted(self, source: Listing) -> dict[str, Entry]:
        """What the listing must hold once this source is copied, named as this target names it."""

    def key(self, name: str, entry: Entry) -> str:
        """What the listing calls this entry of a source."""

    def immovable(self, source: Listing) -> tuple[str, ...]:
        """Entries that cannot be held here, each with the reason."""

    def state(self, copy: str) -> CopyState | None:
        """What is written down of the copy with this key; None where it never began."""

    def ours(self, copy: str, names: Collection[str]) -> set[str]:
        """Which of these the copy brought, unfinished files included."""

    def clashes(self, source: SourceReader, listing: Listing, found: Listing) -> list[str]:
        """What is here already and a first copy would overwrite."""

    def outstanding(self, listing: Listing, found: Listing) -> tuple[list[str], int]:
        """The source's files that are missing or visibly others here, and how many other entries are."""

    def touched(self, source: SourceReader, names: Collection[str], found: Listing) -> list[str]:
        """Which of these files, here in the same size, differ in time or content."""

    def strangers(self, listing: Listing, found: Listing) -> list[str]:
        """What is here and not, or not of that kind, at the source."""

    def free_bytes(self) -> int | None:
        """Room left; None where there is no limit or it cannot be told."""

    def differing(self, source: SourceReader, listing: Listing, found: Listing) -> Differences:
        """Everything but content, modification times included."""

    def unequal(self, source: SourceReader, listing: Listing, found: Listing) -> tuple[list[str], list[str]]:
        """The files whose content differs, and those whose content could not be compared."""

    def close(self) -> None: ...


class TargetWriter(Protocol):
    """Writes a copy, journalling just before every write. Safe to repeat. Raises: errors.ApplyFailed."""

    def begin(self, copy: str, source: Listing, found: Listing | None) -> None:
        """Write down that the copy begins and what it brings; nothing is copied before.

        `found` is what is here, None where not even the place is.
        """

    def transfer(self, copy: str, source: Remote, names: Collection[str], limit: int, moved: Moved) -> None:
        """Copy these files of the source; `limit` in bytes per second, 0 for none."""

    def settle(self, copy: str, source: Listing, found: Listing, *, moved: bool) -> None:
        """What a file's content does not carry: folders, links, modes, owners, times.

        `found` is what was here before anything of this source moved, `moved` whether anything did.
        """

    def remove(self, copy: str, names: Collection[str], what: str) -> None:
        """Remove entries that the copy brought."""

    def finish(self, copy: str, state: CopyState) -> None:
        """Write down how far the copy came."""

    def take_back(self, copy: str) -> None:
        """Remove exactly what the copy brought; nothing where it never began."""

    def close(self) -> None: ...


class Source(Endpoint[SourceReader, SourceReader]):
    """A share's place; nothing is ever written there."""


class Target(Endpoint[TargetReader, TargetWriter]):
    """A place that receives a share."""

    @property
    @abstractmethod
    def holds(self) -> dict[str, str]:
        """What of a share it keeps and what not: said before approval, never silently decided."""
