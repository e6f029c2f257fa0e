"""A folder looked at: listed by find, checksummed on its own host, compared with a share."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from tasks.files.listing import Differences, Entry, Listing, differences, finished
from tasks.files.ports import CopyState, SourceReader
from tasks.files.rclone import Rclone, Remote
from tasks.files.shell import LookingShell
from tasks.files.transfer import compare_bytes
from tasks.hosts.connection import Connection
from tasks.hosts.keep import Keepsake
from tasks.hosts.ssh_reader import SshReader


class FolderReader:
    """Looks at a folder; a source and a target alike."""

    algorithm = "sha256"

    def __init__(self, connection: Connection, remote: Remote, path: str) -> None:
        self._path = path
        self._connection = connection
        self._shell = LookingShell(connection)
        self.remote = remote

    def close(self) -> None:
        self._connection.close()

    def listing(self) -> Listing | None:
        return self._shell.listing(self._path)

    def now(self) -> float:
        return self._shell.now()

    def key(self, name: str, entry: Entry) -> str:
        return name

    def checksums(self, names: Collection[str], algorithm: str) -> dict[str, str]:
        return self._shell.checksums(self._path, names, algorithm)

    def wanted(self, source: Listing) -> dict[str, Entry]:
        """Owners by name where the host knows the name."""
        kept = source.of("file", "folder", "link")
        users = self._shell.known("passwd", {entry.owner for entry in kept.values()})
        groups = self._shell.known("group", {entry.group for entry in kept.values()})
        return {
            name: replace(
                entry,
                owner=entry.owner if entry.owner in users else str(entry.uid),
                group=entry.group if entry.group in groups else str(entry.gid),
            )
            for name, entry in kept.items()
        }

    def immovable(self, source: Listing) -> tuple[str, ...]:
        return ()

    def record(self, copy: str) -> dict[str, Any] | None:
        return Keepsake(copy).read(SshReader(self._connection))

    def state(self, copy: str) -> CopyState | None:
        record = self.record(copy)
        if record is None:
            return None
        # Copies of before there was a readiness have no such entry.
        return CopyState(record["begun_at"], record["copied_at"], record["last_at"], record.get("ready_at"))

    def ours(self, copy: str, names: Collection[str]) -> set[str]:
        record = self.record(copy) or {"made": []}
        made = set(record["made"])
        return {name for name in names if name in made or finished(name) in made}

    def clashes(self, source: SourceReader, listing: Listing, found: Listing) -> list[str]:
        differ = differences(self.wanted(listing), found.entries)
        there = differ.all - set(differ.missing)
        # A folder that is there takes ours in; its mode and owner are kept for undo.
        taken_in = {n for n in there - set(differ.kind) if found.entries[n].kind == "folder"}
        return sorted(there - taken_in)

    def outstanding(self, listing: Listing, found: Listing) -> tuple[list[str], int]:
        wanted = self.wanted(listing)
        differ = differences(wanted, found.entries)
        files = sorted(name for name in differ.content if wanted[name].kind == "file")
        return files, len(differ.all) - len(files)

    def touched(self, source: SourceReader, names: Collection[str], found: Listing) -> list[str]:
        differing, unread = self._unequal(source, names)
        return differing + unread

    def strangers(self, listing: Listing, found: Listing) -> list[str]:
        there = listing.entries
        return [n for n, e in found.entries.items() if n not in there or there[n].kind != e.kind]

    def free_bytes(self) -> int | None:
        return self._shell.free_bytes(self._path)

    def differing(self, source: SourceReader, listing: Listing, found: Listing) -> Differences:
        return differences(self.wanted(listing), found.entries)

    def unequal(self, source: SourceReader, listing: Listing, found: Listing) -> tuple[list[str], list[str]]:
        return self._unequal(source, listing.of("file"))

    def _unequal(self, source: SourceReader, names: Collection[str]) -> tuple[list[str], list[str]]:
        if not names:
            return [], []
        with ThreadPoolExecutor(1) as aside:
            theirs = aside.submit(source.checksums, names, self.algorithm)
            here = self.checksums(names, self.algorithm)
            there = theirs.result()
        differing = [n for n in names if n in here and n in there and here[n] != there[n]]
        unsure = [n for n in names if n not in here or n not in there]
        more, unread = compare_bytes(Rclone(reading=True), source.remote, self.remote, unsure)
        return differing + more, unread
