"""A host looked at over SSH: every command passes the list of probes."""

import os
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from core.errors import Unreadable
from core.facts import ABSENT, Absent, Fact, Known
from tasks.hosts import parse
from tasks.hosts.connection import SILENCE_S, Connection, Output
from tasks.hosts.ports import (
    AccountState,
    Disk,
    FileState,
    OperatingSystem,
    Service,
    Socket,
    Tree,
)
from tasks.hosts.probes import APT_LOOKS, require_probe

HASHING_S = 3600.0
"""sha256sum is silent while it reads one large file."""

_NO_SUCH = ("No such file or directory", "Not a directory")
_NOT_INSTALLED = 127


class ProbeShell:
    """The reader's only way to the host: refuses what is no probe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.address = connection.address

    def run(
        self, argv: Sequence[str], stdin: bytes | Iterable[bytes] = b"", silence_s: float = SILENCE_S
    ) -> Output:
        """Run a probe, whatever its exit status. Raises: errors.Refused, errors.Unreadable."""
        require_probe(argv)
        return self._connection.run(argv, stdin, silence_s)

    def ask(
        self, argv: Sequence[str], stdin: bytes | Iterable[bytes] = b"", silence_s: float = SILENCE_S
    ) -> str:
        """Run a probe that must succeed. Raises: errors.Refused, errors.Unreadable."""
        output = self.run(argv, stdin, silence_s)
        if output.status:
            raise self.failed(argv, output)
        return output.text

    def stream(self, argv: Sequence[str], stdin: bytes) -> Iterator[bytes]:
        """Give a probe's output while it runs. Raises: errors.Refused, errors.Unreadable at the end."""
        require_probe(argv)
        command = self._connection.start(argv, stdin)
        yield from command
        if command.status:
            raise self.failed(argv, Output(command.status, b"", command.stderr))

    def failed(self, argv: Sequence[str], output: Output) -> Unreadable:
        what = f"{self.address}: {' '.join(argv[:3])}"
        if output.status == _NOT_INSTALLED:
            return Unreadable(
                f"{what}: the command is not there",
                why="Qianyun reads Debian and Ubuntu hosts with GNU tools.",
            )
        return Unreadable(
            f"{what}: exit status {output.status}: {output.complaint}",
            why="Nothing is concluded from a look that failed.",
        )

    def close(self) -> None:
        self._connection.close()


