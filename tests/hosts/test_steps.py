"""Steps on one host: what each changes, leaves alone and refuses."""

from collections.abc import Callable
from typing import Any

import pytest

from core.access import Reader, Writer
from core.checks import Status, overall
from core.errors import ApplyFailed, Refused, UndoFailed
from core.facts import unreadable_in
from core.plan import Plan
from core.step import Step
from inventory.targets import Account
from tasks.hosts.accounts import SetAccounts
from tasks.hosts.discovery import ReadHost
from tasks.hosts.packages import InstallPackages
from tasks.hosts.ports import AccountState
from tasks.hosts.sysctl import FILE, SetSysctl
from tasks.hosts.timezone import SetTimezone
from tests.worlds.host_double import FakeEndpoint, FakeHost, Package
from tests.worlds.hosts import bare_host


def plan(step: Step[Any]) -> Plan:
    found: Plan = step.plan(step.inspect(Reader()))
    return found


def write(step: Step[Any], verb: str, wished: Plan) -> list[str]:
    journal: list[str] = []
    getattr(step, verb)(wished, Writer(Reader(), journal.append))
    return journal


def timezone(host: FakeHost, zone: str = "Asia/Shanghai") -> Step[Any]:
    return SetTimezone(key="t", server="web-2", timezone=zone, host=FakeEndpoint(host))


def sysctl(host: FakeHost, **values: str) -> Step[Any]:
    wanted = {key.replace("__", "."): value for key, value in values.items()}
    return SetSysctl(key="s", server="web-2", values=wanted, host=FakeEndpoint(host))


def packages(host: FakeHost, *names: str) -> Step[Any]:
    return InstallPackages(key="p/q", server="web-2", packages=names, host=FakeEndpoint(host))


def accounts(host: FakeHost, *wanted: Account) -> Step[Any]:
    return SetAccounts(key="a/b", server="web-2", accounts=wanted, host=FakeEndpoint(host))


CHANGES: list[tuple[str, Callable[[FakeHost], Step[Any]], list[str]]] = [
    ("timezone", timezone, ['change time zone of web-2: {"timezone": "Etc/UTC", "link":']),
    (
        "sysctl running",
        lambda host: sysctl(host, net__core__somaxconn="1024"),
        ['change sysctl net.core.somaxconn of web-2: {"running": "4096", "persisted": null} -> 1024'],
    ),
    (
        "sysctl that runs as wanted but would be forgotten",
        lambda host: sysctl(host, vm__swappiness="60"),
        ['change sysctl vm.swappiness of web-2: {"running": "60", "persisted": null} -> 60'],
    ),
    ("package", lambda host: packages(host, "curl"), ['create package curl on web-2 = {"installed": true}']),
    (
        "package nobody offers yet",
        lambda host: packages(host, "later"),
        ['create package later on web-2 = {"installed": true}'],
    ),
    (
        "account",
        lambda host: accounts(host, Account(name="deploy", uid=1500, groups=("b", "a"))),
        ['create account deploy on web-2 = {"uid": 1500, "groups": ["a", "b"], "shell": "/bin/bash"'],
    ),
    (
        "groups of an account that exists",
        lambda host: accounts(host, Account(name="www-data", groups=("shop",), shell="/usr/sbin/nologin")),
        ['change account www-data on web-2: {"groups": [], "shell": "/usr/sbin/nologin"} ->'],
    ),
]


@pytest.mark.parametrize(
    ("build", "wanted"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES]
)
def test_what_is_planned(build: Callable[[FakeHost], Step[Any]], wanted: list[str]) -> None:
    summaries = [change.summary for change in plan(build(bare_host())).changes]
    assert len(summaries) == len(wanted)
    for found, start in zip(summaries, wanted, strict=True):
        assert found.startswith(start[:80]), found


NO_OPS: list[tuple[str, Callable[[FakeHost], Step[Any]], str]] = [
    ("no settings", lambda host: sysctl(host), "all 0 settings of web-2 are as wanted"),
    ("no packages", lambda host: packages(host), "all 0 packages are installed on web-2"),
    ("no accounts", lambda host: accounts(host), "all 0 accounts of web-2 are as wanted"),
    (
        "an account as wanted, uid left open",
        lambda host: accounts(
            host, Account(name="www-data", groups=("www-data",), shell="/usr/sbin/nologin")
        ),
        "all 1 accounts of web-2 are as wanted",
    ),
]


@pytest.mark.parametrize(("build", "why"), [case[1:] for case in NO_OPS], ids=[case[0] for case in NO_OPS])
def test_a_no_op_explains_itself(build: Callable[[FakeHost], Step[Any]], why: str) -> None:
    step = build(bare_host())
    assert plan(step).nothing_because == why
    assert overall(step.verify(Reader())) is Status.PASS


