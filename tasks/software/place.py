"""Where a site's file lies on a host, and the text it shall have on the target."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import ApplyFailed, Refused
from core.facts import Known
from inventory.sources import Substitution
from tasks.hosts.ports import HostReader, HostWriter
from tasks.software.services import until
from tasks.software.software import SiteFiles, Software
from tasks.software.trees import substituted

SOCKET_S = 15.0


@dataclass(frozen=True)
class Place:
    """A site's file, the link that enables it, and what its package enables by itself."""

    layout: SiteFiles
    file: str
    link: str
    retired: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.file, self.link, *self.retired)

    def file_sha256(self, look: HostReader) -> str:
        found = look.file(self.file)
        return found.value.sha256 if isinstance(found, Known) else ""

    def linked_to(self, look: HostReader) -> str:
        found = look.file(self.link)
        return found.value.target if isinstance(found, Known) else ""

    def still_enabled(self, look: HostReader) -> tuple[str, ...]:
        return tuple(path for path in self.retired if isinstance(look.file(path), Known))

    def enable(self, look: HostReader, host: HostWriter, text: bytes) -> None:
        """Write what differs; nothing is loaded yet. Raises: errors.ApplyFailed"""
        if self.file_sha256(look) != sha256(text):
            host.put_file(self.file, text, mode="644", owner="root", group="root")
        if self.linked_to(look) != self.file:
            host.link(self.link, self.file)
        for path in self.still_enabled(look):
            host.remove([path], path)

    def require_sockets(self, look: HostReader, text: bytes) -> None:
        """Wait until what the site hands requests to listens. Raises: errors.ApplyFailed"""
        sockets = self.layout.upstream_sockets(text.decode(errors="replace"))
        if until(SOCKET_S, lambda: all(_is_socket(look, path) for path in sockets)):
            return
        missing = ", ".join(path for path in sockets if not _is_socket(look, path))
        raise ApplyFailed(
            f"{self.file} hands requests to {missing}, which is no socket on this host",
            why="No pool of PHP-FPM listens there: its pool file must move too, or the path be substituted.",
            next_command="ls -l /run/php",
        )


def place(parts: Sequence[Software], site: str) -> Place | None:
    """None for software that has no files of sites, and for applications that name no site."""
    layout = next((part.site for part in parts if part.site), None)
    if layout is None or not site:
        return None
    link = f"{layout.enabled}/{site}"
    retired = tuple(path for path in layout.retired if path != link)
    return Place(layout, f"{layout.available}/{site}", link, retired)


def wanted_text(
    source: HostReader, item: str, where: Place | None, substitutions: Sequence[Substitution]
) -> bytes:
    """The source's site file with its substitutions made. Raises: errors.Refused"""
    if where is None:
        return b""
    ours = [wish for wish in substitutions if wish.file == where.file]
    if ours:
        return substituted(source, item, ours)[where.file]
    found = source.read_file(where.file)
    if not isinstance(found, Known):
        raise Refused(
            f"{item}: {where.file} is not on the source",
            why="Without its site's file the web server would not serve the application.",
            next_command=f"ls {where.layout.available}",
        )
    return found.value


def sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest() if text else ""


def _is_socket(look: HostReader, path: str) -> bool:
    found = look.file(path)
    return isinstance(found, Known) and found.value.kind == "socket"
