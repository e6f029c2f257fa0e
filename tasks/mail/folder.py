"""The folder of deliverables: every version of every document, each with a sidecar that says what it is.

A document counts once its sidecar is there; the sidecar is written last.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from core.access import Endpoint, Journal
from core.errors import Unreadable


@dataclass(frozen=True)
class Stored:
    """One version of a document, as its sidecar tells."""

    kind: str
    version: int
    name: str
    sha256: str
    size_bytes: int
    basis: str


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Looking at `path`: what the file system refuses is Unreadable, never "not there"."""
    try:
        yield
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}", next_command=f"ls -la {path.parent}") from error


def write_file(path: Path, content: bytes) -> None:
    """All or nothing, and on the disk when it returns: a crash leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pending = path.with_name(f".{path.name}.part")
    with pending.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    pending.replace(path)


class FolderReader:
    def __init__(self, path: Path) -> None:
        self._path = path

    def latest(self, kind: str) -> Stored | None:
        """The newest complete version; None where there is none."""
        versions = self._versions(kind)
        return max(versions, key=lambda stored: stored.version, default=None)

    def content(self, stored: Stored) -> bytes | None:
        """The bytes as they lie there now, whatever the sidecar says; None where the file is gone."""
        path = self._path / stored.name
        with readable(path):
            return path.read_bytes() if path.exists() else None

    def close(self) -> None:
        return None

    def _versions(self, kind: str) -> list[Stored]:
        with readable(self._path):
            names = [p.name for p in self._path.iterdir()] if self._path.exists() else []
        found = []
        for name in names:
            if name.startswith(f"{kind}-v") and name.endswith(".json"):
                with readable(self._path / name):
                    text = (self._path / name).read_text(encoding="utf-8")
                found.append(_parse(self._path / name, text))
        return found


class FolderWriter:
    def __init__(self, path: Path, journal: Journal) -> None:
        self._path = path
        self._journal = journal

    def store(self, kind: str, version: int, extension: str, content: bytes, basis: str) -> Stored:
        name = f"{kind}-v{version}.{extension}"
        digest = hashlib.sha256(content).hexdigest()
        stored = Stored(kind, version, name, digest, len(content), basis)
        self._journal(f"write {name} ({len(content)} bytes, sha256 {digest})")
        write_file(self._path / name, content)
        sidecar = json.dumps(asdict(stored), ensure_ascii=False, indent=1, sort_keys=True)
        self._journal(f"write {kind}-v{version}.json")
        write_file(self._path / f"{kind}-v{version}.json", sidecar.encode())
        return stored

    def remove(self, kind: str, version: int, extension: str) -> None:
        # The sidecar goes first: without it the document no longer counts.
        for name in (f"{kind}-v{version}.json", f"{kind}-v{version}.{extension}"):
            for path in (self._path / name, self._path / f".{name}.part"):
                if path.exists():
                    self._journal(f"remove {path.name}")
                    path.unlink()

    def close(self) -> None:
        return None


@dataclass(frozen=True)
class DeliverablesFolder(Endpoint[FolderReader, FolderWriter]):
    path: Path

    @property
    def address(self) -> str:
        return str(self.path)

    def open_reader(self) -> FolderReader:
        return FolderReader(self.path)

    def open_writer(self, journal: Journal) -> FolderWriter:
        return FolderWriter(self.path, journal)


def _parse(path: Path, text: str) -> Stored:
    try:
        return Stored(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise Unreadable(
            f"{path}: not the sidecar of a deliverable",
            why="Which version was delivered, and from what, can no longer be told.",
        ) from error
