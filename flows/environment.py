"""Phase 3, environment: servers and buckets in the cloud, and the operating systems' settings."""

from typing import Any

from core.step import Step
from flows.databases import move_of
from flows.dms import dms_set_up
from flows.instances import buckets, instances
from inventory.model import Inventory
from inventory.targets import Server
from tasks.hosts.accounts import SetAccounts
from tasks.hosts.endpoint import ssh_host
from tasks.hosts.packages import InstallPackages
from tasks.hosts.sysctl import SetSysctl
from tasks.hosts.timezone import SetTimezone


def environment(inventory: Inventory) -> list[Step[Any]]:
    settings = [step for server in inventory.targets.servers for step in _settings(inventory, server)]
    return [*instances(inventory), *buckets(inventory), *settings, *_replications(inventory)]


def _replications(inventory: Inventory) -> list[Step[Any]]:
    items = [item for item in inventory.in_scope("database") if item.method == "dms"]
    return [step for item in items for step in dms_set_up(inventory, item, move_of(inventory, item))]


def _settings(inventory: Inventory, server: Server) -> list[Step[Any]]:
    here = f"environment/{server.name}"
    host = ssh_host(server.ssh, inventory.folder)
    needs = (f"{here}/instance",)
    return [
        SetTimezone(
            key=f"{here}/timezone", needs=needs, server=server.name, timezone=server.timezone, host=host
        ),
        SetSysctl(key=f"{here}/sysctl", needs=needs, server=server.name, values=server.sysctl, host=host),
        InstallPackages(
            key=f"{here}/packages", needs=needs, server=server.name, packages=server.packages, host=host
        ),
        # After the packages: both lock /etc/passwd, and packages bring groups that accounts join.
        SetAccounts(
            key=f"{here}/accounts",
            needs=(*needs, f"{here}/packages"),
            server=server.name,
            accounts=server.accounts,
            host=host,
        ),
    ]
