"""Comparing while the source changes and is followed: what is proved, what is only counted, what it costs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.access import Endpoint, Reader
from tasks.databases.comparison import Comparison, Pace, TableResult, Verdict
from tasks.databases.model import (
    WHOLE,
    Column,
    ContentDigest,
    KeyRange,
    Mark,
    Marks,
    RowDigest,
    Table,
)
from tasks.databases.move import Move

QUICK = Pace(workers=2, rows=100, wait_s=0.0, patience_s=0.3)
TABLE = Table("t", "t", (Column("id", "int"),), (Column("id", "int"),), "", 1_000, 1_000)
BAG = Table("t", "t", (Column("id", "int"),), (), "", 1_000, 1_000)


@dataclass
class Shelf:
    """A server that is a dictionary: rows by number, and a change log that is a number."""

    rows: dict[int, str]
    log: int = 0
    reached: int = 0
    """On the target: up to where of the source's log it was brought."""
    busy: list[int] = field(default_factory=list)
    looked: Callable[[], object] = lambda: None
    """Called at each look at single rows: the world moves on."""

    def close(self) -> None: ...

    def missing_privileges(self, schema: str, purpose: str) -> tuple[str, ...]:
        return ()

    def between(self, flavours: object) -> "Shelf":
        return self

    def running(self) -> int:
        return self.busy.pop(0) if self.busy else 1

    def position(self) -> str:
        return str(self.log)

    def lag_bytes(self, position: str) -> int:
        return self.log - int(position)

    def marks(self, schema: str) -> Marks:
        return Marks(position=str(self.reached))

    def _within(self, within: KeyRange) -> list[tuple[int, str]]:
        after = int(within.after[0]) if within.after else -1
        upto = int(within.upto[0]) if within.upto else 10**9
        return [(k, v) for k, v in sorted(self.rows.items()) if after < k <= upto]

    def ranges(self, schema: str, table: Table, rows: int, within: KeyRange = WHOLE) -> Iterator[KeyRange]:
        after = within.after
        found = self._within(within) if table.key else []
        for n in range(rows - 1, len(found), rows):
            upto = (str(found[n][0]),)
            if upto == within.upto:
                break
            yield KeyRange(after, upto)
            after = upto
        yield KeyRange(after, within.upto)

    def digest(self, schema: str, table: Table, within: KeyRange) -> ContentDigest:
        found = self._within(within)
        return ContentDigest(len(found), (sum(hash(row) % 2**64 for row in found),))

    def row_digests(self, schema: str, table: Table, within: KeyRange) -> Iterator[RowDigest]:
        self.looked()
        for key, value in self._within(within):
            yield RowDigest((str(key),), f"id={key}", value)

    def bags(
        self, schema: str, table: Table, signs: int, prefixes: Sequence[str] = ()
    ) -> Mapping[str, ContentDigest]:
        self.looked()
        found: dict[str, ContentDigest] = {}
        for value in self.rows.values():
            if not prefixes or value[: len(prefixes[0])] in prefixes:
                bag = value[:signs]
                found[bag] = found.get(bag, ContentDigest()) + ContentDigest(1, (hash(value) % 2**64,))
        return found


@dataclass(frozen=True)
class ShelfServer(Endpoint[Any, Any]):
    name: str
    shelf: Shelf = field(compare=False)

    @property
    def address(self) -> str:
        return self.name

    def open_reader(self) -> Any:
        return self.shelf

    def open_writer(self, journal: object) -> Any:
        raise AssertionError("a comparison never writes")


def compared(
    source: Shelf, target: Shelf, table: Table = TABLE, marks: Marks | None = None, **how: Any
) -> TableResult:
    move = Move(
        source=ShelfServer("s", source), source_schema="a", target=ShelfServer("t", target), target_schema="a"
    )
    comparison = Comparison(**{"move": move, "pace": QUICK, **how})
    (result,) = comparison.run(Reader(), [(table, table)], marks or Marks(), lambda *_: None)
    return result


