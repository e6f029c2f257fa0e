"""What a step found on a host before its first write, kept on that host so that undo can give it back.

Kept there and not in the plan, because it is known only when other steps have run (a package brings its
default site), may be large, and may hold secrets that a plan must not.
"""

import json
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import Unreadable
from core.facts import Known
from tasks.hosts.ports import HostReader, HostWriter

ROOM = "/var/lib/qianyun"


@dataclass(frozen=True)
class Keepsake:
    """The record of one step on one host; `paths` in it say what was there, other entries are the step's."""

    key: str

    @property
    def folder(self) -> str:
        return f"{ROOM}/{self.key.replace('/', '~')}"

    @property
    def _file(self) -> str:
        return f"{self.folder}/before.json"

    def read(self, look: HostReader) -> dict[str, Any] | None:
        """The record, or None where the step has not begun on this host. Raises: errors.Unreadable."""
        found = look.read_file(self._file)
        if not isinstance(found, Known):
            return None
        try:
            record = json.loads(found.value)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise Unreadable(
                f"{self._file} is not the record that was written there",
                why="Without it nobody can tell what was there before the step.",
                next_command=f"cat {self._file}",
            )
        return record

    def write(self, look: HostReader, host: HostWriter, record: Mapping[str, Any]) -> None:
        """Write the record whole. Raises: errors.ApplyFailed"""
        if not isinstance(look.file(self.folder), Known):
            host.make_dir(self.folder)
        text = json.dumps(record, ensure_ascii=True, sort_keys=True, indent=1)
        host.put_file(self._file, text.encode(), mode="600", owner="root", group="root")

    def keep(self, look: HostReader, host: HostWriter, paths: Iterable[str], **more: Any) -> dict[str, Any]:
        """Record these paths as they are, once: on a second run the record of the first one stands.

        What is there is copied before the record names it; nothing may be changed before this returns.
        """
        record = self.read(look)
        if record is not None:
            return record
        kept: dict[str, Any] = {}
        for number, path in enumerate(dict.fromkeys(paths)):
            if isinstance(look.file(path), Known):
                if not isinstance(look.file(self.folder), Known):
                    host.make_dir(self.folder)
                copy = f"{self.folder}/{number}"
                host.copy(path, copy)
                kept[path] = {"copy": copy, "made": []}
            else:
                kept[path] = {"copy": "", "made": _missing_parents(look, path)}
        record = {"paths": kept, **more}
        self.write(look, host, record)
        return record

    def give_back(self, look: HostReader, host: HostWriter, paths: Iterable[str] | None = None) -> None:
        """Put the recorded paths back as they were; safe to repeat. Raises: errors.ApplyFailed"""
        record = self.read(look)
        kept = record["paths"] if record else {}
        for path in kept if paths is None else [path for path in paths if path in kept]:
            if kept[path]["copy"]:
                host.copy(kept[path]["copy"], path)
            elif isinstance(look.file(path), Known):
                host.remove([path], path)
            for parent in reversed(kept[path]["made"]):
                if isinstance(look.file(parent), Known):
                    host.remove_empty_dir(parent)

    def drop(self, look: HostReader, host: HostWriter) -> None:
        """Forget the record: the very last write of an undo."""
        if isinstance(look.file(self.folder), Known):
            host.remove([self.folder], self.folder)
        if isinstance(look.file(ROOM), Known):
            host.remove_empty_dir(ROOM)


def _missing_parents(look: HostReader, path: str) -> list[str]:
    """The folders above `path` that are not there, topmost first."""
    missing: list[str] = []
    parent = posixpath.dirname(path)
    while parent != "/" and not isinstance(look.file(parent), Known):
        missing.append(parent)
        parent = posixpath.dirname(parent)
    return missing[::-1]
