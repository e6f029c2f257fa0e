"""Phase 4, applications: their software installed, their files moved, their sites answering."""

from typing import Any

from core.step import Step
from inventory.model import Inventory
from inventory.sources import Application
from inventory.targets import Server
from tasks.hosts.endpoint import ssh_host
from tasks.software.content import Content, MoveContent
from tasks.software.install import InstallSoftware
from tasks.software.not_yet import RefuseSoftware
from tasks.software.registry import NOT_YET
from tasks.software.site import ConfigureSite
from tasks.software.web import WebServer


def applications(inventory: Inventory) -> list[Step[Any]]:
    steps: list[Step[Any]] = []
    on_server: dict[str, list[InstallSoftware]] = {}
    for item in inventory.in_scope("application"):
        app, server = inventory.application(item.name), inventory.server(item.target[0])
        if app.software in NOT_YET:
            steps.extend(_refused(app))
            continue
        earlier = on_server.setdefault(server.name, [])
        install = _install(inventory, app, server, tuple(earlier))
        earlier.append(install)
        steps.extend([install, *_moved(inventory, app, server, install)])
    return steps


def _install(
    inventory: Inventory, app: Application, server: Server, earlier: tuple[InstallSoftware, ...]
) -> InstallSoftware:
    there = f"environment/{server.name}"
    return InstallSoftware(
        key=f"applications/{app.name}/software",
        # apt runs once at a time on a server, and what came first decides what the later one adds.
        needs=(
            f"{there}/packages",
            f"{there}/accounts",
            f"discovery/host/{app.host}",
            *(step.key for step in earlier[-1:]),
        ),
        item=app.name,
        server=server.name,
        software=("php-fpm", app.software) if app.php_fpm else (app.software,),
        server_packages=server.packages,
        earlier=earlier,
        source=ssh_host(inventory.host(app.host).ssh, inventory.folder),
        target=ssh_host(server.ssh, inventory.folder),
    )


def _moved(
    inventory: Inventory, app: Application, server: Server, install: InstallSoftware
) -> list[Step[Any]]:
    here = f"applications/{app.name}"
    move = MoveContent(
        key=f"{here}/content",
        needs=(install.key, f"discovery/host/{app.host}"),
        item=app.name,
        server=server.name,
        content=Content(app.content, app.owner, app.substitutions),
        source=install.source,
        target=install.target,
    )
    site = ConfigureSite(
        key=f"{here}/site",
        needs=(move.key, install.key, *(f"databases/{db}/comparison" for db in app.uses_databases)),
        item=app.name,
        server=server.name,
        software=install.software,
        site=app.site,
        health=app.health,
        move=move,
        source=install.source,
        target=install.target,
        web=WebServer(server.ssh.address, app.port),
    )
    return [move, site]


def _refused(app: Application) -> list[Step[Any]]:
    keys = [f"applications/{app.name}/{part}" for part in ("software", "content", "site")]
    return [
        RefuseSoftware(key=key, needs=tuple(keys[:at][-1:]), item=app.name, software=app.software)
        for at, key in enumerate(keys)
    ]
