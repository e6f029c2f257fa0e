"""The gate: every legal move is recorded, every illegal one refused by name and leaves no record."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from core.checks import Check, Status
from core.errors import Refused
from ledger.book import Ledger
from ledger.gate_state import DELIVERABLES, MOVES, GateState, GateStatus
from tests.ledger.places import Place


@dataclass(frozen=True)
class Deadline:
    due_at_utc: datetime | None
    status: str
    calendar_sha256: str = "c" * 64
    explanation: str = "seven working days after 2026-11-20 17:30"


SENT_AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
DUE = datetime(2026, 12, 1, 16, 0, tzinfo=UTC)
BEFORE_DUE = datetime(2026, 12, 1, 15, 59, 59, tzinfo=UTC)
LATER_DUE = datetime(2026, 12, 2, 16, 0, tzinfo=UTC)
FIRM = Deadline(DUE, "firm")
PASSED = (Check("shop answers", Status.PASS),)
LEAD, CUSTOMER = "wang@provider.cn", "li@customer.cn"
_mails = itertools.count(1)


def deliver(ledger: Ledger, status: str, content: str = "a") -> None:
    for kind in DELIVERABLES:
        ledger.record_deliverable(kind, status=status, sha256=content * 64, path=f"{kind}.docx")


def make_ready(ledger: Ledger) -> GateStatus:
    return ledger.gate.make_ready(actor=LEAD, checks=PASSED)


def submit(ledger: Ledger, deadline: Deadline = FIRM) -> GateStatus:
    return ledger.gate.submit(
        actor=LEAD, submitted_at=SENT_AT, message_id=f"<{next(_mails)}@provider.cn>", deadline=deadline
    )


def object_(ledger: Ledger) -> GateStatus:
    return ledger.gate.object(
        actor=CUSTOMER, text="配置索引表缺少到期日", items=["configuration-index"], received_at=SENT_AT
    )


ACTS: dict[str, Callable[[Ledger], GateStatus]] = {
    "make ready": make_ready,
    "withdraw": lambda ledger: ledger.gate.withdraw(actor=LEAD, reason="方案有误"),
    "submit": submit,
    "move the deadline": lambda ledger: ledger.gate.move_deadline(
        Deadline(LATER_DUE, "firm"), actor=LEAD, reason="the 2027 notice"
    ),
    "bounce": lambda ledger: ledger.gate.bounced(actor=LEAD, reason="550 no such mailbox"),
    "accept": lambda ledger: ledger.gate.accept(actor=CUSTOMER, reason="mail of 2026-11-25: 通过"),
    "deem accepted": lambda ledger: ledger.gate.deem_accepted(now=DUE, deadline=FIRM, actor="clock"),
    "object": object_,
    "rework": lambda ledger: ledger.gate.start_rework(actor=LEAD, reason="补充到期日"),
}
WAY_TO = {
    GateState.NOT_READY: [],
    GateState.READY: ["make ready"],
    GateState.SUBMITTED: ["make ready", "submit"],
    GateState.ACCEPTED: ["make ready", "submit", "accept"],
    GateState.DEEMED_ACCEPTED: ["make ready", "submit", "deem accepted"],
    GateState.OBJECTED: ["make ready", "submit", "object"],
    GateState.REWORK: ["make ready", "submit", "object", "rework"],
}


def test_the_table_is_whole() -> None:
    assert MOVES.keys() == ACTS.keys()
    assert WAY_TO.keys() == set(GateState)


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("state", GateState)
def test_every_move_from_every_state(file_place: Place, state: GateState, move: str) -> None:
    with file_place.open() as ledger:
        deliver(ledger, "sent")
        for step in WAY_TO[state]:
            ACTS[step](ledger)
        before = ledger.gate.status()
        assert before.state == state
        possible_in, to = MOVES[move]
        if state in possible_in:
            after = ACTS[move](ledger)
            assert (after.state, after.move) == (to, move) and after.actor and after.at_utc
            assert ledger.gate.status() == after == ledger.gate_history()[-1]
        else:
            with pytest.raises(Refused, match=f"the gate is {state}: '{move}' is possible when it is"):
                ACTS[move](ledger)
            assert ledger.gate.status() == before
        assert ledger.verify().ok


def test_a_whole_way_with_an_objection(ledger: Ledger) -> None:
    deliver(ledger, "final")
    ready = make_ready(ledger)
    assert ready.deliverables["proposal"] == {"version": 1, "sha256": "a" * 64}
    deliver(ledger, "sent")
    first = submit(ledger)
    assert (first.round, first.submitted_at_utc, first.due_at_utc, first.due_status) == (
        1,
        "2026-11-20T09:30:00.000000Z",
        "2026-12-01T16:00:00.000000Z",
        "firm",
    )
    assert first.calendar_sha256 == "c" * 64
    objected = object_(ledger)
    assert (objected.objection, objected.items) == ("配置索引表缺少到期日", ("configuration-index",))
    ACTS["rework"](ledger)
    deliver(ledger, "final", "b")
    again = make_ready(ledger)
    assert (again.objection, again.due_at_utc, again.deliverables["proposal"]["version"]) == ("", "", 2)
    deliver(ledger, "sent", "b")
    assert submit(ledger).round == 2
    assert ACTS["accept"](ledger).state == "accepted"
    run_id = ledger.start_run("live", requested_by=LEAD)
    ledger.end_run(run_id, "Completed")
    assert ledger.runs()[0].gate == "accepted"
    assert [status.state for status in ledger.gate_history()] == [
        "ready", "submitted", "objected", "rework", "ready", "submitted", "accepted",
    ]  # fmt: skip


NOT_READY = [
    ("nothing made", (), PASSED, "proposal: does not exist"),
    ("one missing", DELIVERABLES[:3], PASSED, "acceptance-letter: does not exist"),
    ("no checks", DELIVERABLES, (), "none was given"),
    (
        "a failed check",
        DELIVERABLES,
        (Check("lag", Status.FAIL, "0", "7"),),
        r"lag: FAIL \(planned 0, actual 7\)",
    ),
    ("an unknown check", DELIVERABLES, (*PASSED, Check("lag", Status.UNKNOWN)), "lag: UNKNOWN"),
    ("a broken check", DELIVERABLES, (*PASSED, Check("lag", Status.ERROR)), "lag: ERROR"),
]


@pytest.mark.parametrize(("name", "kinds", "checks", "named"), NOT_READY, ids=[case[0] for case in NOT_READY])
def test_not_ready(
    file_place: Place, name: str, kinds: tuple[str, ...], checks: tuple[Check, ...], named: str
) -> None:
    with file_place.open() as ledger:
        for kind in kinds:
            ledger.record_deliverable(kind, status="final", sha256="a" * 64, path="p")
        with pytest.raises(Refused, match=named):
            ledger.gate.make_ready(actor=LEAD, checks=checks)
        assert ledger.gate.status().state == "not_ready"


def test_a_draft_is_not_enough(ledger: Ledger) -> None:
    deliver(ledger, "final")
    ledger.record_deliverable("proposal", status="draft", sha256="b" * 64, path="p")
    with pytest.raises(Refused, match="proposal: version 2 is draft, not final"):
        make_ready(ledger)


def test_a_waiver_opens_it_for_the_named_check_only(ledger: Ledger) -> None:
    deliver(ledger, "final")
    checks = (*PASSED, Check("lag", Status.FAIL), Check("disk", Status.FAIL))
    ledger.record_waiver("lag", reason="accepted by the customer", by=CUSTOMER)
    with pytest.raises(Refused, match="check disk") as refusal:
        ledger.gate.make_ready(actor=LEAD, checks=checks)
    assert "check lag" not in str(refusal.value)
    assert ledger.gate.make_ready(actor=LEAD, checks=checks[:2]).waived == ("lag",)


def test_what_was_not_sent_is_not_submitted(ledger: Ledger) -> None:
    deliver(ledger, "final")
    make_ready(ledger)
    with pytest.raises(Refused, match="proposal: version 1 is final, not sent"):
        submit(ledger)
    deliver(ledger, "sent", "b")
    with pytest.raises(Refused, match="proposal: changed since the gate became ready"):
        submit(ledger)
    make_ready(ledger)
    assert submit(ledger).state == "submitted"


def test_one_mail_is_one_round(ledger: Ledger) -> None:
    deliver(ledger, "sent")
    for number in (1, 2):
        make_ready(ledger)
        submission = {"actor": LEAD, "submitted_at": SENT_AT, "message_id": "<same@provider.cn>"}
        if number == 2:
            with pytest.raises(Refused, match="submitted in round 1 already"):
                ledger.gate.submit(**submission, deadline=FIRM)  # type: ignore[arg-type]
        else:
            ledger.gate.submit(**submission, deadline=FIRM)  # type: ignore[arg-type]
            object_(ledger)
            ACTS["rework"](ledger)


SILENCE = [
    ("one second early", FIRM, FIRM, BEFORE_DUE, "may object until 2026-12-01T16:00"),
    ("at the moment", FIRM, FIRM, DUE, ""),
    ("unresolved now", FIRM, Deadline(None, "unresolved"), LATER_DUE, "deadline is unresolved"),
    ("provisional now", FIRM, Deadline(DUE, "provisional"), LATER_DUE, "deadline is provisional"),
    ("moved later meanwhile", FIRM, Deadline(LATER_DUE, "firm"), DUE, "may object until 2026-12-02T16:00"),
    ("never earlier than told", Deadline(LATER_DUE, "firm"), FIRM, DUE, "may object until 2026-12-02T16:00"),
    ("resolved meanwhile", Deadline(None, "unresolved"), FIRM, DUE, ""),
    ("firm meanwhile", Deadline(DUE, "provisional"), FIRM, DUE, ""),
]


@pytest.mark.parametrize(
    ("name", "told", "computed", "now", "refusal"), SILENCE, ids=[case[0] for case in SILENCE]
)
def test_silence(
    file_place: Place, name: str, told: Deadline, computed: Deadline, now: datetime, refusal: str
) -> None:
    with file_place.open() as ledger:
        deliver(ledger, "sent")
        make_ready(ledger)
        submit(ledger, told)
        if refusal:
            with pytest.raises(Refused, match=refusal):
                ledger.gate.deem_accepted(now=now, deadline=computed, actor="clock")
            assert ledger.gate.status().state == "submitted"
        else:
            status = ledger.gate.deem_accepted(now=now, deadline=computed, actor="clock")
            assert (status.state, status.due_at_utc) == ("deemed_accepted", "2026-12-01T16:00:00.000000Z")


def test_a_moved_deadline_is_never_earlier(ledger: Ledger) -> None:
    deliver(ledger, "sent")
    make_ready(ledger)
    submit(ledger, Deadline(LATER_DUE, "provisional"))
    moved = ledger.gate.move_deadline(FIRM, actor=LEAD, reason="the 2027 notice")
    assert (moved.due_at_utc, moved.due_status, moved.round) == ("2026-12-02T16:00:00.000000Z", "firm", 1)


def test_words_are_needed(ledger: Ledger) -> None:
    deliver(ledger, "sent")
    make_ready(ledger)
    gate = ledger.gate
    lacking: list[Callable[[], GateStatus]] = [
        lambda: gate.withdraw(actor=LEAD, reason=" "),
        lambda: gate.withdraw(actor="", reason="why"),
        lambda: gate.submit(actor=LEAD, submitted_at=SENT_AT, message_id="", deadline=FIRM),
        lambda: gate.accept(actor=CUSTOMER, reason=""),
        lambda: gate.object(actor=CUSTOMER, text="", items=["x"], received_at=SENT_AT),
        lambda: gate.object(actor=CUSTOMER, text="不通过", items=[], received_at=SENT_AT),
        lambda: gate.object(actor=CUSTOMER, text="不通过", items=[" "], received_at=SENT_AT),
    ]
    for act in lacking:
        with pytest.raises(Refused, match="is missing"):
            act()
    assert gate.status().state == "ready"


def test_of_two_who_answer_at_once_one_wins(ledger: Ledger) -> None:
    deliver(ledger, "sent")
    make_ready(ledger)
    submit(ledger)
    barrier = threading.Barrier(2)

    def answer(move: str) -> str:
        barrier.wait()
        try:
            return ACTS[move](ledger).state
        except Refused:
            return "refused"

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(answer, ["accept", "object"]))
    assert "refused" in results and ledger.gate.status().state in results
    assert ledger.verify().ok
