"""The desk after a run: the gate is submitted once a letter was taken, and again after rework."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import Refused
from core.step import StepState
from flows.acceptance import AcceptanceDesk
from flows.guards import gate_guard
from flows.runner import RunReport
from inventory.loader import load
from inventory.practice import materialise
from ledger.book import Ledger
from ledger.gate_state import DELIVERABLES
from tasks.mail.folder import Stored
from tasks.verbs import Outcome
from tests.worlds.toy import SetValues, Store, StoreEndpoint

CUSTOMER, SENT_AT = "li.ming@example.cn", datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
WRITES = SetValues(key="acceptance/mail", wanted={}, endpoint=StoreEndpoint(Store()))


class Desk(AcceptanceDesk):
    """With the documents and the letter given; everything about the gate is real."""

    version = 1

    def _stored(self, found: RunReport) -> dict[str, Stored]:
        return {
            kind: Stored(kind, self.version, f"{kind}-v{self.version}", f"{self.version:064}", 1, "")
            for kind in DELIVERABLES
        }

    def _letter(self, stored: dict[str, Stored]) -> Any:
        class Letter:
            message_id, received_at = f"<{self.version}@example.com>", SENT_AT

        return Letter

    def after_good_run(self) -> None:
        outcome = Outcome("acceptance/mail", StepState.UNCHANGED)
        self.after_run(RunReport({"acceptance/mail": outcome}))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "kept").mkdir()
    now = datetime.now(UTC)
    folder = materialise(
        tmp_path / "p", window_start=now, window_end=now + timedelta(hours=1), secrets=tmp_path / "kept"
    )
    inventory = load(folder)
    return Desk(inventory, Ledger.open(tmp_path, None, inventory.project.id), tmp_path)


def states(desk: Desk) -> list[str]:
    return [str(move.state) for move in desk._ledger.gate_history()]


def test_every_state_of_the_gate_bears_another_run(desk: Desk) -> None:
    gate, guard = desk._ledger.gate, gate_guard(desk._inventory, desk._ledger)
    guard(WRITES)
    assert desk.round_number() == 1
    desk.after_good_run()
    desk.after_good_run()  # as after a crash just behind the submission
    assert states(desk) == ["ready", "submitted"] and desk.round_number() == 1
    with pytest.raises(Refused, match="submitted"):
        guard(WRITES)

    gate.object(actor=CUSTOMER, text="a page is missing", items=["shop"], received_at=SENT_AT)
    desk.after_good_run()
    assert states(desk)[-1] == "objected" and desk.round_number() == 1
    with pytest.raises(Refused, match="objected"):
        guard(WRITES)

    gate.start_rework(actor=CUSTOMER, reason="agreed")
    guard(WRITES)
    assert desk.round_number() == 2  # the letter rests on it: a new one is made
    desk.version = 2
    desk.after_good_run()
    assert states(desk)[-1] == "submitted" and gate.status().round == 2

    gate.accept(actor=CUSTOMER, reason="by mail")
    desk.after_good_run()
    assert states(desk)[-1] == "accepted"


def test_a_run_killed_between_ready_and_submitted_is_made_good(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(desk._ledger.gate, "submit", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.after_good_run()
    assert states(desk) == ["ready"]
    desk.after_good_run()
    assert states(desk)[-1] == "submitted"
