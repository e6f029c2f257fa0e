"""Steps on a single host, upon a double of one."""

from collections.abc import Callable
from typing import Any

from core.step import Step
from inventory.targets import Account
from tasks.hosts.accounts import SetAccounts
from tasks.hosts.discovery import ReadHost
from tasks.hosts.packages import InstallPackages
from tasks.hosts.ports import AccountState
from tasks.hosts.sysctl import FILE, SetSysctl
from tasks.hosts.timezone import SetTimezone
from tests.contract.case import Case, World
from tests.worlds.host_double import FakeEndpoint, FakeHost, HostWorld, Node, Package


def bare_host(name: str = "web-2") -> FakeHost:
    host = FakeHost(
        name,
        {
            "/etc/localtime": Node("link", b"/usr/share/zoneinfo/Etc/UTC"),
            "/etc/timezone": Node(data=b"Etc/UTC\n"),
            "/usr/share/zoneinfo/Asia/Shanghai": Node(data=b"TZif2"),
            "/var/lib": Node("folder", mode="755"),
        },
    )
    host.repository = {
        "curl": Package("7.88", ("libcurl4",), {"/usr/bin/curl": Node(mode="755")}),
        "libcurl4": Package("7.88"),
        "rsync": Package("3.2.7"),
    }
    return host


def _read() -> tuple[Step[Any], World]:
    host = bare_host()
    host.installed = {"rsync": "3.2.7"}
    step = ReadHost(key="discovery/host/web-1", host=FakeEndpoint(host))
    return step, HostWorld([host], lambda: host.broken.add("sockets"))


def _timezone(before: Callable[[FakeHost], object] = lambda host: None) -> tuple[Step[Any], World]:
    host = bare_host()
    before(host)
    step = SetTimezone(
        key="environment/web-2/timezone",
        server="web-2",
        timezone="Asia/Shanghai",
        host=FakeEndpoint(host),
    )

    def damage() -> None:
        host.nodes["/etc/timezone"] = Node(data=b"Etc/UTC\n")

    return step, HostWorld([host], damage)


def _no_zone(host: FakeHost) -> None:
    del host.nodes["/etc/localtime"], host.nodes["/etc/timezone"]


def _sysctl(existing: bytes = b"") -> tuple[Step[Any], World]:
    host = bare_host()
    host.add("/etc/sysctl.d/README", b"")
    if existing:
        host.add(FILE, existing)
    step = SetSysctl(
        key="environment/web-2/sysctl",
        server="web-2",
        values={"net.core.somaxconn": "1024", "vm.swappiness": "10"},
        host=FakeEndpoint(host),
    )
    # Running as wanted, but another file would win after a restart: only half of the truth is right.
    return step, HostWorld([host], lambda: host.add("/etc/sysctl.d/99-local.conf", b"vm.swappiness=60\n"))


def _packages() -> tuple[Step[Any], World]:
    host = bare_host()
    host.install(["rsync"])
    step = InstallPackages(
        key="environment/web-2/packages",
        server="web-2",
        packages=("curl", "rsync"),
        host=FakeEndpoint(host),
    )
    return step, HostWorld([host], lambda: host.installed.pop("curl"))


def _accounts() -> tuple[Step[Any], World]:
    host = bare_host()
    host.accounts["clerk"] = AccountState("clerk", 1001, "clerk", ("mail",), "/bin/sh")
    host.groups |= {"clerk", "mail"}
    step = SetAccounts(
        key="environment/web-2/accounts",
        server="web-2",
        accounts=(
            Account(name="deploy", uid=1500, groups=("www-data", "release")),
            Account(name="clerk", groups=("release", "deploy")),
        ),
        host=FakeEndpoint(host),
    )
    return step, HostWorld([host], lambda: host.accounts.pop("deploy"))


CASES = [
    Case("hosts/read", _read),
    Case("hosts/timezone", _timezone),
    Case("hosts/timezone-never-set", lambda: _timezone(_no_zone)),
    Case("hosts/sysctl", _sysctl),
    Case(
        "hosts/sysctl-over-older-values",
        lambda: _sysctl(b"# Written by Qianyun; sysctl.d(5).\nvm.swappiness = 20\n"),
    ),
    Case("hosts/packages", _packages),
    Case("hosts/accounts", _accounts),
]
