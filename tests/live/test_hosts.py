"""Hosts and applications on the practice estate: rehearsed, applied as rehearsed, proved, and taken back."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from core.access import Reader, Writer
from core.checks import Status, overall
from core.errors import ApplyFailed, MigrationError, Refused, Unreadable
from core.facts import Known, unreadable_in
from core.graph import Graph
from core.plan import Plan, step_drift
from core.step import Step
from flows.applications import applications
from flows.discovery_hosts import hosts
from flows.environment import _settings
from inventory.migration import Item
from inventory.model import Inventory
from inventory.sources import Application, Host, Sources, Ssh, Substitution
from inventory.targets import Account, Server, Targets
from lab import faults
from lab.estate import Estate
from lab.processes import inside
from tasks.hosts import endpoint
from tasks.hosts.endpoint import SshHost, ssh_host
from tasks.hosts.packages import InstallPackages
from tasks.hosts.ports import HostReader
from tests.live.conftest import ON_ESTATE

NAME = "livehosts"
pytestmark = ON_ESTATE


def ssh(lab: Estate, host: str) -> Ssh:
    return Ssh(address=lab.address(host), key="file:secrets/ssh_key", known_hosts="secrets/known_hosts")


def host(lab: Estate, name: str) -> SshHost:
    return ssh_host(ssh(lab, name), lab.root)


def project(lab: Estate) -> Inventory:
    """As much of an inventory as the phases of hosts and applications read."""
    shop = Application(
        name="shop",
        host="web-1",
        software="nginx",
        php_fpm=True,
        site="shop",
        port=80,
        health="/health",
        owner="shop",
        content=("/var/www/shop", "/etc/shop", "/etc/php/8.2/fpm/pool.d/shop.conf"),
        substitutions=(
            Substitution(file="/etc/shop/shop.ini", find=lab.address("db-1"), replace=lab.address("db-2")),
        ),
    )
    orders = Application(
        name="orders",
        host="app-1",
        software="tomcat",
        port=8080,
        health="/orders/health",
        owner="tomcat",
        content=("/var/lib/tomcat10/webapps/orders", "/etc/orders", "/etc/default/tomcat10"),
    )
    sources = Sources(
        hosts=(Host(name="web-1", ssh=ssh(lab, "web-1")), Host(name="app-1", ssh=ssh(lab, "app-1"))),
        applications=(shop, orders),
    )
    servers = [
        Server.model_construct(
            name=name,
            ssh=ssh(lab, name),
            timezone="Asia/Shanghai",
            sysctl={"net.core.somaxconn": "2048", "net.ipv4.ip_local_port_range": "10240 65000"},
            packages=("rsync", "less"),
            accounts=(
                Account(name="shop", uid=1500),
                Account(name="deploy", uid=1600, groups=("shop", "release")),
                Account(name="www-data", groups=("shop",), shell="/usr/sbin/nologin"),
            ),
        )
        for name in ("web-2", "app-2")
    ]
    return Inventory.model_construct(
        folder=lab.root,
        sources=sources,
        targets=Targets.model_construct(servers=tuple(servers)),
        migration_list=(
            Item(name="shop", kind="application", in_scope=True, target=("web-2",)),
            Item(name="orders", kind="application", in_scope=True, target=("app-2",)),
        ),
    )


def steps(lab: Estate) -> list[Step[Any]]:
    """All of it in order, without the cloud's instances, which other tests have."""
    inventory = project(lab)
    settings = [step for server in inventory.targets.servers for step in _settings(inventory, server)]
    every = [*hosts(inventory), *settings, *applications(inventory)]
    instances = {need for step in every for need in step.needs if need.endswith("/instance")}
    for step in every:
        object.__setattr__(step, "needs", tuple(need for need in step.needs if need not in instances))
    return list(Graph(every))


def plan(step: Step[Any]) -> Plan:
    reader = Reader()
    try:
        facts = step.inspect(reader)
        assert not list(unreadable_in(facts)), facts
        return step.plan(facts)
    finally:
        reader.close()


def write(step: Step[Any], wished: Plan, verb: str) -> list[str]:
    journal: list[str] = []
    reader = Reader()
    writer = Writer(reader, journal.append)
    try:
        getattr(step, verb)(wished, writer)
    finally:
        writer.close()
        reader.close()
    return journal


def apply(step: Step[Any], wished: Plan) -> list[str]:
    return write(step, wished, "apply")


