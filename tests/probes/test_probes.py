"""Declared tests: what passes, what fails, and what a rehearsal must not ask."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from core.access import Reader
from core.checks import Check, Status, overall
from core.errors import Refused, Unreadable
from core.facts import ABSENT, Known
from core.step import Step
from tasks.probes import Page, Port, TestHttp, TestTcp, web
from tests.worlds.probes import QUERY, SiteWorld, SqlWorld, http_step


@pytest.fixture
def sites() -> Iterator[SiteWorld]:
    world = SiteWorld()
    yield world
    world.close()


def checks(step: Step[Any]) -> tuple[Check, ...]:
    reader = Reader()
    try:
        return step.verify(reader)
    finally:
        reader.close()


def facts(step: Step[Any]) -> Any:
    reader = Reader()
    try:
        return step.inspect(reader)
    finally:
        reader.close()


HTTP: dict[str, tuple[tuple[int, dict[str, str], bytes], dict[str, Any], Status]] = {
    "as declared": ((200, {}, b"ok"), {}, Status.PASS),
    "another status": ((500, {}, b"ok"), {}, Status.FAIL),
    "a redirect is not followed": ((302, {"Location": "/"}, b""), {}, Status.FAIL),
    "a redirect is declared": ((302, {"Location": "/"}, b""), {"status": 302}, Status.PASS),
    "the text is there": ((200, {}, "订单 ok".encode()), {"contains": "订单"}, Status.PASS),
    "the text is missing": ((200, {}, b"error"), {"contains": "ok"}, Status.FAIL),
    "the same body": ((200, {}, "商城 shop".encode()), {"same_body": True}, Status.PASS),
    "one byte more": ((200, {}, "商城 shop\n".encode()), {"same_body": True}, Status.FAIL),
}


@pytest.mark.parametrize("case", HTTP)
def test_http(sites: SiteWorld, case: str) -> None:
    sites.target.pages["/"], wanted, expected = HTTP[case]
    assert overall(checks(http_step(sites, **wanted))) is expected


def test_a_failure_says_what_came(sites: SiteWorld) -> None:
    sites.target.pages["/"] = (302, {"Location": "/login"}, b"")
    (check,) = checks(http_step(sites))
    assert (check.planned, check.actual) == ("200", "302 to /login")
    assert check.name.startswith("P0 ")
    sites.target.close()
    (check,) = checks(http_step(sites))
    assert check.status is Status.FAIL and "no answer" in check.actual


def test_a_rehearsal_does_not_ask_the_target(sites: SiteWorld) -> None:
    sites.target.close()
    found = facts(http_step(sites))
    assert isinstance(found.source, Known) and found.source.value.status == 200
    assert facts(http_step(sites, source=None)).source == ABSENT
    assert facts(TestTcp(key="t", priority="P1", source=None, target=Port("127.0.0.1", 1))).source == ABSENT


def test_without_the_source_sameness_is_unknown(sites: SiteWorld) -> None:
    step = http_step(sites, same_body=True)
    sites.source.close()
    with pytest.raises(Unreadable):
        facts(step)
    assert overall(checks(step)) is Status.UNKNOWN
    assert overall(checks(http_step(sites, source=None, same_body=True))) is Status.PASS


def test_a_site_is_asked_by_its_name(sites: SiteWorld) -> None:
    page = Page(sites.target.url(), host_header="shop.example.cn")
    assert overall(checks(TestHttp(key="t", priority="P0", source=None, target=page))) is Status.PASS
    assert sites.target.asked[-1] == ("/", "shop.example.cn")


def test_an_answer_that_drips_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "ANSWER_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not stop.wait(0.05):
                    connection.sendall(b".")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        page = Page(f"http://127.0.0.1:{server.getsockname()[1]}/")
        (check,) = checks(TestHttp(key="t", priority="P0", source=None, target=page))
        stop.set()
        thread.join(5)
    assert check.status is Status.FAIL and "not complete" in check.actual


def test_a_body_without_end_is_given_up(sites: SiteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "LONGEST_BODY", 5)
    (check,) = checks(http_step(sites))
    assert check.status is Status.FAIL and "longer than 5 bytes" in check.actual


def test_tcp(sites: SiteWorld) -> None:
    closed = Port("127.0.0.1", 1)
    with pytest.raises(Unreadable, match="no connection"):
        facts(TestTcp(key="t", priority="P1", source=closed, target=closed))
    (check,) = checks(TestTcp(key="t", priority="P1", source=None, target=closed))
    assert check.status is Status.FAIL


@pytest.mark.parametrize(
    ("text", "port"),
    [("db-2:3306", Port("db-2", 3306)), ("[::1]:80", Port("::1", 80)), ("10.0.0.1:22", Port("10.0.0.1", 22))],
)
def test_a_port_is_read(text: str, port: Port) -> None:
    assert Port.parse(text) == port
    assert port.address == text


@pytest.mark.parametrize("text", ["db-2", "db-2:", ":80", "db-2:http", "db-2:99999", "a/b:80", "u@h:80", ""])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        Port.parse(text)


def test_sql_answers_are_compared() -> None:
    world = SqlWorld()
    assert facts(world.step()).source.value.told == "200000"
    world.disturb()
    (check,) = checks(world.step())
    assert (check.status, check.planned, check.actual) == (Status.FAIL, "200000", "199999")
    world.source.readable = False
    assert overall(checks(world.step())) is Status.UNKNOWN
    world.target.readable = False
    assert overall(checks(world.step())) is Status.FAIL


def test_sql_without_a_source_must_answer_something() -> None:
    world = SqlWorld()
    assert overall(checks(world.step(source=None))) is Status.PASS
    world.target.rows[QUERY] = ()
    assert overall(checks(world.step(source=None))) is Status.FAIL
    assert world.source.asked == []


def test_sql_order_counts_only_where_it_was_asked_for() -> None:
    world = SqlWorld()
    for query, expected in (("SELECT a FROM t", Status.PASS), ("SELECT a FROM t ORDER BY a", Status.FAIL)):
        world.source.rows[query] = (("1",), (None,))
        world.target.rows[query] = ((None,), ("1",))
        assert overall(checks(world.step(query))) is expected


def test_sql_values_are_not_told_beyond_one_row() -> None:
    world = SqlWorld()
    query = "SELECT phone FROM customers"
    world.source.rows[query] = world.target.rows[query] = (("13800000000",), ("13900000000",))
    answer = facts(world.step(query)).source.value
    assert answer.rows == 2 and "138" not in answer.told.partition("sha256")[0]


def test_sql_that_writes_is_refused() -> None:
    with pytest.raises(Refused):
        facts(SqlWorld().step("DELETE FROM orders"))
