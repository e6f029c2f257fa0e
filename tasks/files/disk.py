"""Shares on the disks of hosts: looked at by find, moved by rclone, finished by tar, chown and chmod."""

import io
import tarfile
from collections import defaultdict
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.access import Journal
from tasks.files.listing import Differences, Entry, Listing, differences, finished
from tasks.files.ports import CopyState, Moved, Source, SourceReader, Target, TargetReader, TargetWriter
from tasks.files.rclone import Rclone, Remote
from tasks.files.shell import LookingShell, paths, sftp_remote, write
from tasks.files.transfer import compare_bytes, transfer
from tasks.hosts.connection import Connection
from tasks.hosts.endpoint import SshHost
from tasks.hosts.keep import Keepsake
from tasks.hosts.ssh_reader import SshReader
from tasks.hosts.ssh_writer import SshWriter


@dataclass(frozen=True)
class SourceFolder(Source):
    """A share: a folder on a source host."""

    host: SshHost
    path: str

    @property
    def address(self) -> str:
        return f"{self.host.address}:{self.path}"

    def open_reader(self) -> SourceReader:
        return FolderReader(self.host.connect(), sftp_remote("src", self.host, self.path), self.path)

    def open_writer(self, journal: Journal) -> SourceReader:
        raise AssertionError("nothing is ever written to a source")


@dataclass(frozen=True)
class TargetFolder(Target):
    """A folder on a target server's disk."""

    host: SshHost
    path: str

    @property
    def address(self) -> str:
        return f"{self.host.address}:{self.path}"

    @property
    def holds(self) -> dict[str, str]:
        return {
            "files": "all, with modification times in whole seconds",
            "folders": "all, empty ones too, with their times",
            "links": "as links, pointing where they point at the source",
            "modes and owners": "kept; an owner or group that the target does not know by name, by number",
            "hard links": "as files of their own",
            "sockets, pipes, devices, ACLs, extended attributes": "left out",
        }

    def open_reader(self) -> TargetReader:
        return FolderReader(self.host.connect(), sftp_remote("dst", self.host, self.path), self.path)

    def open_writer(self, journal: Journal) -> TargetWriter:
        remote = sftp_remote("dst", self.host, self.path)
        return FolderWriter(self.host.connect(), remote, self.path, journal)


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
        return CopyState(record["begun_at"], record["copied_at"], record["last_at"])

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

    def touched(self, source: SourceReader, names: Collection[str]) -> list[str]:
        differing, unread = self._unequal(source, names)
        return differing + unread

    def strangers(self, listing: Listing, found: Listing) -> list[str]:
        there = listing.entries
        return [n for n, e in found.entries.items() if n not in there or there[n].kind != e.kind]

    def free_bytes(self) -> int | None:
        return self._shell.free_bytes(self._path)

    def differing(self, source: SourceReader, listing: Listing, found: Listing) -> Differences:
        return differences(self.wanted(listing), found.entries)

    def unequal(self, source: SourceReader, listing: Listing) -> tuple[list[str], list[str]]:
        return self._unequal(source, listing.of("file"))

    def _unequal(self, source: SourceReader, names: Collection[str]) -> tuple[list[str], list[str]]:
        with ThreadPoolExecutor(1) as aside:
            theirs = aside.submit(source.checksums, names, self.algorithm)
            here = self.checksums(names, self.algorithm)
            there = theirs.result()
        differing = [n for n in names if n in here and n in there and here[n] != there[n]]
        unsure = [n for n in names if n not in here or n not in there]
        more, unread = compare_bytes(Rclone(reading=True), source.remote, self.remote, unsure)
        return differing + more, unread