def status(step: Step[Any]) -> Status:
    reader = Reader()
    try:
        return overall(step.verify(reader))
    finally:
        reader.close()


def condition(look: HostReader) -> dict[str, Any]:
    """What our steps may change on a target."""
    watched = ["/etc/nginx", "/etc/php", "/etc/shop", "/etc/orders", "/etc/default", "/etc/sysctl.d"]
    watched += ["/var/www/shop", "/var/lib/tomcat10", "/var/lib/qianyun", "/etc/localtime", "/etc/timezone"]
    trees = {}
    for path in watched:
        tree = look.tree(path)
        trees[path] = (
            {n: (e.kind, e.mode, e.owner, e.sha256) for n, e in tree.value.items()}
            if isinstance(tree, Known)
            else None
        )
    return {
        **trees,
        "packages": dict(look.packages()),
        "accounts": [look.account(name) for name in ("shop", "deploy", "www-data")],
        "groups": [look.group_exists(name) for name in ("shop", "release")],
        "sysctl": look.sysctl("net.core.somaxconn"),
        "services": look.services(),
    }


def conditions(lab: Estate) -> list[dict[str, Any]]:
    found = []
    for name in ("web-1", "app-1", "web-2", "app-2"):
        look = host(lab, name).open_reader()
        found.append(condition(look))
        look.close()
    return found


def test_a_whole_estate_is_rehearsed_applied_as_rehearsed_and_taken_back(lab: Estate) -> None:
    every = steps(lab)
    before = conditions(lab)
    rehearsed = {step.key: plan(step) for step in every}
    assert conditions(lab) == before, "a rehearsal changes nothing"
    for step in every:
        now = plan(step)
        assert list(step_drift(rehearsed[step.key], now, begun=False)) == [], step.key
        journal = apply(step, now) if now.changes else []
        assert bool(journal) == bool(now.changes), step.key
        assert status(step) is Status.PASS, step.key
    left = {step.key: p for step in every if not (p := plan(step)).is_empty}
    assert not left, left
    assert [status(step) for step in every] == [Status.PASS] * len(every)
    after = conditions(lab)
    assert after[:2] == before[:2], "the sources are as they were"
    for step in reversed(every):
        write(step, rehearsed[step.key], "undo")
    for was, now_is in zip(before, conditions(lab), strict=True):
        assert {part: now_is[part] for part in was if now_is[part] != was[part]} == {}


def test_a_changed_file_on_the_target_is_noticed_and_mended(lab: Estate) -> None:
    every = {step.key: step for step in steps(lab)}
    for step in every.values():
        if step.key.endswith(("web-2/accounts", "shop/software", "shop/content")):
            apply(step, plan(step))
    content = every["applications/shop/content"]
    writer = host(lab, "web-2").open_writer(lambda text: None)
    writer.put_file("/var/www/shop/health.txt", b"0K\n", mode="644", owner="shop", group="shop")
    assert status(content) is Status.FAIL
    again = plan(content)
    assert [change.measures["differing"] for change in again.changes] == [1]
    journal = apply(content, again)
    assert len(journal) == 1, journal
    assert status(content) is Status.PASS
    writer.close()


def test_a_broken_site_is_withdrawn_before_it_is_loaded(lab: Estate) -> None:
    site = next(step for step in steps(lab) if step.key == "applications/shop/site")
    broken = Substitution(file="/etc/nginx/sites-available/shop", find="listen 80", replace="lissten 80")
    content = site.move.content  # type: ignore[attr-defined]
    object.__setattr__(content, "substitutions", (*content.substitutions, broken))
    with pytest.raises(ApplyFailed, match="lissten"):
        apply(site, plan(site))
    look = host(lab, "web-2").open_reader()
    assert not isinstance(look.file("/etc/nginx/sites-enabled/shop"), Known)
    assert isinstance(look.file("/etc/nginx/sites-enabled/default"), Known)
    look.close()


def failure(endpoint: SshHost) -> MigrationError:
    with pytest.raises(MigrationError) as caught:
        endpoint.open_reader()
    return caught.value


def test_a_cut_cable_is_transient_and_a_changed_key_is_refused(lab: Estate) -> None:
    target = host(lab, "app-2")
    faults.cut(lab, "app-2")
    try:
        error = failure(target)
        assert isinstance(error, Unreadable)
        assert error.transient
    finally:
        faults.heal(lab, "app-2")
    faults.change_host_key(lab, "app-2")
    try:
        error = failure(target)
        assert isinstance(error, Refused)
        assert error.detail.count("SHA256:") == 2
    finally:
        faults.restore_host_key(lab, "app-2")
    target.open_reader().close()


