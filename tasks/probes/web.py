"""HTTP checks: what a page answers on the source side and on the target side."""

import hashlib
import time
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

import httpx

from core.access import Endpoint, Journal, Reader
from core.checks import Check, Status
from core.errors import Unreadable
from core.facts import ABSENT, Fact, Known
from core.step import ReadingStep

ANSWER_S = 30.0
"""For the whole answer, however slowly it drips."""
CONNECT_S = 5.0
LONGEST_BODY = 16 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """What a page said: its status, where it leads to, and its body without any decoding."""

    status: int
    location: str
    body: bytes


@dataclass(frozen=True)
class Page(Endpoint["PageReader", "PageReader"]):
    """One URL; `host_header` asks a server for a site by a name that does not lead to it yet."""

    url: str
    host_header: str = ""

    @property
    def address(self) -> str:
        return self.url

    def open_reader(self) -> "PageReader":
        return PageReader(self)

    def open_writer(self, journal: Journal) -> "PageReader":
        raise AssertionError("nothing is ever written to a page")


class PageReader:
    """Sends GET requests only; follows no redirect; checks certificates."""

    def __init__(self, page: Page) -> None:
        self._page = page
        # Proxies and certificate files of the environment must not decide what a check sees.
        self._client = httpx.Client(
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S), follow_redirects=False, trust_env=False
        )

    def close(self) -> None:
        self._client.close()

    def get(self) -> Answer:
        """Ask for the page. Raises: errors.Unreadable where no whole answer comes."""
        deadline = time.monotonic() + ANSWER_S
        headers = {"Accept-Encoding": "identity", "User-Agent": "qianyun"}
        extensions: dict[str, str] = {}
        if self._page.host_header:
            headers["Host"] = self._page.host_header
            extensions["sni_hostname"] = urlsplit(f"//{self._page.host_header}").hostname or ""
        try:
            with self._client.stream("GET", self._page.url, headers=headers, extensions=extensions) as answer:
                body = bytearray()
                for chunk in answer.iter_raw():
                    body += chunk
                    if len(body) > LONGEST_BODY:
                        raise Unreadable(f"{self._page.url}: the body is longer than {LONGEST_BODY} bytes")
                    if time.monotonic() > deadline:
                        raise httpx.ReadTimeout(f"not complete after {ANSWER_S:.0f} s")
                return Answer(answer.status_code, answer.headers.get("Location", ""), bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreadable(
                f"{self._page.url}: no answer: {error or type(error).__name__}",
                why="Without an answer nothing can be said about the page.",
                next_command=f"curl -v {self._page.url}",
                transient=isinstance(error, httpx.TransportError),
            ) from error


@dataclass(frozen=True)
class Baseline:
    """The source's answer, as a digest; the body itself may be anybody's data."""

    status: int
    location: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class HttpFacts:
    source: Fact[Baseline]


@dataclass(frozen=True, kw_only=True)
class TestHttp(ReadingStep[HttpFacts]):
    """The target's page answers as declared and, with `same_body`, byte for byte as the source's.

    Without `source` only the target is asked, as at cutover.
    """

    __test__: ClassVar[bool] = False

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    priority: str
    source: Page | None
    target: Page
    status: int = 200
    contains: str = ""
    same_body: bool = False

    def inspect(self, reader: Reader) -> HttpFacts:
        """Reads the source only: in a rehearsal the target is not there yet, and that is no fault."""
        if self.source is None:
            return HttpFacts(ABSENT)
        answer = reader.open(self.source).get()
        digest = hashlib.sha256(answer.body).hexdigest()
        return HttpFacts(Known(Baseline(answer.status, answer.location, len(answer.body), digest)))

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        name = f"{self.priority} {self.target.url}"
        try:
            answer = reader.open(self.target).get()
        except Unreadable as error:
            return (Check(f"{name}: status", Status.FAIL, str(self.status), error.detail),)
        leads = f" to {answer.location}" if answer.location else ""
        good = answer.status == self.status
        found = [
            Check(
                f"{name}: status",
                Status.PASS if good else Status.FAIL,
                str(self.status),
                f"{answer.status}{leads}",
            )
        ]
        if self.contains:
            there = self.contains.encode() in answer.body
            found.append(Check.equal(f"{name}: contains {self.contains!r}", True, there))
        if self.same_body and self.source is not None:
            found.append(self._compared(reader, self.source, answer))
        return tuple(found)

    def _compared(self, reader: Reader, source: Page, answer: Answer) -> Check:
        name = f"{self.priority} {self.target.url}: same body as {source.url}"
        try:
            wanted = reader.open(source).get()
        except Unreadable as error:
            return Check(name, Status.UNKNOWN, "the source's body", error.detail)
        status = Status.PASS if wanted.body == answer.body else Status.FAIL
        return Check(name, status, _told(wanted), _told(answer))


def _told(answer: Answer) -> str:
    return f"{len(answer.body)} bytes, sha256 {hashlib.sha256(answer.body).hexdigest()[:16]}"
