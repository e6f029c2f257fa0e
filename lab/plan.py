"""The address plan: which hosts an instance has, where they are and what they answer."""

import os
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabUnavailable

KNOWN_PREFIXES = {"demo": 77, "test": 79}
NAME = re.compile(r"[a-z][a-z0-9-]{0,20}")
DATA_DISK_MB = 256


@dataclass(frozen=True)
class Host:
    """One host of the plan.

    `layers` are the image layers of its root, topmost first; none means the host shares the machine's
    root and runs `module` of this package instead of an init.
    """

    name: str
    side: str
    role: str
    tail: str
    layers: tuple[str, ...] = ()
    ports: tuple[tuple[str, int], ...] = ()
    server_id: int = 0
    disk: str = ""
    module: str = ""


SSH = ("ssh", 22)
HOSTS = (
    Host("db-1", "source", "database", "1.13", ("shop", "db", "base"), (SSH, ("mariadb", 3306)), 113),
    Host("app-1", "source", "application", "1.12", ("app", "base"), (SSH, ("tomcat10", 8080))),
    Host("db-2", "target", "database", "2.13", ("db", "base"), (SSH, ("mariadb", 3306)), 213),
    Host("cloud", "target", "cloud", "2.250", ports=(("moto", 5000),), module="lab.cloud"),
    Host("web-1", "source", "web", "1.11", ("web", "base"), (SSH, ("nginx", 80))),
    Host("mail", "source", "mail", "1.250", ports=(("smtp", 25),), module="lab.mailbox"),
    Host("file-1", "source", "file", "1.14", ("file", "base"), (SSH,)),
    Host("web-2", "target", "web", "2.11", ("base",), (SSH,)),
    Host("app-2", "target", "application", "2.12", ("base",), (SSH,)),
    Host("file-2", "target", "file", "2.14", ("base",), (SSH,), disk=f"/data:{DATA_DISK_MB}m"),
)
"""Slowest to start first: two cores start them in this order."""


def state_root() -> Path:
    """Give the directory of all instances."""
    return Path(os.environ.get("QIANYUN_LAB_STATE", "/var/lib/qianyun-lab"))


def prefix_of(name: str) -> int:
    """Give the second byte of an instance's network 10.N.0.0/16, the same for a name every time."""
    return KNOWN_PREFIXES.get(name, 81 + zlib.crc32(name.encode()) % 159)


@dataclass(frozen=True)
class Estate:
    """One instance: its addresses and where its things lie on this machine."""

    name: str
    prefix: int
    root: Path
    hosts: tuple[Host, ...] = field(default=HOSTS)

    @property
    def bridge(self) -> str:
        return f"qy{self.prefix}"

    @property
    def gateway(self) -> str:
        """This machine's address on the bridge."""
        return f"10.{self.prefix}.0.1"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def mailbox(self) -> Path:
        return self.root / "mailbox"

    @property
    def cloud_url(self) -> str:
        return f"http://{self.address('cloud')}:5000"

    def host(self, name: str) -> Host:
        """Find a host by name. Raises: LabUnavailable, naming those there are."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise LabUnavailable(f"no host {name!r}; there are {', '.join(h.name for h in self.hosts)}")

    def address(self, name: str) -> str:
        return f"10.{self.prefix}.{self.host(name).tail}"

    def directory(self, name: str) -> Path:
        """Where a host's overlay lies."""
        return self.root / "hosts" / name

    def link(self, name: str) -> str:
        """The host's end of the cable in the bridge; Linux allows 15 characters."""
        return f"{self.bridge}-{name}"

    def mark(self, name: str) -> str:
        """What a host's first process carries in its environment, by which it is found again."""
        return f"{self.name}/{name}"


def estate(name: str = "demo") -> Estate:
    """Describe an instance, running or not. Raises: LabUnavailable for a name that cannot be one."""
    if not NAME.fullmatch(name):
        raise LabUnavailable(
            f"{name!r} cannot name an instance",
            why="A name has lower-case letters, digits and hyphens, 21 at most, and starts with a letter.",
        )
    return Estate(name, prefix_of(name), state_root() / name)