def test_a_full_disk_on_the_target_stops_a_copy_and_loses_nothing(lab: Estate) -> None:
    faults.fill_disk(lab, "file-2")
    try:
        writer = host(lab, "file-2").open_writer(lambda text: None)
        with pytest.raises(ApplyFailed, match="No space left") as caught:
            writer.put_file("/data/new", b"x" * 500_000, mode="644", owner="root", group="root")
        assert caught.value.next_command.endswith("df -h")
        writer.close()
    finally:
        faults.free_disk(lab, "file-2")
    look = host(lab, "file-2").open_reader()
    assert not isinstance(look.file("/data/new"), Known)
    look.close()


def test_a_cable_cut_under_a_command_is_noticed_soon(lab: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "KEEPALIVE_S", 1)
    monkeypatch.setattr(endpoint, "DEAD_S", 3)
    line = host(lab, "app-2").connect()
    started = time.monotonic()
    timer = threading.Timer(0.5, faults.cut, (lab, "app-2"))
    timer.start()
    try:
        with pytest.raises(Unreadable) as caught:
            line.run(["sleep", "60"])
        assert caught.value.transient
        assert time.monotonic() - started < 20
    finally:
        timer.join()
        faults.heal(lab, "app-2")


def test_an_installation_cut_off_is_finished_by_the_next_run_and_undone_whole(
    lab: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_ = host(lab, "app-2")
    step = InstallPackages(key="live/app-2/packages", server="app-2", packages=("tomcat10",), host=endpoint_)
    look = endpoint_.open_reader()
    before = dict(look.packages())
    wished = plan(step)
    monkeypatch.setattr(endpoint, "KEEPALIVE_S", 1)
    monkeypatch.setattr(endpoint, "DEAD_S", 3)
    killer = threading.Thread(target=inside, args=(lab, "app-2", ["sh", "-c", KILL_APT]))
    killer.start()
    with pytest.raises(ApplyFailed):
        apply(step, wished)
    killer.join()
    apply(step, plan(step))
    assert status(step) is Status.PASS
    write(step, wished, "undo")
    assert dict(look.packages()) == before
    look.close()


KILL_APT = """until [ -e /var/lib/dpkg/info/tomcat10.list ]; do sleep 0.05; done
for proc in /proc/[0-9]*; do case $(cat "$proc/comm" 2>/dev/null) in
    dpkg|apt-get) kill -9 "${proc#/proc/}" ;; esac; done"""


def test_a_package_script_left_running_by_a_killed_installation_is_waited_for(lab: Estate) -> None:
    script = "/var/lib/dpkg/info/left.postinst"
    inside(
        lab, "app-2", ["sh", "-c", f"printf 'sleep 3; rm {script}' >{script}; sh {script} >/dev/null 2>&1 &"]
    )
    writer = host(lab, "app-2").open_writer(lambda text: None)
    writer.refresh_packages()
    writer.close()
    assert inside(lab, "app-2", ["sh", "-c", f"ls {script} || echo gone"]).strip() == "gone"


def test_another_account_than_root_works_through_sudo(lab: Estate) -> None:
    root = host(lab, "file-2").open_writer(lambda text: None)
    root.install_packages(["sudo"])
    root.add_account("mover", None, "/bin/bash")
    root.make_dir("/home/mover/.ssh")
    public = (lab.secrets / "ssh_key.pub").read_bytes()
    keys = "/home/mover/.ssh/authorized_keys"
    root.put_file(keys, public, mode="644", owner="mover", group="mover")
    mover = replace(host(lab, "file-2"), user="mover")
    with pytest.raises(Unreadable, match="sudo"):
        mover.open_reader().account("root")
    rule = b"mover ALL=(ALL) NOPASSWD: ALL\n"
    root.put_file("/etc/sudoers.d/mover", rule, mode="440", owner="root", group="root")
    look, writer = mover.open_reader(), mover.open_writer(lambda text: None)
    writer.put_file("/root/引用 'x'", b"1", mode="600", owner="root", group="root")
    assert look.read_file("/root/引用 'x'") == Known(b"1")
    assert look.packages()
