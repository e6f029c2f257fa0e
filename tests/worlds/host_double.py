"""A host in memory: files, packages, services, accounts and settings, behind the same ports as SSH."""

import hashlib
import io
import posixpath
import tarfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.access import Endpoint, Journal
from core.errors import ApplyFailed, Unreadable
from core.facts import ABSENT, Fact, Known
from tasks.hosts.ports import (
    AccountState,
    Disk,
    FileState,
    HostReader,
    HostWriter,
    OperatingSystem,
    Service,
    ServiceAction,
    Socket,
    Tree,
)

NOW_S = 1_700_000_000


@dataclass(frozen=True)
class Node:
    """One entry of the file system; `data` is a file's content or a link's target."""

    kind: str = "file"
    data: bytes = b""
    mode: str = "644"
    owner: str = "root"
    group: str = "root"
    mtime_s: int = NOW_S

    def state(self) -> FileState:
        return FileState(
            kind=self.kind,  # type: ignore[arg-type]
            mode="777" if self.kind == "link" else self.mode,
            owner=self.owner,
            group=self.group,
            size_bytes=len(self.data) if self.kind == "file" else 0,
            mtime_s=self.mtime_s,
            sha256=hashlib.sha256(self.data).hexdigest() if self.kind == "file" else "",
            target=self.data.decode() if self.kind == "link" else "",
        )


FOLDER = Node("folder", mode="755")


@dataclass(frozen=True)
class Package:
    """What a package brings when it is installed."""

    version: str
    depends: tuple[str, ...] = ()
    files: Mapping[str, Node] = field(default_factory=dict)
    service: str = ""
    account: str = ""


@dataclass
class Running:
    running: bool = False
    enabled: bool = False
    loaded: str = ""


