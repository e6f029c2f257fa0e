"""Working days against an independent library, and the deadlines of the agreement's examples."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InventoryInvalid, Unreadable
from inventory import calendar
from inventory.calendar import SHANGHAI, Calendar, acceptance_deadline, import_year, load_calendar, vendored


def test_the_table_is_the_pinned_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert vendored().sha256 == calendar.VENDORED_SHA256
    text = calendar._VENDORED.read_text(encoding="utf-8")
    forged = tmp_path / "calendar_days.json"
    forged.write_text(text.replace('"2026-10-10", "isOffDay": false', '"2026-10-10", "isOffDay": true'))
    assert forged.read_text() != text
    monkeypatch.setattr(calendar, "_VENDORED", forged)
    with pytest.raises(Unreadable, match="expected"):
        vendored.__wrapped__()


def test_every_day_agrees_with_chinesecalendar() -> None:
    day, table = date(2018, 1, 1), vendored()
    while day.year < 2027:
        assert table.is_working_day(day) is chinese_calendar.is_workday(day), day
        day += timedelta(days=1)
    assert table.is_working_day(date(2027, 1, 4)) is None
    assert table.is_working_day(date(2017, 12, 29)) is None


SENT = [  # Shanghai time sent, last day, status; the examples of deliverables.md, section 2
    ("2026-11-20 17:30", "2026-12-01", "provisional"),
    ("2026-11-20 17:31", "2026-12-02", "provisional"),
    ("2026-11-21 09:00", "2026-12-02", "provisional"),
    ("2026-02-12 10:00", "2026-02-28", "firm"),
    ("2026-09-20 10:00", "2026-09-30", "firm"),
    ("2026-09-23 10:00", "2026-10-10", "firm"),
    ("2026-10-03 10:00", "2026-10-16", "firm"),
    ("2026-12-22 10:00", "2026-12-31", "provisional"),
    ("2026-12-22 17:45", None, "unresolved"),
    ("2025-12-22 17:45", "2026-01-04", "firm"),  # a make-up Sunday of the next year's notice
    ("2018-12-21 10:00", "2019-01-02", "firm"),  # the 2019 notice made Saturday 2018-12-29 a workday
    ("2017-12-29 10:00", None, "unresolved"),
]


@pytest.mark.parametrize(("sent", "last_day", "status"), SENT, ids=[s[0] for s in SENT])
def test_deadline(sent: str, last_day: str | None, status: str) -> None:
    deadline = acceptance_deadline(datetime.fromisoformat(sent).replace(tzinfo=SHANGHAI))
    assert (deadline.status, deadline.calendar_sha256) == (status, vendored().sha256)
    if last_day is None:
        assert deadline.due_at_utc is None
        assert "not announced" in deadline.explanation
    else:
        assert deadline.due_at_utc is not None
        due = deadline.due_at_utc.astimezone(SHANGHAI)
        assert due.strftime("%H:%M") == "00:00"
        assert str(due.date() - timedelta(days=1)) == last_day
        assert last_day in deadline.explanation


def test_half_past_four_utc_on_friday_is_saturday_in_shanghai() -> None:
    by_utc = acceptance_deadline(datetime(2026, 9, 11, 16, 30, tzinfo=UTC))
    assert by_utc == replace(
        acceptance_deadline(datetime(2026, 9, 12, 0, 30, tzinfo=SHANGHAI)), explanation=by_utc.explanation
    )
    with pytest.raises(ValueError, match="zone"):
        acceptance_deadline(datetime(2026, 9, 11))


@given(
    st.datetimes(datetime(2018, 1, 1), datetime(2026, 11, 30), timezones=st.just(SHANGHAI)),
    st.timedeltas(timedelta(0), timedelta(days=9)),
)
def test_later_receipt_never_ends_earlier(received: datetime, wait: timedelta) -> None:
    first, second = acceptance_deadline(received), acceptance_deadline(received + wait)
    assert first.due_at_utc and second.due_at_utc
    assert first.due_at_utc <= second.due_at_utc
    assert first.due_at_utc - received >= timedelta(days=7)


NOTICE_2027 = {
    "$schema": "dropped",
    "year": 2027,
    "papers": ["国务院办公厅关于2027年部分节假日安排的通知"],
    "days": [
        {"name": "元旦", "date": "2026-12-31", "isOffDay": True},  # invented for the test
        {"name": "元旦", "date": "2027-01-01", "isOffDay": True},
        {"name": "元旦", "date": "2027-01-03", "isOffDay": False},
        {"name": "春节", "date": "2027-02-05", "isOffDay": True},
        {"name": "劳动节", "date": "2027-05-03", "isOffDay": True},
        {"name": "国庆节", "date": "2027-10-01", "isOffDay": True},
    ],
}


def test_an_operators_year_resolves_and_moves_deadlines_later_only(tmp_path: Path) -> None:
    received = datetime(2026, 12, 22, 10, tzinfo=SHANGHAI)
    before = acceptance_deadline(received)
    source = tmp_path / "2027-from-operator.json"
    source.write_text(json.dumps(NOTICE_2027))
    project = tmp_path / "project"
    project.mkdir()
    assert load_calendar(project) == vendored()
    assert import_year(source, project) == project / "calendar" / "2027.json"
    table = load_calendar(project)
    after = acceptance_deadline(received, table)
    assert after.status == "firm" and after.due_at_utc and before.due_at_utc
    assert after.due_at_utc.astimezone(SHANGHAI).date() == date(2027, 1, 4)  # the make-up Sunday 01-03
    assert after.calendar_sha256 == table.sha256 != vendored().sha256
    assert calendar.never_earlier(before, after) == after
    assert calendar.never_earlier(after, before) == after


BROKEN = [
    ("not announced", {"papers": [], "days": []}, "never guessed"),
    ("incomplete", {"days": NOTICE_2027["days"][:3]}, "春节"),
    ("other year", {"days": [{"name": "元旦", "date": "2025-01-01", "isOffDay": True}]}, "neither in 2027"),
    ("weekday", {"days": [{"name": "元旦", "date": "2027-01-04", "isOffDay": False}]}, "no weekend day"),
    ("twice", {"days": [*NOTICE_2027["days"], NOTICE_2027["days"][0]]}, "stands twice"),
    ("no year", {"year": None}, "year"),
]


@pytest.mark.parametrize(("change", "said"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_a_broken_year_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "year.json"
    path.write_text(json.dumps({**NOTICE_2027, **change}))
    with pytest.raises(InventoryInvalid, match=said):
        import_year(path, tmp_path)
    assert not (tmp_path / "calendar").exists()


def test_an_unknown_year_is_unknown() -> None:
    assert Calendar({}).is_working_day(date(2026, 1, 5)) is None
