"""TCP checks: whether a port takes connections."""

import socket
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from core.access import Endpoint, Journal, Reader
from core.checks import Check, Status
from core.errors import Refused, Unreadable
from core.facts import ABSENT, Fact, Known
from core.step import ReadingStep

CONNECT_S = 5.0


@dataclass(frozen=True)
class Port(Endpoint["PortReader", "PortReader"]):
    """A TCP port of a host."""

    host: str
    port: int

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Port":
        """From "host:port", an IPv6 address in brackets. Raises: errors.Refused."""
        try:
            parts = urlsplit(f"//{text}")
            if parts.hostname and parts.port and parts.netloc == text and parts.username is None:
                return cls(parts.hostname, parts.port)
        except ValueError:
            pass
        raise Refused(
            f"{text!r} is no host:port",
            why="A TCP check needs both.",
            next_command="qianyun check",
        )

    def open_reader(self) -> "PortReader":
        return PortReader(self)

    def open_writer(self, journal: Journal) -> "PortReader":
        raise AssertionError("nothing is ever written to a port")


class PortReader:
    """Connects and hangs up; sends nothing."""

    def __init__(self, port: Port) -> None:
        self._port = port

    def close(self) -> None:
        return None

    def connect(self) -> str:
        """The address that took the connection. Raises: errors.Unreadable."""
        try:
            with socket.create_connection((self._port.host, self._port.port), CONNECT_S) as connection:
                return str(connection.getpeername()[0])
        except OSError as error:
            raise Unreadable(
                f"{self._port.address}: no connection: {error}",
                why="The service does not run, or a network on the way does not let it through.",
                next_command=f"nc -vz {self._port.host} {self._port.port}",
                transient=True,
            ) from error


@dataclass(frozen=True)
class TcpFacts:
    source: Fact[str]
    """The address that answered on the source side."""


@dataclass(frozen=True, kw_only=True)
class TestTcp(ReadingStep[TcpFacts]):
    """The target's port takes connections, as the source's does."""

    __test__: ClassVar[bool] = False

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    priority: str
    source: Port | None
    target: Port

    def inspect(self, reader: Reader) -> TcpFacts:
        return TcpFacts(ABSENT if self.source is None else Known(reader.open(self.source).connect()))

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        name = f"{self.priority} {self.target.address} takes connections"
        try:
            actual = f"connected to {reader.open(self.target).connect()}"
        except Unreadable as error:
            return (Check(name, Status.FAIL, "connected", error.detail),)
        return (Check(name, Status.PASS, "connected", actual),)
