"""Application software on the target: the packages the source has, with versions compared."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check
from core.errors import Refused
from core.plan import Duration, Plan
from core.step import Reversal, Step
from tasks.hosts.packages import (
    PER_PACKAGE,
    REVERSAL,
    create_package,
    install,
    installed_checks,
    require_names,
    uninstall,
)
from tasks.hosts.ports import HostEndpoint, HostReader
from tasks.software.registry import SOFTWARE


@dataclass(frozen=True)
class SoftwareFacts:
    """Versions by package name: on the source, on the target, and on offer for the target.

    `elsewhere` are packages that other steps of the graph want there before this one.
    """

    source: Mapping[str, str]
    installed: Mapping[str, str]
    candidates: Mapping[str, str]
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InstallSoftware(Step[SoftwareFacts]):
    """Wants on the target the packages of this software which the source has.

    What the server's own `packages` and `earlier` applications on it bring is not planned again: else
    the plan made before they run would not be the plan made after.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    server: str
    software: tuple[str, ...]
    server_packages: tuple[str, ...] = ()
    earlier: "tuple[InstallSoftware, ...]" = ()
    source: HostEndpoint
    target: HostEndpoint

    @property
    def reversal(self) -> Reversal:
        return REVERSAL

    def inspect(self, reader: Reader) -> SoftwareFacts:
        source, target = reader.open(self.source), reader.open(self.target)
        wanted = self._wanted(source)
        installed = target.packages()
        missing = [name for name in wanted if name not in installed]
        return SoftwareFacts(
            source=wanted,
            installed={name: installed[name] for name in wanted if name in installed},
            candidates=target.candidates(missing),
            elsewhere=self._elsewhere(reader),
        )

    def _elsewhere(self, reader: Reader) -> tuple[str, ...]:
        names = set(self.server_packages)
        for step in self.earlier:
            names |= step._wanted(reader.open(step.source)).keys()
        return tuple(sorted(names))

    def _wanted(self, source: HostReader) -> dict[str, str]:
        found = source.packages()
        wanted: dict[str, str] = {}
        for name in self.software:
            names = SOFTWARE[name].packages(found)
            if not names:
                raise Refused(
                    f"{self.item}: {self.source.address} has no package of {name}",
                    why="Software installed without packages cannot be compared or moved by this version.",
                    next_command=f"ssh {self.source.address.partition(':')[0]} dpkg -l",
                )
            wanted |= {package: found[package] for package in names}
        require_names(self.server, wanted)
        return wanted

    def plan(self, facts: SoftwareFacts) -> Plan:
        missing = [n for n in facts.source if n not in facts.installed and n not in facts.elsewhere]
        if not missing:
            return Plan(nothing_because=f"{', '.join(facts.source)} are there or another step brings them")
        changes = tuple(
            create_package(name, self.server, compared(facts.source[name], facts.candidates.get(name, "")))
            for name in missing
        )
        return Plan(changes, duration=sum((PER_PACKAGE for _ in missing), Duration(5, 30)))

    def apply(self, plan: Plan, writer: Writer) -> None:
        names = [change.object.removeprefix("package ").partition(" on ")[0] for change in plan.changes]
        install(writer, self.target, self.key, names)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        return installed_checks(reader, self.target, self._wanted(reader.open(self.source)))

    def undo(self, plan: Plan, writer: Writer) -> None:
        uninstall(writer, self.target, self.key)


def compared(source: str, candidate: str) -> dict[str, str]:
    """Both versions, and which part of them differs: "major", "minor", "" or "not on offer"."""
    versions = {"source_version": source, "candidate_version": candidate}
    if not candidate:
        return {**versions, "differs": "not on offer"}
    old, new = _release(source), _release(candidate)
    differs = "major" if old[:1] != new[:1] else "minor" if old[:2] != new[:2] else ""
    return {**versions, "differs": differs}


def _release(version: str) -> list[str]:
    # An epoch ("2:8.2+93") counts repackagings and says nothing about the software's release.
    return re.findall(r"\d+", version.rpartition(":")[2])[:2]
