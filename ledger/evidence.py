"""Evidence: JSON documents kept as files under the name of their own sha256."""

import hashlib
import json
import os
import tempfile
import threading
from pathlib import Path

from core.errors import ApplyFailed, Unreadable
from ledger.entry import DIGEST, Json, json_text, scrubbed


class EvidenceStore:
    """The folder of evidence; a file in it is complete and on the disk, or not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stored: set[str] = set()
        self._unsettled: set[Path] = set()
        self._settling = threading.Lock()

    def path(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):
            raise Unreadable(f"{digest!r} is no evidence digest (64 hexadecimal digits)")
        return self.folder / digest[:2] / f"{digest}.json"

    def store(self, data: Json, *, durable: bool = True) -> str:
        """Write the document, secrets masked, and give its digest; the same content is one file.

        Not durable means: safe against a crash of this process, and against a power cut once `settle` ran.
        Raises: errors.ApplyFailed where the disk refuses.
        """
        content = json_text(scrubbed(data)).encode()
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self._stored:
            self._write(self.path(digest), content, durable)
            self._stored.add(digest)
        return digest

    def settle(self) -> None:
        """Wait until everything stored so far is on the disk; asked before any record that must last.

        Raises: errors.ApplyFailed where the disk refuses.
        """
        with self._settling:
            paths, self._unsettled = self._unsettled, set()
            try:
                for path in (*paths, *{path.parent for path in paths}):
                    _sync(path)
            except OSError as error:
                self._unsettled |= paths
                raise self._unwritable(self.folder, error) from error

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
        try:
            content = self.path(digest).read_bytes()
        except FileNotFoundError:
            return "the file is missing"
        except OSError as error:
            return f"the file cannot be read ({error.strerror})"
        return "" if hashlib.sha256(content).hexdigest() == digest else "the file was altered"

    def _write(self, path: Path, content: bytes, durable: bool) -> None:
        try:
            self._make_folder(path.parent)
            # A name of its own: two processes may store the same content at once.
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    if durable:
                        os.fsync(file.fileno())
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            if durable:
                _sync(path.parent)  # the name is durable only once its folder is
            else:
                with self._settling:
                    self._unsettled.add(path)
        except OSError as error:
            raise self._unwritable(path.parent, error) from error

    def _unwritable(self, folder: Path, error: OSError) -> ApplyFailed:
        return ApplyFailed(
            f"evidence cannot be written to {folder}: {error.strerror}",
            why="What has no evidence counts as not done; the step is repeated by the next run.",
            next_command=f"df -h {self.folder}",
        )

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            # What evidence holds is confidential: nobody else on the machine may look in.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(self.folder)
            _sync(self.folder.parent)


def _sync(path: Path) -> None:
    """Wait until this file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
