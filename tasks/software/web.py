"""A web server asked over HTTP from here, as its users would."""

import hashlib
import http.client
import ssl
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from core.access import Endpoint, Journal
from core.errors import Refused, Unreadable

TIMEOUT_S = 20.0
_BODY_MAX = 4 << 20


@dataclass(frozen=True)
class Answer:
    status: int
    sha256: str


class WebReader(Protocol):
    def get(self, path: str, host_name: str) -> Answer:
        """Ask for a path under a host name. Raises: errors.Unreadable (transient) without an answer."""

    def close(self) -> None: ...


WebEndpoint: TypeAlias = Endpoint[WebReader, WebReader]


@dataclass(frozen=True)
class WebServer(Endpoint[WebReader, WebReader]):
    """A web server at an address; HTTPS on the ports usual for it."""

    host: str
    port: int

    @property
    def address(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def scheme(self) -> str:
        return "https" if self.port in (443, 8443) else "http"

    def open_reader(self) -> WebReader:
        return HttpReader(self)

    def open_writer(self, journal: Journal) -> WebReader:
        raise Refused(f"{self.address} is only ever asked, never written to")


class HttpReader:
    """WebReader by http.client, one connection for each question."""

    def __init__(self, server: WebServer) -> None:
        self._server = server

    def close(self) -> None:
        return None

    def get(self, path: str, host_name: str) -> Answer:
        connection = self._connection()
        try:
            connection.request("GET", path, headers={"Host": host_name} if host_name else {})
            response = connection.getresponse()
            return Answer(response.status, hashlib.sha256(response.read(_BODY_MAX)).hexdigest())
        except (OSError, http.client.HTTPException) as error:
            raise Unreadable(
                f"{self._server.address}{path}: {error or type(error).__name__}",
                why="Nothing answers there yet, or the way to it is closed.",
                next_command=f"curl -v {self._server.address}{path}",
                transient=True,
            ) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._server.scheme == "http":
            return http.client.HTTPConnection(self._server.host, self._server.port, timeout=TIMEOUT_S)
        # Asked by address before the name leads here, so the certificate's name cannot match yet.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(
            self._server.host, self._server.port, timeout=TIMEOUT_S, context=context
        )