class FolderWriter:
    """Writes a copy into a folder. What it brought is written down under /var/lib/qianyun of that host."""

    def __init__(self, connection: Connection, remote: Remote, path: str, journal: Journal) -> None:
        self._path = path.rstrip("/")
        self._connection = connection
        self._journal = journal
        self._look = FolderReader(connection, remote, path)
        self._host_reader = SshReader(connection)
        self._host = SshWriter(connection, journal)

    def close(self) -> None:
        self._connection.close()

    def begin(self, copy: str, source: Listing) -> None:
        wanted = source.of("file", "folder", "link")
        found = self._look.listing()
        there = found.entries if found else {}
        record = self._look.record(copy) or {
            "begun_at": source.latest_change,
            "copied_at": None,
            "last_at": None,
            "made": [],
            "folders": {n: _access(e) for n, e in there.items() if n in wanted and e.kind == "folder"},
            "parents": [] if found else LookingShell(self._connection).missing_parents(self._path),
        }
        made = dict.fromkeys([*record["made"], *(name for name in wanted if name not in there)])
        if list(made) != record["made"]:
            self._write_record(copy, record | {"made": list(made)})
        if found is None:
            self._host.make_dir(self._path)

    def transfer(self, copy: str, source: Remote, names: Collection[str], limit: int, moved: Moved) -> None:
        self._journal(f"{self._look.remote.address}: copy {len(names)} files from {source.address}")
        options = ["--no-update-dir-modtime"]
        transfer(Rclone(reading=False), source, self._look.remote, names, options, limit, moved)

    def settle(self, copy: str, source: Listing) -> None:
        wanted = self._look.wanted(source)
        found = self._look.listing() or Listing({})
        differ = differences(wanted, found.entries)
        # Only where the content is as it was listed: what changed since is left to the next copy.
        files = [n for n in differ.access if wanted[n].kind == "file" and n not in differ.content]
        owners = {n: f"{wanted[n].owner}:{wanted[n].group}" for n in files}
        modes = {n: wanted[n].mode for n in files}
        # Owners first: changing the owner of a file clears its set-user-ID bit.
        for group, names in _grouped(owners).items():
            self._batch(f"owner {group} of {len(names)} files", ["chown", "--", group], names)
        for mode, names in _grouped(modes).items():
            self._batch(f"mode {mode} of {len(names)} files", ["chmod", "--", mode], names)
        rest = {n: wanted[n] for n in differ.all if wanted[n].kind != "file"}
        if rest:
            self._unpack(f"set {len(rest)} folders and links", rest)

    def remove(self, copy: str, names: Collection[str], what: str) -> None:
        found = self._look.listing() or Listing({})
        ours = self._look.ours(copy, names)
        files = [n for n in ours if n in found.entries and found.entries[n].kind != "folder"]
        # Deepest first; a folder that holds what is not ours stays.
        folders = sorted((n for n in ours if n in found.of("folder")), key=_depth, reverse=True)
        if files:
            self._batch(f"remove {what}: {len(files)} files", ["rm", "-f", "--"], files)
        if folders:
            argv = ["rmdir", "--ignore-fail-on-non-empty", "--"]
            self._batch(f"remove {what}: {len(folders)} folders if empty", argv, folders)

    def finish(self, copy: str, state: CopyState) -> None:
        record = self._look.record(copy)
        assert record is not None, "finished before it was begun"
        self._write_record(copy, record | asdict(state))

    def take_back(self, copy: str) -> None:
        record = self._look.record(copy)
        found = self._look.listing() if record else None
        if record and found:
            made = set(record["made"])
            self.remove(copy, made | self._look.ours(copy, list(found.entries)), "what was copied")
            before = {n: Entry("folder", **access) for n, access in record["folders"].items()}
            present = {n: e for n, e in before.items() if n in found.entries}
            if present:
                self._unpack(f"give {len(present)} folders their mode and owner back", present)
        for parent in reversed(record["parents"] if record else []):
            self._host.remove_empty_dir(parent)
        Keepsake(copy).drop(self._host_reader, self._host)

    def _write_record(self, copy: str, record: dict[str, Any]) -> None:
        Keepsake(copy).write(self._host_reader, self._host, record)

    def _batch(self, what: str, argv: list[str], names: Collection[str]) -> None:
        self._journal(f"{self._look.remote.address}: {what}")
        write(self._connection, what, ["xargs", "-0", "-r", *argv], paths(self._path, names))

    def _unpack(self, what: str, entries: dict[str, Entry]) -> None:
        self._journal(f"{self._look.remote.address}: {what}")
        argv = ["tar", "--extract", "--file=-", "--preserve-permissions", "--same-owner"]
        argv += ["--delay-directory-restore", f"--directory={self._path}"]
        write(self._connection, what, argv, _tar(entries))


def _depth(name: str) -> int:
    return name.count("/") + 1 if name else 0


def _access(entry: Entry) -> dict[str, Any]:
    return {
        "mode": entry.mode,
        "owner": entry.owner,
        "group": entry.group,
        "uid": entry.uid,
        "gid": entry.gid,
        "modified_at": entry.modified_at,
    }


def _grouped(values: dict[str, str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, value in values.items():
        groups[value].append(name)
    return groups


def _tar(entries: dict[str, Entry]) -> Iterator[bytes]:
    """A tar stream of folders and links; GNU tar sets the folders' times last, when all is in place."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(entries):
            entry = entries[name]
            info = tarfile.TarInfo(f"./{name}" if name else ".")
            info.type = tarfile.DIRTYPE if entry.kind == "folder" else tarfile.SYMTYPE
            info.linkname = entry.target
            info.mode = int(entry.mode, 8)
            info.mtime = entry.modified_at or 0
            info.uid, info.gid = entry.uid, entry.gid
            # A name that the host does not know stands here as a number, and tar takes the number.
            info.uname, info.gname = entry.owner, entry.group
            tar.addfile(info)
    yield buffer.getvalue()