def shelves(rows: int = 1_000) -> tuple[Shelf, Shelf]:
    return Shelf({n: f"v{n}" for n in range(rows)}), Shelf({n: f"v{n}" for n in range(rows)})


def test_what_differs_is_named_and_counted() -> None:
    source, target = shelves()
    del target.rows[7]
    target.rows |= {300: "x", 5_000: "y"}
    for n in range(600, 700):
        del target.rows[n]
    result = compared(source, target, frozen=True)
    assert dict(result.counts) == {"missing": 101, "differs": 1, "not at the source": 1}
    assert result.rows[:3] == ["id=7 missing", "id=300 differs", "id=600 missing"] and len(result.rows) == 20
    assert result.verdict is Verdict.DIFFERENT and result.not_shown == 83


def test_the_other_side_may_hold_far_more() -> None:
    source, target = shelves(3)
    target.rows |= dict.fromkeys(range(100, 3000), "more")
    assert compared(source, target, frozen=True).counts == {"not at the source": 2_900}


def test_a_late_target_is_waited_for() -> None:
    source, target = shelves()
    source.rows[5], source.log = "new", 10

    def arrives() -> None:
        target.reached = source.log
        target.rows[5] = "new"

    source.looked = arrives
    result = compared(source, target, followed=True)
    assert result.verdict is Verdict.EQUAL and result.looked_again == 1


def test_a_row_that_was_passed_over_is_different() -> None:
    source, target = shelves()
    source.rows[5], source.log, target.reached = "new", 10, 10
    result = compared(source, target, followed=True)
    assert result.verdict is Verdict.DIFFERENT and result.rows == ["id=5 differs"]


def test_a_row_that_never_stands_still_is_only_counted() -> None:
    source, target = shelves()
    target.rows[9] = "damaged"

    def moves_on() -> None:
        source.log += 1
        source.rows[5], target.reached = f"new {source.log}", source.log

    source.looked = moves_on
    result = compared(source, target, followed=True)
    assert result.verdict is Verdict.DIFFERENT and result.changing == 1, "one damaged, one changing"
    assert sorted(result.rows) == ["id=5 changing", "id=9 differs"]


def test_a_target_nobody_brings_on_proves_nothing() -> None:
    source, target = shelves()
    source.rows[5], source.log = "new", 10
    result = compared(source, target, followed=True)
    assert result.verdict is Verdict.CHANGING and result.words == "1 changing: id=5 changing"


def test_an_untouched_copy_of_a_source_that_moved_on() -> None:
    source, target = shelves()
    digest = target.digest("a", TABLE, WHOLE)
    source.rows |= {5: "new", 2_000: "more"}
    marks = Marks({"t": Mark("done", str(digest))})
    result = compared(source, target, marks=marks)
    assert result.as_copied and result.verdict is Verdict.CHANGING and result.changing == 2
    assert not compared(source, target, marks=marks, frozen=True).as_copied, "frozen, it must be equal"


def test_rows_without_a_key_are_counted_by_digest() -> None:
    source, target = shelves(40)
    source.rows |= {100: "same", 101: "same", 102: "same"}
    target.rows |= {100: "same"}
    result = compared(source, target, BAG, frozen=True)
    assert result.words == "2 missing: 2 with digest same missing"


def test_work_waits_while_a_server_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("tasks.databases.narrowing.time.sleep", pauses.append)
    source, target = shelves()
    source.busy = [99, 99, 3]
    assert compared(source, target, pace=Pace(rows=500, most_running=10)).verdict is Verdict.EQUAL
    assert len(pauses) == 2


def test_a_failing_server_ends_it() -> None:
    source, target = shelves()

    def broken(schema: str, table: Table, within: KeyRange) -> ContentDigest:
        raise OSError("cable cut")

    target.digest = broken  # type: ignore[method-assign]
    with pytest.raises(OSError, match="cable cut"):
        compared(source, target)
