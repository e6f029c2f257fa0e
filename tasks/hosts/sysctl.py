"""Kernel settings of a host: the running values, and a file that sets them again after a restart."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.access import Reader, Writer
from core.checks import Check
from core.errors import Refused
from core.facts import ABSENT, Fact, Known
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from tasks.hosts.ports import HostEndpoint, HostReader, HostWriter
from tasks.hosts.undoing import undoing

FILE = "/etc/sysctl.d/60-qianyun.conf"
_KEY = re.compile(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)+")
_HEADER = "# Written by Qianyun; sysctl.d(5).\n"
# Earlier folders win over files of the same name in later ones. Source: sysctl.d(5).
_FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")


@dataclass(frozen=True)
class SysctlFacts:
    running: Mapping[str, Fact[str]]
    persisted: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class SetSysctl(Step[SysctlFacts]):
    """Wants kernel settings, running and persisted."""

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    server: str
    values: Mapping[str, str] = field(hash=False)
    host: HostEndpoint

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "sets the values before, running and persisted")

    def inspect(self, reader: Reader) -> SysctlFacts:
        for key in self.values:
            if not _KEY.fullmatch(key):
                raise Refused(f"{self.server}: {key!r} is no name of a kernel setting", why="See sysctl(8).")
        look = reader.open(self.host)
        return SysctlFacts({key: look.sysctl(key) for key in self.values}, _own_file(look))

    def plan(self, facts: SysctlFacts) -> Plan:
        changes = []
        for key, value in self.values.items():
            running, persisted = facts.running[key], facts.persisted.get(key)
            if running == ABSENT:
                raise Refused(
                    f"{self.server} has no kernel setting {key}",
                    why="The name is wrong, or the module that brings it is not loaded.",
                )
            wanted = " ".join(value.split())
            if running != Known(wanted) or persisted != wanted:
                now = running.value if isinstance(running, Known) else None
                before = {"running": now, "persisted": persisted}
                changes.append(Change("change", f"sysctl {key} of {self.server}", before, wanted))
        if not changes:
            return Plan(nothing_because=f"all {len(self.values)} settings of {self.server} are as wanted")
        return Plan(tuple(changes), duration=Duration(1, 5))

    def apply(self, plan: Plan, writer: Writer) -> None:
        look, host = writer.reader.open(self.host), writer.open(self.host)
        wanted = {self._name(change): change.after for change in plan.changes}
        _persist(look, host, {**_own_file(look), **wanted})
        for key, value in wanted.items():
            if look.sysctl(key) != Known(value):
                host.set_sysctl(key, value)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        look = reader.open(self.host)
        effective = persisted(look)
        checks = []
        for key, value in self.values.items():
            wanted, running = " ".join(value.split()), look.sysctl(key)
            actual = running.value if isinstance(running, Known) else "absent"
            checks.append(Check.equal(f"{key}, running", wanted, actual))
            checks.append(Check.equal(f"{key}, after a restart", wanted, effective.get(key, "not set")))
        return tuple(checks) or (Check.equal("settings wanted", 0, len(self.values)),)

    def undo(self, plan: Plan, writer: Writer) -> None:
        with undoing(self.key):
            look, host = writer.reader.open(self.host), writer.open(self.host)
            left = _own_file(look)
            for change in plan.changes:
                left.pop(self._name(change), None)
                if change.before["persisted"] is not None:
                    left[self._name(change)] = change.before["persisted"]
            _persist(look, host, left)
            for change in plan.changes:
                if change.before["running"] is not None:
                    host.set_sysctl(self._name(change), change.before["running"])

    def _name(self, change: Change) -> str:
        return change.object.removeprefix("sysctl ").removesuffix(f" of {self.server}")


def persisted(look: HostReader) -> dict[str, str]:
    """The values a restart would set: files in the order of their names, the last word wins."""
    files: dict[str, str] = {}
    for folder in _FOLDERS:
        found = look.tree(folder)
        if isinstance(found, Known):
            for name in found.value:
                if name.endswith(".conf") and "/" not in name:
                    files.setdefault(name, posixpath.join(folder, name))
    values: dict[str, str] = {}
    for path in [*(files[name] for name in sorted(files)), "/etc/sysctl.conf"]:
        text = look.read_file(path)
        if isinstance(text, Known):
            values.update(settings(text.value.decode(errors="replace")))
    return values


def settings(text: str) -> dict[str, str]:
    """The assignments of a sysctl.d file."""
    pairs = re.findall(r"(?m)^\s*-?([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$", text)
    return {key: " ".join(value.split()) for key, value in pairs}


def _own_file(look: HostReader) -> dict[str, str]:
    found = look.read_file(FILE)
    return settings(found.value.decode(errors="replace")) if isinstance(found, Known) else {}


def _persist(look: HostReader, host: HostWriter, values: Mapping[str, str]) -> None:
    found = look.read_file(FILE)
    if not values:
        if isinstance(found, Known):
            host.remove([FILE], FILE)
        return
    lines = "".join(f"{key} = {value}\n" for key, value in sorted(values.items()))
    content = (_HEADER + lines).encode()
    if found != Known(content):
        host.put_file(FILE, content, mode="644", owner="root", group="root")
