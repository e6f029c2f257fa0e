"""A folder filled: files moved by rclone, everything else set by tar, chown and chmod on its host."""

import io
import posixpath
import tarfile
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import asdict
from typing import Any

from core.access import Journal
from tasks.files.folder_reader import FolderReader
from tasks.files.listing import Entry, Listing, differences
from tasks.files.ports import CopyState, Moved
from tasks.files.rclone import Rclone, Remote
from tasks.files.shell import LookingShell, paths, write
from tasks.files.transfer import transfer
from tasks.hosts.connection import Connection
from tasks.hosts.keep import Keepsake
from tasks.hosts.ssh_reader import SshReader
from tasks.hosts.ssh_writer import SshWriter


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

    def begin(self, copy: str, source: Listing, found: Listing | None) -> None:
        wanted = source.of("file", "folder", "link")
        there = found.entries if found else {}
        record = self._look.record(copy) or {
            "begun_at": source.latest_change,
            "copied_at": None,
            "last_at": None,
            "ready_at": None,
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

    def settle(self, copy: str, source: Listing, found: Listing, *, moved: bool) -> None:
        wanted = self._look.wanted(source)
        if moved:
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
        others = {n for n in differ.all if wanted[n].kind != "file"}
        # Setting an entry touches the folder it is in: that one's time is set with it, and last.
        others |= {posixpath.dirname(n) for n in others if n}
        rest = {n: wanted[n] for n in others if n in wanted}
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
