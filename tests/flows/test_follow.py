"""`qianyun follow` as a command: what it needs approved, that it runs alone, and what it leaves on record."""

import _thread
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.noop import NoOp
from core.errors import ApplyFailed, Refused
from core.plan import Change, MigrationPlan, Plan
from flows import follow as following
from flows.follow import Stream, follow
from ledger.book import Ledger

KEY = "databases/shop-db/follow"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    item = SimpleNamespace(name="shop-db", method="follow")
    inventory = SimpleNamespace(
        project=SimpleNamespace(id="p"),
        folder="inventory/p",
        in_scope=lambda kind: [item, SimpleNamespace(name="other", method="copy")],
        require_in_scope=lambda name: None,
    )
    with Ledger.open(tmp_path, None, "p") as book:
        work = SimpleNamespace(
            inventory=inventory, ledger=book, whole=SimpleNamespace(steps={KEY: NoOp(key=KEY)})
        )

        @contextmanager
        def opened(project: str) -> Iterator[Any]:
            yield work

        monkeypatch.setattr(following, "open_project", opened)
        monkeypatch.setattr(following, "move_of", lambda inventory, item: None)
        monkeypatch.setattr(following, "_leads_back", lambda move: False)
        for guard in ("scope_guard", "precondition_guard"):
            monkeypatch.setattr(following, guard, lambda inventory: lambda step: None)
        yield book


def approve(book: Ledger) -> str:
    plan = MigrationPlan({KEY: Plan((Change("run", "changes"),))})
    run_id = book.start_run("rehearsal", requested_by="wang@example.com")
    book.record_plan(run_id, plan.digest, plan.to_json())
    book.end_run(run_id, "Rehearsed", {})
    book.record_approval(
        plan.digest, approved_by="li@example.cn", requested_by="wang@example.com", reason="change 7"
    )
    return plan.digest


def test_without_an_approved_plan_nothing_is_followed(ledger: Ledger) -> None:
    with pytest.raises(Refused, match=f"no approved plan has {KEY}"):
        follow("p", "", lambda line: None)
    assert ledger.runs() == []


def test_a_database_of_another_method_is_refused(ledger: Ledger) -> None:
    with pytest.raises(Refused, match="other: no database of method follow"):
        follow("p", "other", lambda line: None)


def test_it_runs_alone_and_ends_on_record(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    digest, ends, said = approve(ledger), threading.Event(), list[str]()

    def work(self: Stream, ends: threading.Event) -> None:
        with pytest.raises(Refused, match="has a live run already"), ledger.run_lock():
            pass
        self.rows, self.lag_bytes = 7, 0
        ends.set()

    monkeypatch.setattr(Stream, "follow", work)
    result = follow("p", "shop-db", said.append, ends)
    assert result.error is None
    assert result.document["databases"] == [
        {
            "database": "shop-db", "back": False, "rows": 7, "position": "", "lag_bytes": 0, "error": "",
        }
    ]  # fmt: skip
    assert said == ["shop-db: 0.0 s, 0 bytes behind; 7 rows"]
    assert [(run.mode, run.state, run.digest) for run in ledger.runs()][1:] == [("live", "Followed", digest)]


def test_an_error_ends_it_with_its_words(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    approve(ledger)

    def work(self: Stream, ends: threading.Event) -> None:
        raise ApplyFailed("orders: the row with key 2 is not there")

    monkeypatch.setattr(Stream, "follow", work)
    result = follow("p", "", lambda line: None)
    assert result.error is not None and "key 2" in str(result.error)
    assert ledger.runs()[-1].state == "Failed"


def test_ctrl_c_is_its_usual_end(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    approve(ledger)
    in_flight: list[str] = []

    def work(self: Stream, ends: threading.Event) -> None:
        _thread.interrupt_main()
        ends.wait(10)
        time.sleep(0.2)
        in_flight.append("committed")

    monkeypatch.setattr(Stream, "follow", work)
    # As in a terminal: a test process started by another one may have been told to ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = follow("p", "", lambda line: None)
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.error is None and result.document["state"] == "Followed"
    assert in_flight == ["committed"]
