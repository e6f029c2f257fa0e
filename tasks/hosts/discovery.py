"""Reading a host: what it is, what it stores, what listens and what is installed."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeVar

from core import errors
from core.access import Reader
from core.checks import Check, Status
from core.facts import Fact, Known, Unreadable
from core.step import ReadingStep
from tasks.hosts.ports import Disk, HostEndpoint, OperatingSystem, Service, Socket

T = TypeVar("T")


@dataclass(frozen=True)
class HostFacts:
    """What was found on a host. Shape: packages are name to version."""

    operating_system: Fact[OperatingSystem]
    cpu_count: Fact[int]
    memory_bytes: Fact[int]
    disks: Fact[tuple[Disk, ...]]
    sockets: Fact[tuple[Socket, ...]]
    packages: Fact[dict[str, str]]
    services: Fact[tuple[Service, ...]]
    timezone: Fact[str]


@dataclass(frozen=True, kw_only=True)
class ReadHost(ReadingStep[HostFacts]):
    """Records one host of the source side."""

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    host: HostEndpoint

    def inspect(self, reader: Reader) -> HostFacts:
        look = reader.open(self.host)
        return HostFacts(
            operating_system=_fact(look.operating_system),
            cpu_count=_fact(look.cpu_count),
            memory_bytes=_fact(look.memory_bytes),
            disks=_fact(look.disks),
            sockets=_fact(look.sockets),
            packages=_fact(lambda: dict(look.packages())),
            services=_fact(look.services),
            timezone=_flat(_fact(look.timezone)),
        )

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        return tuple(_readable(field.name, getattr(facts, field.name)) for field in fields(facts))


def _fact(look: Callable[[], T]) -> Fact[T]:
    """One unreadable part does not hide the others."""
    try:
        return Known(look())
    except errors.Unreadable as error:
        if error.transient:
            raise
        return Unreadable(error.detail)


def _flat(fact: Fact[Fact[T]]) -> Fact[T]:
    return fact.value if isinstance(fact, Known) else fact


def _readable(name: str, fact: Fact[object]) -> Check:
    if isinstance(fact, Unreadable):
        return Check(f"{name} readable", Status.ERROR, "readable", fact.reason)
    empty = isinstance(fact, Known) and fact.value in (0, (), {})
    status = Status.FAIL if empty else Status.PASS
    return Check(f"{name} readable", status, "readable", "nothing" if empty else "read")
