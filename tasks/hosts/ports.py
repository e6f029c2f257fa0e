"""What steps may ask of a host and do to it; SSH speaks it in ssh_reader and ssh_writer."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from core.access import Endpoint
from core.facts import Fact

ServiceAction: TypeAlias = Literal["start", "stop", "restart", "reload", "enable", "disable"]
FileKind: TypeAlias = Literal["file", "folder", "link", "socket", "other"]


@dataclass(frozen=True)
class OperatingSystem:
    name: str
    version: str
    kernel: str


@dataclass(frozen=True)
class Disk:
    mount: str
    filesystem: str
    size_bytes: int
    used_bytes: int


@dataclass(frozen=True)
class Socket:
    """A listening socket; `process` is "" where the host does not say."""

    protocol: str
    address: str
    port: int
    process: str = ""


@dataclass(frozen=True)
class Service:
    name: str
    running: bool
    enabled: bool


@dataclass(frozen=True)
class AccountState:
    """An account as the host has it; `groups` are the supplementary ones."""

    name: str
    uid: int
    group: str
    groups: tuple[str, ...]
    shell: str


@dataclass(frozen=True)
class FileState:
    """One entry of a file system; mode is octal text ("644"), sha256 only of files, target only of links."""

    kind: FileKind
    mode: str
    owner: str
    group: str
    size_bytes: int
    mtime_s: int
    sha256: str = ""
    target: str = ""


Tree: TypeAlias = Mapping[str, FileState]
"""A folder's entries by path relative to it; the folder (or single file) itself is ""."""


class HostReader(Protocol):
    """Looks at a host. Fact results are Known or Absent; what cannot be read raises errors.Unreadable."""

    def operating_system(self) -> OperatingSystem: ...
    def cpu_count(self) -> int: ...
    def memory_bytes(self) -> int: ...
    def disks(self) -> tuple[Disk, ...]: ...
    def sockets(self) -> tuple[Socket, ...]: ...
    def packages(self) -> Mapping[str, str]:
        """Installed packages with their versions."""

    def candidates(self, names: Collection[str]) -> Mapping[str, str]:
        """The versions the host's repositories offer now; packages they do not know are left out."""

    def would_install(self, names: Collection[str]) -> tuple[str, ...]:
        """Which packages installing these would add, dependencies included."""

    def would_remove(self, names: Collection[str]) -> tuple[str, ...]:
        """Which packages would go with these, dependants included."""

    def services(self) -> tuple[Service, ...]: ...
    def service(self, name: str) -> Fact[Service]: ...
    def sysctl(self, key: str) -> Fact[str]:
        """The running value, its white space normalised."""

    def timezone(self) -> Fact[str]: ...
    def account(self, name: str) -> Fact[AccountState]: ...
    def group_exists(self, name: str) -> bool: ...
    def file(self, path: str) -> Fact[FileState]: ...
    def read_file(self, path: str) -> Fact[bytes]: ...
    def tree(self, path: str) -> Fact[Tree]: ...
    def pack(self, path: str, names: Sequence[str], owner: str, group: str) -> Iterator[bytes]:
        """A tar stream of these entries of a tree (folders without their contents), owned as told.

        Raises: errors.Unreadable, also at the end of the stream.
        """

    def close(self) -> None: ...


class HostWriter(Protocol):
    """Changes a host, journalling just before every write. Raises errors.ApplyFailed."""

    def put_file(
        self, path: str, content: bytes, *, mode: str, owner: str, group: str, mtime_s: int | None = None
    ) -> None:
        """Write a file and give it its name only when it is complete."""

    def link(self, path: str, target: str) -> None: ...
    def make_dir(self, path: str) -> None:
        """Make a folder with those above it; no fault where it is there."""

    def remove(self, paths: Sequence[str], what: str) -> None:
        """Remove files, links and whole folders; no fault where they are gone."""

    def remove_empty_dir(self, path: str) -> None:
        """Remove a folder unless it holds something."""

    def copy(self, path: str, to: str) -> None:
        """Copy a file or tree within the host, replacing what is there only when the copy is complete."""

    def unpack(self, path: str, chunks: Iterable[bytes], what: str) -> None:
        """Extract a stream of HostReader.pack under the tree's path."""

    def set_sysctl(self, key: str, value: str) -> None:
        """Set the running value."""

    def refresh_packages(self) -> None:
        """Fetch the repositories' lists and finish an installation that was cut off."""

    def install_packages(self, names: Collection[str]) -> None: ...
    def remove_packages(self, names: Collection[str]) -> None: ...
    def add_group(self, name: str) -> None: ...
    def remove_group(self, name: str) -> None: ...
    def add_account(self, name: str, uid: int | None, shell: str) -> None: ...
    def change_account(self, name: str, groups: Sequence[str], shell: str) -> None:
        """Set the supplementary groups and the shell."""

    def remove_account(self, name: str) -> None: ...
    def service(self, name: str, action: ServiceAction) -> None: ...
    def check_configuration(self, argv: Sequence[str]) -> None:
        """Have a server test its configuration files. Raises: errors.ApplyFailed with what it said."""

    def close(self) -> None: ...


HostEndpoint: TypeAlias = Endpoint[HostReader, HostWriter]
