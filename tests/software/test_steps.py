"""Moving an application: what is planned before and after the software is there, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest

from core.access import Reader, Writer
from core.checks import Status, overall
from core.errors import ApplyFailed, Refused, Unreadable
from core.plan import Plan, step_drift
from core.step import Step
from inventory.sources import Substitution
from tasks.software import place, site
from tasks.software.content import Content
from tasks.software.install import InstallSoftware
from tasks.software.not_yet import RefuseSoftware
from tests.worlds.host_double import FOLDER, FakeEndpoint, FakeHost, FakeReader, Node
from tests.worlds.software import SHOP, SITE, SOFTWARE, move, moved_hosts, source_host, target_host
from tests.worlds.software import site as configure


def plan(step: Step[Any]) -> Plan:
    found: Plan = step.plan(step.inspect(Reader()))
    return found


def write(step: Step[Any], verb: str, wished: Plan) -> list[str]:
    journal: list[str] = []
    getattr(step, verb)(wished, Writer(Reader(), journal.append))
    return journal


def install(source: FakeHost, target: FakeHost, **other: Any) -> InstallSoftware:
    step = InstallSoftware(
        key="applications/shop/software",
        item="shop",
        server="web-2",
        software=SOFTWARE,
        source=FakeEndpoint(source),
        target=FakeEndpoint(target),
    )
    return replace(step, **other)


def test_the_rehearsed_plans_are_those_made_when_the_software_is_there() -> None:
    source, target = source_host(), target_host(software=False)
    steps: list[Step[Any]] = [install(source, target), move(source, target), configure(source, target)]
    rehearsed = [plan(step) for step in steps]
    for step, before in zip(steps, rehearsed, strict=True):
        now = plan(step)
        assert list(step_drift(before, now, begun=False)) == [], step.key
        write(step, "apply", now)
    assert all(plan(step).is_empty for step in steps)
    assert overall(check for step in steps for check in step.verify(Reader())) is Status.PASS
    for step, before in zip(reversed(steps), reversed(rehearsed), strict=True):
        write(step, "undo", before)
    assert target.snapshot() == target_host(software=False).snapshot()


def test_versions_are_shown_but_not_approved() -> None:
    source, target = source_host(), target_host(software=False)
    changes = {change.object: change for change in plan(install(source, target)).changes}
    nginx = changes["package nginx on web-2"]
    assert nginx.after == {"installed": True}
    assert nginx.measures["differs"] == "minor"


def test_what_other_steps_bring_is_not_planned_twice() -> None:
    source, target = source_host(), target_host(software=False)
    first = install(source, target)
    assert plan(install(source, target, earlier=(first,))).is_empty
    left = plan(install(source, target, server_packages=("nginx",)))
    assert [change.object for change in left.changes] == ["package php-fpm on web-2"]


def test_software_the_source_has_not_by_package_is_refused() -> None:
    source, target = source_host(), target_host(software=False)
    del source.installed["nginx"]
    with pytest.raises(Refused, match="has no package of nginx"):
        plan(install(source, target))


@pytest.mark.parametrize("software", ["iis", "commercial"])
def test_software_not_carried_out_is_refused_by_name(software: str) -> None:
    step = RefuseSoftware(key="applications/erp/software", item="erp", software=software)
    with pytest.raises(Refused, match=f"erp: software '{software}' is not carried out"):
        step.inspect(Reader())
    with pytest.raises(Refused):
        step.verify(Reader())


CONTENT_REFUSALS: list[tuple[Content, str]] = [
    (Content(("/var/www",), "www-data"), "no folder or file of one application"),
    (Content(("/",), "www-data"), "no folder or file of one application"),
    (Content(("/var/www/../lib/x",), "www-data"), "no folder or file of one application"),
    (Content(("var/www/shop",), "www-data"), "no folder or file of one application"),
    (Content(("/var/www/none",), "www-data"), "/var/www/none is not on the source"),
    (Content(("/var/www/shop/current",), "www-data"), "is a link to index.php"),
    (
        Content(("/var/www/shop",), "www-data", (SHOP.model_copy(update={"find": "10.9.9.9"}),)),
        "'10.9.9.9', to be replaced by '10.0.0.2', does not occur in /var/www/shop/config.php",
    ),
    (
        Content(("/var/www/shop",), "www-data", (SHOP.model_copy(update={"file": "/var/www/shop/no"}),)),
        "is not on the source",
    ),
]


@pytest.mark.parametrize(("content", "text"), CONTENT_REFUSALS, ids=[case[1] for case in CONTENT_REFUSALS])
def test_content_that_is_refused(content: Content, text: str) -> None:
    step = replace(move(source_host(), target_host()), content=content)
    with pytest.raises(Refused) as caught:
        plan(step)
    assert text in caught.value.detail


def test_content_figures_are_measures_and_growth_voids_no_approval() -> None:
    source, target = source_host(), target_host()
    step = move(source, target)
    before = plan(step)
    source.add("/var/www/shop/new.html", Node(data=b"grown"))
    now = plan(step)
    assert before.changes[0].measures["entries"] == 6
    assert before.changes[0].measures["skipped"] == 1
    assert now.changes[0].measures["entries"] == 7
    assert list(step_drift(before, now, begun=False)) == []


def test_owners_modes_times_and_links_arrive_and_root_keeps_its_own() -> None:
    source, target = source_host(), target_host()
    step = move(source, target)
    write(step, "apply", plan(step))
    config = target.nodes["/var/www/shop/config.php"]
    assert (config.data, config.owner, config.group, config.mode, config.mtime_s) == (
        b"<?php $db = '10.0.0.2'; ?>",
        "www-data",
        "www-data",
        "640",
        1_600_000_000,
    )
    assert (target.nodes["/etc/shop/shop.ini"].owner, target.nodes["/etc/shop/shop.ini"].group) == (
        "root",
        "www-data",
    )
    assert target.nodes["/var/www/shop/current"].data == b"index.php"
    assert target.nodes["/var/www/shop/empty"].mode == "2775"
    assert "/var/www/shop/run.sock" not in target.nodes


def test_only_what_differs_is_copied_again() -> None:
    source, target = source_host(), target_host()
    step = move(source, target)
    write(step, "apply", plan(step))
    target.nodes["/var/www/shop/index.php"] = Node(data=b"damaged")
    journal = write(step, "apply", plan(step))
    assert journal == ["web-2: unpack 1 entries below /var/www/shop"]


def test_without_the_owner_nothing_is_copied() -> None:
    source, target = source_host(), target_host()
    step = replace(move(source, target), content=Content(("/var/www/shop",), "shop"))
    wished, before = plan(step), target.snapshot()
    with pytest.raises(ApplyFailed, match="has no account 'shop'"):
        write(step, "apply", wished)
    assert target.snapshot() == before


def test_a_source_lost_half_way_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*args: object) -> Any:
        yield b""
        raise Unreadable("web-1: the connection was lost", transient=True)

    step = move(source_host(), target_host())
    wished = plan(step)
    monkeypatch.setattr(FakeReader, "pack", breaks)
    with pytest.raises(ApplyFailed) as caught:
        write(step, "apply", wished)
    assert caught.value.transient


def test_a_broken_site_is_withdrawn_and_the_running_one_kept() -> None:
    source, target = moved_hosts()
    source.add("/etc/nginx/sites-available/shop", SITE + b"BROKEN")
    step = configure(source, target)
    loaded = target.services["nginx"].loaded
    with pytest.raises(ApplyFailed, match="unknown directive"):
        write(step, "apply", plan(step))
    assert "/etc/nginx/sites-enabled/shop" not in target.nodes
    assert "/etc/nginx/sites-enabled/default" in target.nodes
    assert target.services["nginx"].loaded == loaded


def test_a_missing_pool_withdraws_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "SOCKET_S", 0)
    source, target = moved_hosts()
    del target.nodes["/run/php/php8.2-fpm.sock"]
    with pytest.raises(
        ApplyFailed, match=r"hands requests to /run/php/php8\.2-fpm\.sock, which is no socket"
    ):
        write(step := configure(source, target), "apply", plan(step))
    assert "/etc/nginx/sites-enabled/shop" not in target.nodes


def test_an_application_that_never_answers_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "ANSWER_S", 0)
    source, target = moved_hosts()
    del target.nodes["/var/www/shop/index.php"]
    step = configure(source, target)
    with pytest.raises(ApplyFailed, match="does not answer 200 at http://web-2:80/health: status 404"):
        write(step, "apply", plan(step))
    assert not plan(step).is_empty, "it is tried again"
    assert overall(step.verify(Reader())) is Status.FAIL


def test_a_site_the_source_has_not_is_refused() -> None:
    source, target = moved_hosts()
    with pytest.raises(Refused, match="/etc/nginx/sites-available/other is not on the source"):
        plan(replace(configure(source, target), site="other"))


def test_a_site_before_its_software_touches_nothing() -> None:
    source, target = source_host(), target_host(software=False)
    step = configure(source, target)
    wished, before = plan(step), target.snapshot()
    with pytest.raises(ApplyFailed, match="php-fpm is not installed on web-2"):
        write(step, "apply", wished)
    assert target.snapshot() == before


def test_the_sites_own_substitutions_are_made() -> None:
    source, target = moved_hosts()
    step = configure(source, target)
    wish = Substitution(file="/etc/nginx/sites-available/shop", find="location", replace="# moved\n location")
    content = replace(step.move.content, substitutions=(*step.move.content.substitutions, wish))
    step = replace(step, move=replace(step.move, content=content))
    write(step, "apply", plan(step))
    assert b"# moved" in target.nodes["/etc/nginx/sites-available/shop"].data
    assert overall(step.verify(Reader())) is Status.PASS


def test_a_folder_where_the_source_has_a_file_gives_way() -> None:
    source, target = source_host(), target_host()
    target.add("/var/www/shop/index.php", FOLDER)
    target.add("/var/www/shop/index.php/deep/old.html", b"old")
    step = move(source, target)
    write(step, "apply", plan(step))
    assert target.nodes["/var/www/shop/index.php"].kind == "file"
    assert overall(step.verify(Reader())) is Status.PASS
