"""Mainland working days, and the deadline by which silence counts as acceptance.

The days are a table, never a guess: a year the State Council has not announced is unknown, and a
deadline that would need it is unresolved. Notices have changed the December before their own year
(2012, 2019, 2023), so a December is provisional until the next year is loaded.
Source: deliverables.md, section 2; the State Council's yearly notices.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, TypeAdapter, ValidationError

from core.errors import Fault, InventoryInvalid, Unreadable
from core.plan import sha256_json
from inventory.base import Noun

SHANGHAI = ZoneInfo("Asia/Shanghai")
CLOSE_OF_BUSINESS = time(17, 30)
ACCEPTANCE_WORKING_DAYS = 7
VENDORED_SHA256 = "5a9bccf8030aeb7692aba23373c133d60b5345965f769f83c927027cc8e353c1"
"""Digest of the table that ships with Qianyun; a changed table refuses to load until this is changed too."""

_VENDORED = Path(__file__).with_name("calendar_days.json")
_NAMED_EVERY_YEAR = ("元旦", "春节", "劳动节", "国庆节")


class Day(Noun):
    """A day that is not what its weekday says, or a named holiday."""

    name: str
    date: date
    off: bool = Field(alias="isOffDay")


class Year(Noun):
    """One year's notice, in the shape of the holiday-cn data set."""

    year: int = Field(ge=2000, le=2100)
    papers: tuple[str, ...]
    days: tuple[Day, ...]


class _Table(Noun):
    region: str
    source: str
    years: tuple[Year, ...]


@dataclass(frozen=True)
class Calendar:
    """Days off and make-up workdays of the announced years."""

    years: Mapping[int, Year]

    @cached_property
    def sha256(self) -> str:
        """Digest of what is announced, whatever the files looked like."""
        return sha256_json([self.years[year].model_dump(mode="json") for year in sorted(self.years)])

    @cached_property
    def _off(self) -> dict[date, bool]:
        return {day.date: day.off for year in sorted(self.years) for day in self.years[year].days}

    def is_working_day(self, day: date) -> bool | None:
        """None where the year is not announced."""
        if day.year not in self.years:
            return None
        announced = self._off.get(day)
        return day.weekday() < 5 if announced is None else not announced

    def is_provisional(self, day: date) -> bool:
        return day.month == 12 and day.year + 1 not in self.years

    def with_year(self, year: Year) -> "Calendar":
        return Calendar({**self.years, year.year: year})


@dataclass(frozen=True)
class Deadline:
    """When silence becomes acceptance, how sure that is, and by which table.

    Units: `due_at_utc` is the first moment after the last day, 24:00 in Shanghai; None if unresolved.
    """

    due_at_utc: datetime | None
    status: Literal["firm", "provisional", "unresolved"]
    calendar_sha256: str
    explanation: str


def acceptance_deadline(received_at: datetime, calendar: Calendar | None = None) -> Deadline:
    """Seven working days after receipt, by the reading that is later for the customer.

    Raises: ValueError for a time without a zone.
    Source: deliverables.md, section 2; Civil Code 201-204.
    """
    if received_at.tzinfo is None:
        raise ValueError("received_at needs a time zone")
    table = calendar or vendored()
    local = received_at.astimezone(SHANGHAI)
    looked_at: list[date] = []

    def working(day: date) -> bool:
        known = table.is_working_day(day)
        if known is None:
            raise _NotAnnouncedError(day)
        looked_at.append(day)
        return known

    try:
        counted_from = local.date()
        if not working(counted_from) or local.time() > CLOSE_OF_BUSINESS:
            counted_from = next(_working_days_after(counted_from, working))
        days = _working_days_after(counted_from, working)
        last = [next(days) for _ in range(ACCEPTANCE_WORKING_DAYS)][-1]
    except _NotAnnouncedError as stop:
        said = f"the working days of {stop.day.year} are not announced in the calendar"
        return Deadline(None, "unresolved", table.sha256, f"received {local:%Y-%m-%d %H:%M} Shanghai; {said}")
    due = datetime.combine(last + timedelta(days=1), time(), SHANGHAI)
    unsure = any(table.is_provisional(day) for day in looked_at)
    tail = f"; provisional until the notice for {last.year + 1} is loaded" if unsure else ""
    return Deadline(
        due.astimezone(UTC),
        "provisional" if unsure else "firm",
        table.sha256,
        f"received {local:%Y-%m-%d %H:%M} Shanghai, counted as received {counted_from}; "
        f"working day {ACCEPTANCE_WORKING_DAYS} is {last}, until 24:00{tail}",
    )