class SshReader:
    """HostReader over SSH."""

    def __init__(self, connection: Connection) -> None:
        self._shell = ProbeShell(connection)
        self._systemd: bool | None = None

    def close(self) -> None:
        self._shell.close()

    def operating_system(self) -> OperatingSystem:
        facts = parse.os_release(self._shell.ask(["cat", "--", "/etc/os-release"]))
        kernel = self._shell.ask(["uname", "-r"]).strip()
        return OperatingSystem(facts.get("NAME", ""), facts.get("VERSION_ID", ""), kernel)

    def cpu_count(self) -> int:
        return int(self._shell.ask(["nproc", "--all"]))

    def memory_bytes(self) -> int:
        found = parse.memory_bytes(self._shell.ask(["cat", "--", "/proc/meminfo"]))
        if found is None:
            raise Unreadable(f"{self._shell.address}: /proc/meminfo names no MemTotal")
        return found

    def disks(self) -> tuple[Disk, ...]:
        return parse.disks(self._shell.ask(["df", "-B1", f"--output={parse.DF_COLUMNS}"]))

    def sockets(self) -> tuple[Socket, ...]:
        argv = ["ss", "-H", "-l", "-n", "-t", "-u", "-p"]
        output = self._shell.run(argv)
        if output.status == 0:
            return parse.sockets(output.text)
        if output.status != _NOT_INSTALLED:
            raise self._shell.failed(argv, output)
        found: set[Socket] = set()
        for name in ("tcp", "tcp6", "udp", "udp6"):
            text = self.read_file(f"/proc/net/{name}")  # absent without IPv6
            found |= parse.proc_net(text.value.decode(), name[:3]) if isinstance(text, Known) else set()
        return tuple(sorted(found, key=lambda s: (s.protocol, s.port, s.address)))

    def packages(self) -> Mapping[str, str]:
        return parse.packages(self._shell.ask(["dpkg-query", "-W", "-f", parse.DPKG_FORMAT]))

    def candidates(self, names: Collection[str]) -> Mapping[str, str]:
        if not names:
            return {}
        return parse.candidates(self._shell.ask(["apt-cache", *APT_LOOKS, "policy", "--", *sorted(names)]))

    def would_install(self, names: Collection[str]) -> tuple[str, ...]:
        argv = ["apt-get", "--simulate", *APT_LOOKS, "--no-install-recommends", "install", "--"]
        return parse.simulated(self._shell.ask([*argv, *sorted(names)]), "install")

    def would_remove(self, names: Collection[str]) -> tuple[str, ...]:
        argv = ["apt-get", "--simulate", *APT_LOOKS, "purge", "--", *sorted(names)]
        return parse.simulated(self._shell.ask(argv), "remove")

    def has_systemd(self) -> bool:
        """Whether systemd runs the host. Source: sd_booted(3)."""
        if self._systemd is None:
            self._systemd = isinstance(self._entry("/run/systemd/system"), Known)
        return self._systemd

    def services(self) -> tuple[Service, ...]:
        if self.has_systemd():
            quiet = ["--type=service", "--all", "--plain", "--no-legend", "--no-pager", "--full"]
            units = self._shell.ask(["systemctl", "list-units", *quiet])
            files = self._shell.ask(["systemctl", "list-unit-files", *quiet[:1], *quiet[3:5]])
            return parse.systemd_services(units, files)
        return parse.sysv_services(self._shell.ask(["service", "--status-all"]), self._sysv_enabled())

    def service(self, name: str) -> Fact[Service]:
        if self.has_systemd():
            show = ["systemctl", "show", "--property=LoadState,ActiveState,UnitFileState", "--"]
            facts = dict(
                line.partition("=")[::2] for line in self._shell.ask([*show, f"{name}.service"]).splitlines()
            )
            if facts.get("LoadState") == "not-found":
                return ABSENT
            enabled = facts["UnitFileState"].startswith("enabled")
            return Known(Service(name, facts["ActiveState"] == "active", enabled))
        if not isinstance(self._entry(f"/etc/init.d/{name}"), Known):
            return ABSENT
        argv = ["service", name, "status"]
        output = self._shell.run(argv)
        # LSB: 0 runs; 1, 2, 3 do not run; 4 unknown, which Debian's scripts say of what is not installed.
        if output.status > 4:
            raise self._shell.failed(argv, output)
        if output.status == 4:
            return ABSENT
        return Known(Service(name, output.status == 0, name in self._sysv_enabled()))

    def sysctl(self, key: str) -> Fact[str]:
        found = self.read_file(sysctl_path(key))
        return Known(" ".join(found.value.decode().split())) if isinstance(found, Known) else found

    def timezone(self) -> Fact[str]:
        link = self._entry("/etc/localtime")
        if not isinstance(link, Known):
            return link
        zone = link.value.target.partition("zoneinfo/")[2]
        if zone:
            return Known(zone)
        raise Unreadable(
            f"{self._shell.address}: /etc/localtime is no link into zoneinfo",
            why="A copied file does not say which zone it is, so going back could not name it.",
            next_command="ls -l /etc/localtime",
        )

    def account(self, name: str) -> Fact[AccountState]:
        line = self._getent("passwd", name)
        if not isinstance(line, Known):
            return line
        fields = line.value.split(":")
        group = self._shell.ask(["id", "-gn", "--", name]).strip()
        groups = set(self._shell.ask(["id", "-nG", "--", name]).split()) - {group}
        return Known(AccountState(name, int(fields[2]), group, tuple(sorted(groups)), fields[6]))

    def group_exists(self, name: str) -> bool:
        return isinstance(self._getent("group", name), Known)

    def file(self, path: str) -> Fact[FileState]:
        found = self._entry(path)
        if isinstance(found, Known) and found.value.kind == "file":
            sums = parse.checksums(self._shell.ask(["sha256sum", "-z", "--", path], silence_s=HASHING_S))
            return Known(replace(found.value, sha256=sums[path]))
        return found

    def read_file(self, path: str) -> Fact[bytes]:
        argv = ["cat", "--", path]
        output = self._shell.run(argv)
        if output.status == 0:
            return Known(output.stdout)
        return self._absent_or_fail(argv, output)

    def tree(self, path: str) -> Fact[Tree]:
        argv = ["find", path, "-printf", parse.FIND_FORMAT]
        output = self._shell.run(argv, silence_s=HASHING_S)
        if output.status and not output.stdout:
            return self._absent_or_fail(argv, output)
        if output.status:
            raise self._moving(path, output)
        found = dict(parse.entries(output.text))
        files = {name: f"{path}/{name}" if name else path for name, e in found.items() if e.kind == "file"}
        sums = self._checksums(path, files.values())
        return Known(found | {name: replace(found[name], sha256=sums[full]) for name, full in files.items()})

    def pack(self, path: str, names: Sequence[str], owner: str, group: str) -> Iterator[bytes]:
        folder, base = posixpath.split(path)
        listing = os.fsencode("".join(f"{base}/{name}\0" if name else f"{base}\0" for name in names))
        argv = ["tar", "--create", "--file=-", "--format=posix", "--no-recursion", "--null"]
        argv += ["--verbatim-files-from", f"--directory={folder}"]
        # Numbers only where the target lacks the name, and it was asked for before: 65534 is nobody.
        argv += [f"--owner={owner}:65534", f"--group={group}:65534", "--files-from=-"]
        return self._shell.stream(argv, listing)

    def _checksums(self, path: str, files: Iterable[str]) -> dict[str, str]:
        names = os.fsencode("".join(f"{name}\0" for name in files))
        argv = ["xargs", "-0", "-r", "sha256sum", "-z", "--"]
        output = self._shell.run(argv, names, HASHING_S)
        if output.status:
            raise self._moving(path, output)
        return parse.checksums(output.text)

    def _entry(self, path: str) -> Fact[FileState]:
        argv = ["find", path, "-maxdepth", "0", "-printf", parse.FIND_FORMAT]
        output = self._shell.run(argv)
        if output.status == 0:
            return Known(next(parse.entries(output.text))[1])
        return self._absent_or_fail(argv, output)

    def _absent_or_fail(self, argv: Sequence[str], output: Output) -> Absent:
        # A missing command ends with the same words as a missing file.
        if output.status != _NOT_INSTALLED and output.stderr.strip().endswith(_NO_SUCH):
            return ABSENT
        raise self._shell.failed(argv, output)

    def _moving(self, path: str, output: Output) -> Unreadable:
        return Unreadable(
            f"{self._shell.address}: {path}: {output.complaint}",
            why="Not every entry could be read; where one vanished meanwhile, looking again helps.",
            transient=output.stderr.strip().endswith(_NO_SUCH),
        )

    def _getent(self, database: str, name: str) -> Fact[str]:
        argv = ["getent", database, "--", name]
        output = self._shell.run(argv)
        if output.status == 2:  # getent(1): one or more keys not found
            return ABSENT
        if output.status:
            raise self._shell.failed(argv, output)
        return Known(output.text.strip())

    def _sysv_enabled(self) -> set[str]:
        text = self._shell.ask(["find", "/etc/rc2.d", "-name", "S[0-9][0-9]*", "-printf", parse.FIND_FORMAT])
        return {name[3:] for name, _ in parse.entries(text)}


def sysctl_path(key: str) -> str:
    """Where the kernel keeps a setting; in sysctl's notation "." and "/" change places. Source: sysctl(8)."""
    return "/proc/sys/" + key.translate(str.maketrans("./", "/."))
