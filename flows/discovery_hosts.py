"""Discovery of hosts: every source host, except those only systems out of scope live on."""

from typing import Any

from core.step import Step
from inventory.model import Inventory
from tasks.hosts.discovery import ReadHost
from tasks.hosts.endpoint import ssh_host


def hosts(inventory: Inventory) -> list[Step[Any]]:
    return [
        ReadHost(key=f"discovery/host/{host.name}", host=ssh_host(host.ssh, inventory.folder))
        for host in inventory.sources.hosts
        if may_be_read(inventory, host.name)
    ]


def may_be_read(inventory: Inventory, host: str) -> bool:
    """Whether looking at this host is covered: something in scope lives there, or nothing listed does."""
    address = inventory.host(host).ssh.address
    tenants = [a.name for a in inventory.sources.applications if a.host == host]
    tenants += [s.name for s in inventory.sources.file_shares if s.host == host]
    tenants += [d.name for d in inventory.sources.databases if d.address == address]
    in_scope = {item.name for item in inventory.migration_list if item.in_scope}
    return not tenants or not in_scope.isdisjoint(tenants)
