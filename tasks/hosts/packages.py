"""Packages on a host: install what is missing, and remember exactly what that added."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check
from core.errors import ApplyFailed, Refused, UndoFailed, Unreadable
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from tasks.hosts.keep import Keepsake
from tasks.hosts.ports import HostEndpoint
from tasks.hosts.undoing import undoing

_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]+")
PER_PACKAGE = Duration(8, 30)
REVERSAL = Reversal(
    "compensating",
    "removes exactly the packages that were added; what they upgraded, and what Debian's packages leave "
    "behind when removed (system accounts, /var/www/html), stays",
)


@dataclass(frozen=True)
class PackageFacts:
    """Versions by name: of the wanted ones installed, and of those the repositories offer."""

    installed: Mapping[str, str]
    candidates: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class InstallPackages(Step[PackageFacts]):
    """Wants packages on a server, whatever their version."""

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    server: str
    packages: tuple[str, ...]
    host: HostEndpoint

    @property
    def reversal(self) -> Reversal:
        return REVERSAL

    def inspect(self, reader: Reader) -> PackageFacts:
        require_names(self.server, self.packages)
        look = reader.open(self.host)
        installed = look.packages()
        missing = [name for name in self.packages if name not in installed]
        return PackageFacts(
            {name: installed[name] for name in self.packages if name in installed}, look.candidates(missing)
        )

    def plan(self, facts: PackageFacts) -> Plan:
        missing = [name for name in self.packages if name not in facts.installed]
        if not missing:
            return Plan(nothing_because=f"all {len(self.packages)} packages are installed on {self.server}")
        offered = facts.candidates
        changes = tuple(
            create_package(name, self.server, {"candidate": offered.get(name, "")}) for name in missing
        )
        return Plan(changes, duration=sum((PER_PACKAGE for _ in missing), Duration(5, 30)))

    def apply(self, plan: Plan, writer: Writer) -> None:
        install(writer, self.host, self.key, self.packages)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        return installed_checks(reader, self.host, self.packages)

    def undo(self, plan: Plan, writer: Writer) -> None:
        uninstall(writer, self.host, self.key)


def require_names(server: str, names: Iterable[str]) -> None:
    """Raises: errors.Refused for what could be an option or a version pin instead of a name."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise Refused(f"{server}: {name!r} is no package name", why="Debian Policy, 5.6.7.")


def create_package(name: str, server: str, measures: Mapping[str, str]) -> Change:
    # The version is a measure: package lists are refreshed only when the work begins.
    return Change("create", f"package {name} on {server}", None, {"installed": True}, measures)


def installed_checks(reader: Reader, host: HostEndpoint, names: Iterable[str]) -> tuple[Check, ...]:
    installed = reader.open(host).packages()
    checks = [
        Check.equal(f"package {name}", "installed", "installed" if name in installed else "absent")
        for name in names
    ]
    return tuple(checks) or (Check.equal("packages wanted", 0, 0),)


def install(writer: Writer, endpoint: HostEndpoint, key: str, names: Collection[str]) -> None:
    """Install what is missing, after noting on the host all that will be new.

    Raises: errors.ApplyFailed
    """
    look, host, keepsake = writer.reader.open(endpoint), writer.open(endpoint), Keepsake(key)
    host.refresh_packages()
    installed = look.packages()
    missing = [name for name in names if name not in installed]
    try:
        new = look.would_install(missing) if missing else ()
    except Unreadable as error:
        raise ApplyFailed(
            f"{endpoint.address}: {', '.join(missing)} cannot be installed: {error.detail}",
            why="No package was installed. The host's repositories do not offer them, or they conflict.",
            next_command=f"ssh {endpoint.address.partition(':')[0]} apt-cache policy {' '.join(missing)}",
            transient=error.transient,
        ) from error
    # After a crash the first record stands: what it names and is there now came from us.
    record = keepsake.read(look) or {"paths": {}, "packages": []}
    record["packages"] = sorted({*record["packages"], *new})
    keepsake.write(look, host, record)
    if missing:
        host.install_packages(missing)


def uninstall(writer: Writer, endpoint: HostEndpoint, key: str) -> None:
    """Remove what `install` added and is still there.

    Raises: errors.UndoFailed, also where something else came to depend on it.
    """
    look, keepsake = writer.reader.open(endpoint), Keepsake(key)
    record = keepsake.read(look)
    with undoing(key):
        host = writer.open(endpoint)
        ours = [name for name in record["packages"] if name in look.packages()] if record else []
        if ours:
            foreign = sorted(set(look.would_remove(ours)) - set(ours))
            if foreign:
                raise UndoFailed(
                    f"{key}: removing {', '.join(ours)} would also remove {', '.join(foreign)}",
                    why="Somebody installed these since; they are not ours. Nothing was removed.",
                    next_command=f"apt-get remove {' '.join(foreign)}",
                )
            host.remove_packages(ours)
        keepsake.drop(look, host)
