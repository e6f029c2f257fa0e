"""SQL checks: whether a query is answered alike by the source and the target database."""

import re
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from core.access import Reader
from core.checks import Check, Status
from core.errors import Unreadable
from core.facts import ABSENT, Fact, Known
from core.plan import sha256_json
from core.step import ReadingStep
from tasks.databases.port import DatabaseServer

Rows: TypeAlias = tuple[tuple[str | None, ...], ...]

_ORDERED = re.compile(r"\border\s+by\b", re.IGNORECASE)
_SHOWN = 120


@dataclass(frozen=True)
class Schema:
    """A schema on a server."""

    server: DatabaseServer
    name: str

    @property
    def address(self) -> str:
        return f"{self.server.address}/{self.name}"


@dataclass(frozen=True)
class SqlAnswer:
    """A single row in full, more of them as a digest: they may be anybody's data."""

    rows: int
    told: str


@dataclass(frozen=True)
class SqlFacts:
    source: Fact[SqlAnswer]


@dataclass(frozen=True, kw_only=True)
class TestSql(ReadingStep[SqlFacts]):
    """A query gives the same on both sides. Without `source` it must give something on the target."""

    __test__: ClassVar[bool] = False

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    priority: str
    query: str
    source: Schema | None
    target: Schema

    def inspect(self, reader: Reader) -> SqlFacts:
        return SqlFacts(ABSENT if self.source is None else Known(told(self._ask(reader, self.source))))

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        name = f"{self.priority} {self.target.address}: {self.query}"
        try:
            actual = self._ask(reader, self.target)
        except Unreadable as error:
            return (Check(name, Status.FAIL, "an answer", error.detail),)
        if self.source is None:
            return (
                Check(
                    name, Status.PASS if actual else Status.FAIL, "an answer", told(actual).told or "no row"
                ),
            )
        try:
            wanted = self._ask(reader, self.source)
        except Unreadable as error:
            return (Check(name, Status.UNKNOWN, "the source's answer", error.detail),)
        status = Status.PASS if wanted == actual else Status.FAIL
        return (Check(name, status, told(wanted).told, told(actual).told),)

    def _ask(self, reader: Reader, schema: Schema) -> Rows:
        rows = reader.open(schema.server).answer(schema.name, self.query)
        # Without ORDER BY a server may give the same rows in any order.
        return rows if _ORDERED.search(self.query) else tuple(sorted(rows, key=repr))


def told(rows: Rows) -> SqlAnswer:
    text = ", ".join("NULL" if value is None else value for value in rows[0]) if len(rows) == 1 else ""
    if not text or len(text) > _SHOWN:
        text = f"{len(rows)} rows, sha256 {sha256_json([list(row) for row in rows])[:16]}" if rows else ""
    return SqlAnswer(len(rows), text)
