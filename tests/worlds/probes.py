"""Probe steps enrolled in the lifecycle contract, against servers in this process."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from core.access import Endpoint, Journal
from core.errors import Refused, Unreadable
from core.step import Step
from tasks.databases.port import ReadPort, WritePort
from tasks.probes import Page, Port, Schema, TestHttp, TestSql, TestTcp
from tasks.probes.sql import Rows
from tests.contract.case import Case, World


class Site:
    """A web server on a free port; `pages` are status, headers and body by path."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {"/": (200, {}, "商城 shop".encode())}
        self.asked: list[tuple[str, str]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, self.headers["Host"]))
                status, headers, body = site.pages.get(self.path, (404, {}, b"none"))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


class SiteWorld:
    """A site on each side."""

    def __init__(self) -> None:
        self.source, self.target = Site(), Site()
        self.damage: Callable[[], object] = self.change_body

    def change_body(self) -> None:
        self.target.pages["/"] = (200, {}, "商城 shoq".encode())

    def snapshot(self) -> object:
        return dict(self.source.pages), dict(self.target.pages)

    def make_unreadable(self) -> None:
        self.source.close()

    def disturb(self) -> None:
        self.damage()

    def close(self) -> None:
        self.source.close()
        self.target.close()


@dataclass
class Answers:
    """What a database answers; None: it does not."""

    rows: dict[str, Rows] = field(default_factory=dict)
    readable: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, schema: str, query: str) -> Rows:
        self.asked.append((schema, query))
        if not query.upper().startswith("SELECT"):
            raise Refused(f"{query} is no reading query")
        if not self.readable or query not in self.rows:
            raise Unreadable(f"{schema}: no answer")
        return self.rows[query]

    def close(self) -> None:
        return None


@dataclass(frozen=True)
class AnswersEndpoint(Endpoint[ReadPort, WritePort]):
    """Stands for a database server as far as a SQL check needs one."""

    name: str
    answers: Answers = field(compare=False)

    @property
    def address(self) -> str:
        return self.name

    def open_reader(self) -> ReadPort:
        if not self.answers.readable:
            raise Unreadable(f"{self.name}: no answer", transient=True)
        return cast("ReadPort", self.answers)

    def open_writer(self, journal: Journal) -> WritePort:
        raise AssertionError("a check never writes")


QUERY = "SELECT COUNT(*) FROM orders"


class SqlWorld:
    """The same table on each side."""

    def __init__(self) -> None:
        self.source, self.target = (Answers({QUERY: (("200000",),)}) for _ in range(2))

    def step(self, query: str = QUERY, **other: Any) -> TestSql:
        wanted: dict[str, Any] = {
            "key": "testing/orders-count",
            "priority": "P0",
            "query": query,
            "source": Schema(AnswersEndpoint("old:3306", self.source), "shop"),
            "target": Schema(AnswersEndpoint("new:3306", self.target), "shop"),
        }
        return TestSql(**(wanted | other))

    def snapshot(self) -> object:
        return dict(self.source.rows), dict(self.target.rows)

    def make_unreadable(self) -> None:
        self.source.readable = self.target.readable = False

    def disturb(self) -> None:
        self.target.rows[QUERY] = (("199999",),)

    def close(self) -> None:
        return None


def _http() -> tuple[Step[Any], World]:
    world = SiteWorld()
    return http_step(world, same_body=True), world


def http_step(world: SiteWorld, path: str = "/", **other: Any) -> TestHttp:
    wanted: dict[str, Any] = {
        "key": "testing/front-page",
        "priority": "P0",
        "source": Page(world.source.url(path)),
        "target": Page(world.target.url(path)),
    }
    return TestHttp(**(wanted | other))


def _tcp() -> tuple[Step[Any], World]:
    world = SiteWorld()
    world.damage = world.target.close
    source, target = (Port("127.0.0.1", site.port) for site in (world.source, world.target))
    return TestTcp(key="testing/port", priority="P1", source=source, target=target), world


def _sql() -> tuple[Step[Any], World]:
    world = SqlWorld()
    return world.step(), world


CASES = [Case("probes/http", _http), Case("probes/tcp", _tcp), Case("probes/sql", _sql)]
