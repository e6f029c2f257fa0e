"""The health question over HTTP, against a server of our own."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from core.errors import Refused, Unreadable
from tasks.software.web import WebServer
from tests.hosts.conftest import free_port


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.headers["Host"] == "shop.cn" and self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def server() -> Iterator[WebServer]:
    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield WebServer("127.0.0.1", http.server_port)
    http.shutdown()
    thread.join()
    http.server_close()


def test_it_asks_by_address_under_the_sites_name(server: WebServer) -> None:
    web = server.open_reader()
    assert web.get("/health", "shop.cn").status == 200
    assert web.get("/health", "").status == 404


def test_no_answer_is_worth_another_try() -> None:
    with pytest.raises(Unreadable) as caught:
        WebServer("127.0.0.1", free_port()).open_reader().get("/", "")
    assert caught.value.transient


def test_it_is_never_written_to(server: WebServer) -> None:
    with pytest.raises(Refused):
        server.open_writer(lambda text: None)