def never_earlier(recorded: Deadline, computed: Deadline) -> Deadline:
    """What holds after the table changed: a deadline moves later only."""
    if recorded.due_at_utc is None or computed.due_at_utc is None:
        return computed
    return max(computed, recorded, key=lambda deadline: deadline.due_at_utc or datetime.min)


@lru_cache(maxsize=1)
def vendored() -> Calendar:
    """The table that ships with Qianyun.

    Raises: errors.Unreadable where its digest is not the pinned one.
    """
    table = _Table.model_validate_json(_VENDORED.read_bytes())
    calendar = Calendar({year.year: year for year in table.years})
    if calendar.sha256 != VENDORED_SHA256:
        raise Unreadable(
            f"{_VENDORED.name} has digest {calendar.sha256}, expected {VENDORED_SHA256}",
            why="Acceptance deadlines must not rest on a table that changed unnoticed.",
        )
    return calendar


def load_calendar(project_folder: Path) -> Calendar:
    """The shipped table and the years an operator imported into `project_folder`/calendar."""
    calendar = vendored()
    for path in sorted((project_folder / "calendar").glob("*.json")):
        calendar = calendar.with_year(read_year(path))
    return calendar


def import_year(path: Path, project_folder: Path) -> Path:
    """Take an operator's file of one year into the project, after checking it.

    Raises: errors.InventoryInvalid with every fault of the file.
    """
    year = read_year(path)
    folder = project_folder / "calendar"
    folder.mkdir(exist_ok=True)
    taken = folder / f"{year.year}.json"
    pending = taken.with_suffix(".part")
    pending.write_text(year.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")
    pending.replace(taken)
    return taken


def read_year(path: Path) -> Year:
    """One year's file in the shape of holiday-cn (unknown `$` keys are dropped).

    Raises: errors.InventoryInvalid, errors.Unreadable
    """
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise Unreadable(f"calendar file {path}: {error.strerror}") from error
    except ValueError as error:
        raise InventoryInvalid([Fault(str(path), 1, "", f"not JSON: {error}")]) from error
    if isinstance(raw, dict):
        raw = {key: value for key, value in raw.items() if not key.startswith("$")}
    try:
        year = TypeAdapter(Year).validate_python(raw)
    except ValidationError as error:
        raise InventoryInvalid(
            [Fault(str(path), 1, ".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
        ) from error
    faults = [Fault(str(path), 1, where, message) for where, message in _faults_of(year)]
    if faults:
        raise InventoryInvalid(faults)
    return year


def _faults_of(year: Year) -> Iterator[tuple[str, str]]:
    if not year.papers:
        yield "papers", f"no notice is named: {year.year} is not announced yet, and is never guessed"
    names = "".join(day.name for day in year.days if day.off)
    for name in _NAMED_EVERY_YEAR:
        if name not in names:
            yield "days", f"no day off is called {name}: the file is not complete"
    seen: set[date] = set()
    for n, day in enumerate(year.days):
        if day.date in seen:
            yield f"days.{n}.date", f"{day.date} stands twice"
        seen.add(day.date)
        if day.date.year != year.year and (day.date.year, day.date.month) != (year.year - 1, 12):
            yield f"days.{n}.date", f"{day.date} is neither in {year.year} nor in the December before"
        if not day.off and day.date.weekday() < 5:
            yield f"days.{n}", f"{day.date} is no weekend day, so it cannot be a make-up workday"


class _NotAnnouncedError(Exception):
    def __init__(self, day: date) -> None:
        super().__init__(day)
        self.day = day


def _working_days_after(day: date, working: Callable[[date], bool]) -> Iterator[date]:
    while True:
        day += timedelta(days=1)
        if working(day):
            yield day
