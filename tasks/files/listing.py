"""What stands in a share: its entries, what is worth saying about them, and how two listings differ."""

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["file", "folder", "link", "special"]

NAMES_SHOWN = 20

_ODD = re.compile(r"^[\s-]|\s$|[\x00-\x1f\x7f\"'`$\\*?\[\]|;&<>\udc80-\udcff]")
_LEFTOVER = re.compile(r"\.[0-9a-f]{8}\.partial$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree. Names are as the system has them; bytes that are no UTF-8 as surrogates.

    Units: size in bytes, times in seconds since 1970. What a store cannot hold is "" or None.
    """

    kind: Kind
    size: int = 0
    modified_at: float | None = None
    changed_at: float = 0.0
    """When content, name, mode or owner changed last (ctime; in a bucket when the object was written): the
    system that keeps the entry sets it, nobody can set it back."""
    mode: str = ""
    owner: str = ""
    group: str = ""
    uid: int = 0
    gid: int = 0
    target: str = ""
    links: int = 1
    md5: str = ""
    inode: int = 0


@dataclass(frozen=True)
class Listing:
    """Entries by path relative to the tree's root; the root itself is ""."""

    entries: Mapping[str, Entry]

    def of(self, *kinds: Kind) -> dict[str, Entry]:
        return {name: entry for name, entry in self.entries.items() if entry.kind in kinds}

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.entries.values() if entry.kind == "file")

    @property
    def latest_change(self) -> float:
        return max((entry.changed_at for entry in self.entries.values()), default=0.0)

    def until(self, moment: float) -> "Listing":
        """What was there at `moment` and has not changed since."""
        return Listing({n: e for n, e in self.entries.items() if e.changed_at <= moment})

    @property
    def empty_folders(self) -> list[str]:
        parents = {name.rpartition("/")[0] for name in self.entries if name}
        return [name for name in self.of("folder") if name and name not in parents]


@dataclass(frozen=True)
class Survey:
    """What people want to know of a share before it moves; lists of names are cut at 20."""

    files: int
    size_bytes: int
    folders: int
    links: int
    empty_folders: int
    hard_linked_files: int
    deepest: str
    special: tuple[str, ...]
    """Sockets, pipes and devices: no content to move."""
    special_count: int
    odd_names: tuple[str, ...]
    odd_names_count: int
    immovable: tuple[str, ...]
    """What the target cannot hold, each with the reason."""


def survey(listing: Listing, immovable: Iterable[str] = ()) -> Survey:
    special = listing.of("special")
    odd = [name for name in listing.entries if any(map(_ODD.search, name.split("/")))]
    files = listing.of("file")
    return Survey(
        files=len(files),
        size_bytes=listing.bytes,
        folders=len(listing.of("folder")) - 1,
        links=len(listing.of("link")),
        empty_folders=len(listing.empty_folders),
        hard_linked_files=sum(entry.links > 1 for entry in files.values()),
        deepest=shown(max(listing.entries, key=lambda name: (name.count("/"), name), default="")),
        special=some(special),
        special_count=len(special),
        odd_names=some(odd),
        odd_names_count=len(odd),
        immovable=tuple(immovable),
    )


@dataclass(frozen=True)
class Differences:
    """Names by what is wrong with them on the target."""

    missing: list[str] = field(default_factory=list)
    kind: list[str] = field(default_factory=list)
    size: list[str] = field(default_factory=list)
    target: list[str] = field(default_factory=list)
    modified: list[str] = field(default_factory=list)
    access: list[str] = field(default_factory=list)

    @property
    def all(self) -> set[str]:
        return {n for names in vars(self).values() for n in names}

    @property
    def content(self) -> set[str]:
        """Other than by mode, owner and group alone."""
        return {*self.missing, *self.kind, *self.size, *self.target, *self.modified}


def differences(wanted: Mapping[str, Entry], found: Mapping[str, Entry]) -> Differences:
    """What `found` lacks of `wanted`, as far as a listing shows it; further entries do not count."""
    result = Differences()
    for name, want in wanted.items():
        have = found.get(name)
        if have is None:
            result.missing.append(name)
        elif have.kind != want.kind:
            result.kind.append(name)
        else:
            for aspect in _aspects(want, have):
                getattr(result, aspect).append(name)
    return result


def _aspects(want: Entry, have: Entry) -> Iterator[str]:
    if want.kind == "file" and want.size != have.size:
        yield "size"
    if want.target != have.target:
        yield "target"
    times = (want.modified_at, have.modified_at)
    # Whole seconds: SFTP carries no more, and what tar sets does.
    if None not in times and math.floor(times[0] or 0) != math.floor(times[1] or 0):
        yield "modified"
    # A link's own mode means nothing on Linux.
    other_mode = want.kind != "link" and want.mode != have.mode
    if want.mode and (other_mode or (want.owner, want.group) != (have.owner, have.group)):
        yield "access"


def fingerprint(name: str, ours: Entry, theirs: Entry) -> bytes:
    """Stands for an entry as it is at both sides: any change of either gives another one."""
    return hashlib.blake2b(repr((name, ours, theirs)).encode(), digest_size=16).digest()


def leftovers(names: Iterable[str]) -> list[str]:
    """Names as rclone gives to files that it has not finished."""
    return [name for name in names if _LEFTOVER.search(name)]


def finished(name: str) -> str:
    """The name that an unfinished file was to get; any other name as it is."""
    return _LEFTOVER.sub("", name)


def shown(name: str) -> str:
    """A name for people: control characters and bytes that are no UTF-8 as escapes."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def some(names: Iterable[str]) -> tuple[str, ...]:
    """At most 20 of them, sorted, for people."""
    return tuple(shown(name) for name in sorted(names)[:NAMES_SHOWN])