REFUSALS: list[tuple[str, Callable[[FakeHost], Step[Any]], str]] = [
    (
        "unknown zone",
        lambda host: timezone(host, "Asia/Nowhere"),
        "does not know the time zone 'Asia/Nowhere'",
    ),
    ("unknown setting", lambda host: sysctl(host, net__no="1"), "has no kernel setting net.no"),
    ("path as a setting", lambda host: sysctl(host, **{"..__etc": "1"}), "is no name of a kernel setting"),
    ("option as a package", lambda host: packages(host, "-oDebug=1"), "'-oDebug=1' is no package name"),
    (
        "another uid",
        lambda host: accounts(host, Account(name="www-data", uid=1500)),
        "account www-data on web-2 has uid 33, wanted 1500",
    ),
]


@pytest.mark.parametrize(
    ("build", "text"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS]
)
def test_what_is_refused(build: Callable[[FakeHost], Step[Any]], text: str) -> None:
    with pytest.raises(Refused) as caught:
        plan(build(bare_host()))
    assert text in caught.value.detail


def test_one_unreadable_part_of_a_host_does_not_hide_the_rest() -> None:
    host = bare_host()
    host.broken = {"disks", "services"}
    facts = ReadHost(key="discovery/host/x", host=FakeEndpoint(host)).inspect(Reader())
    assert [path for path, _ in unreadable_in(facts)] == ["disks", "services"]
    assert facts.cpu_count.value == 2  # type: ignore[union-attr]


def test_a_later_file_that_wins_after_a_restart_fails_the_parameter_test() -> None:
    host = bare_host()
    host.add("/etc/sysctl.d/99-local.conf", b"vm.swappiness = 60\n")
    step = sysctl(host, vm__swappiness="10")
    write(step, "apply", plan(step))
    failed = [check for check in step.verify(Reader()) if check.status is not Status.PASS]
    assert [(c.name, c.planned, c.actual) for c in failed] == [("vm.swappiness, after a restart", "10", "60")]


def test_settings_of_the_file_that_nobody_wants_any_more_are_left() -> None:
    host = bare_host()
    host.add(FILE, b"kernel.panic = 5\n")
    step = sysctl(host, vm__swappiness="10")
    write(step, "apply", plan(step))
    assert b"kernel.panic = 5\n" in host.nodes[FILE].data


def test_packages_on_no_list_leave_nothing_installed() -> None:
    host = bare_host()
    step = packages(host, "curl", "later")
    with pytest.raises(ApplyFailed, match="later cannot be installed"):
        write(step, "apply", plan(step))
    assert not host.installed


def test_undo_leaves_packages_that_others_came_to_need() -> None:
    host = bare_host()
    step = packages(host, "curl")
    wished = plan(step)
    write(step, "apply", wished)
    host.repository["monitor"] = Package("1", ("curl",))
    host.install(["monitor"])
    with pytest.raises(UndoFailed, match="would also remove monitor"):
        write(step, "undo", wished)
    assert "curl" in host.installed


def test_undo_removes_dependencies_but_not_what_was_there() -> None:
    host = bare_host()
    host.install(["libcurl4"])
    step = packages(host, "curl")
    wished = plan(step)
    write(step, "apply", wished)
    write(step, "undo", wished)
    assert set(host.installed) == {"libcurl4"}


class Crash(BaseException):
    pass


def crash_before(number: int) -> Callable[[str], None]:
    left = iter(range(1, number))

    def note(text: str) -> None:
        if next(left, None) is None:
            raise Crash

    return note


@pytest.mark.parametrize("number", range(1, 6))
def test_an_installation_cut_off_before_any_write_is_undone_whole(number: int) -> None:
    """The contract suite asks this of reversible steps only, and Debian makes this one compensating."""
    host = bare_host()
    step = packages(host, "curl")
    wished, before = plan(step), host.snapshot()
    reached = False
    try:
        step.apply(wished, Writer(Reader(), crash_before(number)))
    except Crash:
        reached = True
    assert reached == (number <= 4), "the writes are: refresh, folder, record, install"
    write(step, "undo", wished)
    assert host.snapshot() == before


def test_an_account_keeps_groups_nobody_asked_about() -> None:
    host = bare_host()
    host.accounts["clerk"] = AccountState("clerk", 1001, "clerk", ("mail",), "/bin/bash")
    host.groups |= {"clerk", "mail"}
    step = accounts(host, Account(name="clerk", groups=("www-data",)))
    write(step, "apply", plan(step))
    assert host.accounts["clerk"].groups == ("mail", "www-data")
