"""The graph of the applications phase: keys, needs, and which hosts are looked at at all."""

from pathlib import Path
from typing import Any

from flows.applications import applications
from flows.discovery_hosts import hosts
from flows.environment import _settings
from inventory.migration import Item
from inventory.model import Inventory
from inventory.sources import Application, FileShare, Host, Sources, Ssh
from inventory.targets import Server, Targets
from tasks.software.not_yet import RefuseSoftware

SSH = Ssh(address="192.0.2.1", key="env:KEY", known_hosts="known_hosts")


def application(name: str, host: str, **other: Any) -> Application:
    fixed = {"software": "nginx", "content": ("/srv/x",), "port": 80}
    return Application(name=name, host=host, **{**fixed, **other})


def project() -> Inventory:
    server = Server.model_construct(
        name="web-2", ssh=SSH, timezone="UTC", sysctl={}, packages=("curl",), accounts=()
    )
    sources = Sources(
        hosts=tuple(Host(name=name, ssh=SSH) for name in ("web-1", "old-1", "file-1", "nobody-1")),
        applications=(
            application("shop", "web-1", php_fpm=True, uses_databases=("shop-db",)),
            application("blog", "web-1"),
            application("erp", "web-1", software="iis"),
            application("old", "old-1"),
        ),
        file_shares=(FileShare(name="share", host="file-1", path="/srv/share"),),
    )
    items = [
        Item(name=name, kind="application", in_scope=True, target=("web-2",))
        for name in ("shop", "blog", "erp")
    ]
    items.append(Item(name="old", kind="application", in_scope=False, reason="switched off"))
    items.append(Item(name="share", kind="file_share", in_scope=True, target=("bucket",)))
    return Inventory.model_construct(
        folder=Path("/project"),
        sources=sources,
        targets=Targets.model_construct(servers=(server,)),
        migration_list=tuple(items),
    )


def test_keys_and_needs() -> None:
    needs = {step.key: set(step.needs) for step in applications(project())}
    assert needs == {
        "applications/shop/software": {
            "environment/web-2/packages",
            "environment/web-2/accounts",
            "discovery/host/web-1",
        },
        "applications/shop/content": {"applications/shop/software", "discovery/host/web-1"},
        "applications/shop/site": {
            "applications/shop/software",
            "applications/shop/content",
            "databases/shop-db/comparison",
        },
        "applications/blog/software": {
            "environment/web-2/packages",
            "environment/web-2/accounts",
            "discovery/host/web-1",
            "applications/shop/software",
        },
        "applications/blog/content": {"applications/blog/software", "discovery/host/web-1"},
        "applications/blog/site": {"applications/blog/software", "applications/blog/content"},
        "applications/erp/software": set(),
        "applications/erp/content": {"applications/erp/software"},
        "applications/erp/site": {"applications/erp/content"},
    }


def test_software_not_carried_out_stands_in_the_graph_to_be_refused() -> None:
    refused = [step for step in applications(project()) if isinstance(step, RefuseSoftware)]
    assert {step.item for step in refused} == {"erp"}


def test_hosts_of_systems_out_of_scope_are_not_looked_at() -> None:
    assert [step.key for step in hosts(project())] == [
        "discovery/host/web-1",
        "discovery/host/file-1",
        "discovery/host/nobody-1",
    ]


def test_a_servers_settings_wait_for_its_instance() -> None:
    inventory = project()
    steps = _settings(inventory, inventory.targets.servers[0])
    instance = "environment/web-2/instance"
    assert {step.key: step.needs for step in steps} == {
        "environment/web-2/timezone": (instance,),
        "environment/web-2/sysctl": (instance,),
        "environment/web-2/packages": (instance,),
        "environment/web-2/accounts": (instance, "environment/web-2/packages"),
    }


def test_every_step_of_the_phase_is_hashable_by_endpoint() -> None:
    targets = {step.target for step in applications(project()) if not isinstance(step, RefuseSoftware)}  # type: ignore[attr-defined]
    assert len(targets) == 1
