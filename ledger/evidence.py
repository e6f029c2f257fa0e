"""Evidence: JSON documents kept as files under the name of their own sha256."""

import hashlib
import json
import os
import threading
from pathlib import Path

from core.errors import ApplyFailed, Unreadable
from ledger.entry import DIGEST, Json, json_text, scrubbed


class EvidenceStore:
    """The folder of evidence; a file that a record names is complete."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stored: set[str] = set()
        self._made: set[Path] = set()
        self._deferred: dict[Path, bytes] = {}
        self._unsettled: set[Path] = set()
        self._settling = threading.Lock()

    def path(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):
            raise Unreadable(f"{digest!r} is no evidence digest (64 hexadecimal digits)")
        return self.folder / digest[:2] / f"{digest}.json"

    def store(self, data: Json, *, durable: bool = True) -> str:
        """Write the document, secrets masked, and give its digest; the same content is one file.

        Not durable means: written by the next `settle` or reading, and on the disk once a durable one ran.
        Raises: errors.ApplyFailed where the disk refuses.
        """
        content = json_text(scrubbed(data)).encode()
        digest = hashlib.sha256(content).hexdigest()
        if digest in self._stored:
            return digest
        if durable:
            self._write(self.path(digest), content, durable=True)
        else:
            with self._settling:
                self._deferred[self.path(digest)] = content
        self._stored.add(digest)
        return digest

    def settle(self, durable: bool) -> None:
        """Write everything stored so far and, before a record that must last, wait for the disk.

        Raises: errors.ApplyFailed where the disk refuses; what it refused is tried again.
        """
        with self._settling:
            while self._deferred:
                path, content = next(iter(self._deferred.items()))
                self._write(path, content, durable=False)
                self._unsettled.add(path)
                del self._deferred[path]
            if not durable:
                return
            try:
                for path in (*self._unsettled, *{path.parent for path in self._unsettled}):
                    _sync(path)
            except OSError as error:
                raise self._unwritable(self.folder, error) from error
            self._unsettled.clear()

    def read(self, digest: str) -> Json:
        """Raises: errors.Unreadable where it is missing or no longer what its name says."""
        fault = self.fault(digest)
        if fault:
            raise Unreadable(
                f"evidence {digest}: {fault}",
                why="A record of the ledger rests on it.",
                next_command="qianyun ledger verify",
            )
        return json.loads(self.path(digest).read_bytes())

    def fault(self, digest: str) -> str:
        """What is wrong with this evidence; empty where it stands."""
        self.settle(durable=False)
        try:
            content = self.path(digest).read_bytes()
        except FileNotFoundError:
            return "the file is missing"
        except OSError as error:
            return f"the file cannot be read ({error.strerror})"
        return "" if hashlib.sha256(content).hexdigest() == digest else "the file was altered"

    def _write(self, path: Path, content: bytes, *, durable: bool) -> None:
        try:
            self._make_folder(path.parent)
            # Written under its own name and over what is there: that is the same content, whole (so two
            # processes may do this at once) or cut short by a crash, before any record named it.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _write_all(descriptor, content)
                os.ftruncate(descriptor, len(content))
                if durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if durable:
                _sync(path.parent)  # the name is durable only once its folder is
        except OSError as error:
            raise self._unwritable(path.parent, error) from error

    def _unwritable(self, folder: Path, error: OSError) -> ApplyFailed:
        return ApplyFailed(
            f"evidence cannot be written to {folder}: {error.strerror}",
            why="What has no evidence counts as not done; the step is repeated by the next run.",
            next_command=f"df -h {self.folder}",
        )

    def _make_folder(self, folder: Path) -> None:
        if folder in self._made:
            return
        if not folder.is_dir():
            # What evidence holds is confidential: nobody else on the machine may look in.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(self.folder)
            _sync(self.folder.parent)
        self._made.add(folder)


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync(path: Path) -> None:
    """Wait until this file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