class FakeHost:
    """The world of one host."""

    def __init__(self, name: str, files: Mapping[str, Node] | None = None) -> None:
        self.name = name
        self.nodes: dict[str, Node] = {"/": FOLDER}
        self.repository: dict[str, Package] = {}
        self.installed: dict[str, str] = {}
        self.services: dict[str, Running] = {}
        self.running_sysctl: dict[str, str] = {"net.core.somaxconn": "4096", "vm.swappiness": "60"}
        self.package_folders: set[str] = set()
        self.accounts: dict[str, AccountState] = {
            "www-data": AccountState("www-data", 33, "www-data", (), "/usr/sbin/nologin")
        }
        self.groups: set[str] = {"www-data"}
        self.readable = True
        self.broken: set[str] = set()
        for path, node in (files or {}).items():
            self.add(path, node)

    def add(self, path: str, node: Node | bytes) -> None:
        """Put an entry there with the folders above it."""
        parent = posixpath.dirname(path)
        if parent not in self.nodes:
            self.add(parent, FOLDER)
        self.nodes[path] = Node(data=node) if isinstance(node, bytes) else node

    def below(self, path: str) -> list[str]:
        return sorted(p for p in self.nodes if p == path or p.startswith(path.rstrip("/") + "/"))

    def configuration(self) -> str:
        """Stands for what a service reads when it loads."""
        seen = {p: n for p, n in self.nodes.items() if p.startswith(("/etc/", "/var/lib/tomcat10/"))}
        return hashlib.sha256(repr(sorted(seen.items())).encode()).hexdigest()

    def install(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self.installed:
                continue
            package = self.repository[name]
            self.install(package.depends)
            self.installed[name] = package.version
            before = set(self.nodes)
            for path, node in package.files.items():
                self.add(path, node)
            self.package_folders |= self.nodes.keys() - before - package.files.keys()
            if package.account:
                self.groups.add(package.account)
                self.accounts[package.account] = AccountState(
                    package.account, 999, package.account, (), "/usr/sbin/nologin"
                )
        for name in names:
            if service := self.repository[name].service:
                self.services.setdefault(service, Running(True, True, self.configuration()))

    def snapshot(self) -> object:
        services = {n: (s.running, s.enabled, s.loaded) for n, s in self.services.items()}
        return (
            dict(self.nodes),
            dict(self.installed),
            services,
            dict(self.running_sysctl),
            dict(self.accounts),
            set(self.groups),
        )


class FakeReader:
    def __init__(self, host: FakeHost) -> None:
        self._host = host

    def _look(self, what: str) -> FakeHost:
        if not self._host.readable or what in self._host.broken:
            raise Unreadable(f"{self._host.name}: {what}: permission denied")
        return self._host

    def close(self) -> None:
        return None

    def operating_system(self) -> OperatingSystem:
        self._look("operating_system")
        return OperatingSystem("Debian GNU/Linux", "12", "6.1.0")

    def cpu_count(self) -> int:
        self._look("cpu_count")
        return 2

    def memory_bytes(self) -> int:
        self._look("memory_bytes")
        return 1 << 30

    def disks(self) -> tuple[Disk, ...]:
        self._look("disks")
        return (Disk("/", "ext4", 1 << 34, 1 << 30),)

    def sockets(self) -> tuple[Socket, ...]:
        self._look("sockets")
        return (Socket("tcp", "0.0.0.0", 22, "sshd"),)

    def packages(self) -> Mapping[str, str]:
        return dict(self._look("packages").installed)

    def candidates(self, names: Collection[str]) -> Mapping[str, str]:
        repository = self._look("packages").repository
        return {name: repository[name].version for name in names if name in repository}

    def would_install(self, names: Collection[str]) -> tuple[str, ...]:
        host = self._look("packages")
        found: set[str] = set()
        queue = list(names)
        while queue:
            name = queue.pop()
            if name not in host.repository:
                raise Unreadable(f"E: Unable to locate package {name}")
            if name not in host.installed and name not in found:
                found.add(name)
                queue.extend(host.repository[name].depends)
        return tuple(sorted(found))

    def would_remove(self, names: Collection[str]) -> tuple[str, ...]:
        host, gone = self._look("packages"), set(names)
        while more := {n for n in host.installed if n not in gone and gone & set(host.repository[n].depends)}:
            gone |= more
        return tuple(sorted(gone))

    def services(self) -> tuple[Service, ...]:
        services = self._look("services").services
        return tuple(Service(n, s.running, s.enabled) for n, s in services.items()) or (
            Service("ssh", True, True),
        )

    def service(self, name: str) -> Fact[Service]:
        found = self._look("services").services.get(name)
        return Known(Service(name, found.running, found.enabled)) if found else ABSENT

    def sysctl(self, key: str) -> Fact[str]:
        values = self._look("sysctl").running_sysctl
        return Known(values[key]) if key in values else ABSENT

    def timezone(self) -> Fact[str]:
        found = self.file("/etc/localtime")
        return Known(found.value.target.partition("zoneinfo/")[2]) if isinstance(found, Known) else ABSENT

    def account(self, name: str) -> Fact[AccountState]:
        found = self._look("accounts").accounts.get(name)
        return Known(found) if found else ABSENT

    def group_exists(self, name: str) -> bool:
        return name in self._look("accounts").groups

    def file(self, path: str) -> Fact[FileState]:
        found = self._look("files").nodes.get(path)
        return Known(found.state()) if found else ABSENT

    def read_file(self, path: str) -> Fact[bytes]:
        found = self._look("files").nodes.get(path)
        return Known(found.data) if found else ABSENT

    def tree(self, path: str) -> Fact[Tree]:
        host = self._look("files")
        entries = {p[len(path) :].lstrip("/"): host.nodes[p].state() for p in host.below(path)}
        return Known(entries) if entries else ABSENT

    def pack(self, path: str, names: Sequence[str], owner: str, group: str) -> Iterator[bytes]:
        host, stream = self._look("files"), io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name in names:
                node = host.nodes[f"{path}/{name}" if name else path]
                entry = tarfile.TarInfo(f"{posixpath.basename(path)}/{name}".rstrip("/"))
                entry.uname, entry.gname = owner, group
                entry.mode, entry.mtime = int(node.mode, 8), node.mtime_s
                entry.type = {"folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}.get(
                    node.kind, tarfile.REGTYPE
                )
                if node.kind == "link":
                    entry.linkname = node.data.decode()
                entry.size = len(node.data) if node.kind == "file" else 0
                tar.addfile(entry, io.BytesIO(node.data) if node.kind == "file" else None)
        yield stream.getvalue()


class FakeWriter:
    def __init__(self, host: FakeHost, journal: Journal) -> None:
        self._host = host
        self._note = journal

    def close(self) -> None:
        return None

    def _journal(self, text: str) -> None:
        self._note(f"{self._host.name}: {text}")

    def _place(self, path: str, node: Node) -> None:
        if posixpath.dirname(path) not in self._host.nodes:
            raise ApplyFailed(f"{path}: No such file or directory")
        self._drop(path)
        self._host.nodes[path] = node

    def _drop(self, path: str) -> None:
        for below in self._host.below(path):
            del self._host.nodes[below]

    def put_file(
        self, path: str, content: bytes, *, mode: str, owner: str, group: str, mtime_s: int | None = None
    ) -> None:
        self._journal(f"put {path}")
        self._place(path, Node("file", content, mode, owner, group, NOW_S if mtime_s is None else mtime_s))

    def link(self, path: str, target: str) -> None:
        self._journal(f"link {path}")
        self._place(path, Node("link", target.encode()))

    def make_dir(self, path: str) -> None:
        self._journal(f"make folder {path}")
        if path not in self._host.nodes:
            self._host.add(path, FOLDER)

    def remove(self, paths: Sequence[str], what: str) -> None:
        self._journal(f"remove {what}")
        for path in paths:
            self._drop(path)

    def remove_empty_dir(self, path: str) -> None:
        self._journal(f"remove folder {path} if empty")
        if self._host.below(path) == [path]:
            self._drop(path)

    def copy(self, path: str, to: str) -> None:
        self._journal(f"copy {path} to {to}")
        copies = {to + p[len(path) :]: self._host.nodes[p] for p in self._host.below(path)}
        self._drop(to)
        self._host.nodes |= copies

    def unpack(self, path: str, chunks: Iterable[bytes], what: str) -> None:
        self._journal(f"unpack {what}")
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            for entry in tar:
                where = posixpath.join(posixpath.dirname(path), entry.name)
                kind = "folder" if entry.isdir() else "link" if entry.issym() else "file"
                source = tar.extractfile(entry) if kind == "file" else None
                data = source.read() if source else entry.linkname.encode()
                node = Node(kind, data, f"{entry.mode:o}", entry.uname, entry.gname, int(entry.mtime))
                if kind == "folder":
                    self._host.add(where, replace(node, data=b""))
                else:
                    self._host.add(where, node)

    def set_sysctl(self, key: str, value: str) -> None:
        self._journal(f"sysctl {key}")
        self._host.running_sysctl[key] = value

    def refresh_packages(self) -> None:
        self._journal("refresh package lists")

    def install_packages(self, names: Collection[str]) -> None:
        self._journal(f"install {', '.join(names)}")
        self._host.install(names)

    def remove_packages(self, names: Collection[str]) -> None:
        self._journal(f"remove {', '.join(names)}")
        host = self._host
        for name in names:
            del host.installed[name]
            package = host.repository[name]
            for path in sorted(package.files, reverse=True):
                self._drop(path)
                while (path := posixpath.dirname(path)) in host.package_folders and host.below(path) == [
                    path
                ]:
                    self._drop(path)
            host.services.pop(package.service, None)
            if package.account:
                host.accounts.pop(package.account)
                host.groups.discard(package.account)

    def add_group(self, name: str) -> None:
        self._journal(f"add group {name}")
        self._host.groups.add(name)

    def remove_group(self, name: str) -> None:
        self._journal(f"remove group {name}")
        self._host.groups.discard(name)

    def add_account(self, name: str, uid: int | None, shell: str) -> None:
        self._journal(f"add account {name}")
        self._host.groups.add(name)
        self._host.accounts[name] = AccountState(name, 2000 if uid is None else uid, name, (), shell)

    def change_account(self, name: str, groups: Sequence[str], shell: str) -> None:
        self._journal(f"change account {name}")
        if not set(groups) <= self._host.groups:
            raise ApplyFailed(f"usermod: group {groups} does not exist")
        self._host.accounts[name] = replace(
            self._host.accounts[name], groups=tuple(sorted(groups)), shell=shell
        )

    def remove_account(self, name: str) -> None:
        self._journal(f"remove account {name}")
        del self._host.accounts[name]
        if not any(name in account.groups for account in self._host.accounts.values()):
            self._host.groups.discard(name)

    def service(self, name: str, action: ServiceAction) -> None:
        self._journal(f"{action} {name}")
        state = self._host.services[name]
        if action in ("enable", "disable"):
            state.enabled = action == "enable"
        elif action == "stop":
            state.running, state.loaded = False, ""
        else:
            state.running, state.loaded = True, self._host.configuration()

    def check_configuration(self, argv: Sequence[str]) -> None:
        self._journal(" ".join(argv))
        enabled = [n for p, n in self._host.nodes.items() if p.startswith("/etc/nginx/sites-enabled/")]
        for link in enabled:
            site = self._host.nodes.get(link.data.decode())
            if argv[0] == "nginx" and (site is None or b"BROKEN" in site.data):
                raise ApplyFailed(f"{self._host.name}: nginx -t: unknown directive")


@dataclass(frozen=True)
class FakeEndpoint(Endpoint[HostReader, HostWriter]):
    host: FakeHost

    @property
    def address(self) -> str:
        return f"root@{self.host.name}"

    def open_reader(self) -> HostReader:
        if not self.host.readable:
            raise Unreadable(f"{self.host.name}: connection refused", transient=True)
        return FakeReader(self.host)

    def open_writer(self, journal: Journal) -> HostWriter:
        return FakeWriter(self.host, journal)


class HostWorld:
    """Some hosts together, and how to damage what the step under test made on them."""

    def __init__(self, hosts: Sequence[FakeHost], damage: Any) -> None:
        self.hosts = hosts
        self._damage = damage

    def snapshot(self) -> object:
        return [host.snapshot() for host in self.hosts]

    def make_unreadable(self) -> None:
        for host in self.hosts:
            host.readable = False

    def disturb(self) -> None:
        self._damage()

    def close(self) -> None:
        return None
