"""What is recorded comes back as it was, in either engine."""

import io
import itertools
import json
import time
from pathlib import Path

import pytest

from core.errors import Refused, Unreadable
from core.plan import Plan
from ledger import evidence as evidence_module
from ledger import store as store_module
from ledger.book import Ledger
from ledger.records import BEGUN, UNFINISHED
from tests.ledger.places import Place
from tests.ledger.sample import LATER, NOW, apply, ended, migration_plan, plan, rehearse

KEY = "databases/shop/data"


def test_a_run_states_its_deliverables_and_the_gate(ledger: Ledger) -> None:
    run_id = ledger.start_run("live", requested_by="wang@provider.cn", digest="d" * 64)
    ledger.record_deliverable("proposal", status="final", sha256="a" * 64, path="方案.docx", run_id=run_id)
    assert ledger.runs()[0].state == UNFINISHED
    ledger.end_run(run_id, "Completed", {"applied": 3, "note": "一切正常"})
    (run,) = ledger.runs()
    assert (run.run_id, run.mode, run.digest, run.state, run.gate) == (
        run_id,
        "live",
        "d" * 64,
        "Completed",
        "not_ready",
    )
    assert run.summary == {"applied": 3, "note": "一切正常"}
    assert [(one["kind"], one["version"]) for one in run.deliverables] == [("proposal", 1)]
    assert run.started_at_utc < run.ended_at_utc


def test_runs_are_numbered(ledger: Ledger) -> None:
    assert [ledger.start_run("rehearsal", requested_by="a@b.cn") for _ in range(3)] == [
        "run-1",
        "run-2",
        "run-3",
    ]


def test_steps_of_a_run(ledger: Ledger) -> None:
    run_id = ledger.start_run("live", requested_by="a@b.cn")
    apply(ledger, run_id, KEY, "d" * 64)
    ended(ledger, run_id, "files/share/bucket", "Failed", error="磁盘已满: 'no space'")
    ledger.step_begun(run_id, "cutover/dns/shop", plan().to_json(), "d" * 64)
    steps = {step.key: step for step in ledger.steps(run_id)}
    assert {key: step.state for key, step in steps.items()} == {
        KEY: "Applied",
        "files/share/bucket": "Failed",
        "cutover/dns/shop": BEGUN,
    }
    assert steps[KEY].digest == "d" * 64
    assert (steps[KEY].started_at_utc, steps[KEY].ended_at_utc) == (
        "2026-11-20T09:30:00.000000Z",
        "2026-11-20T09:31:00.000000Z",
    )
    assert ledger.read_evidence(steps[KEY].evidence) == {"step": KEY, "checks": ["PASS"]}
    assert steps["files/share/bucket"].error == "磁盘已满: 'no space'"
    assert {key: step.state for key, step in steps.items()} == ledger.latest_states()


def test_the_latest_state_may_be_asked_of_one_mode(ledger: Ledger) -> None:
    live = ledger.start_run("live", requested_by="a@b.cn")
    apply(ledger, live, KEY, "d" * 64)
    rehearsal = ledger.start_run("rehearsal", requested_by="a@b.cn")
    ended(ledger, rehearsal, KEY, "Refused")
    assert ledger.latest_states() == {KEY: "Refused"}
    assert ledger.latest_states("live") == {KEY: "Applied"}


def test_plans_to_undo(ledger: Ledger) -> None:
    run_id = ledger.start_run("live", requested_by="a@b.cn")
    first, rest = plan("first").to_json(), plan("rest").to_json()
    ledger.step_begun(run_id, KEY, first, "d" * 64)
    ledger.step_begun(run_id, KEY, rest, "d" * 64)
    assert ledger.applied_plans(KEY) == [first, rest]
    assert [Plan.from_json(one).to_json() for one in ledger.applied_plans(KEY)] == [first, rest]
    assert ledger.begun_under("d" * 64) == {KEY}
    assert ledger.begun_under("e" * 64) == frozenset()
    ledger.undo_begun(run_id, KEY)
    assert ledger.applied_plans(KEY) == [first, rest], "an undo that was cut off is to be repeated"
    assert ledger.latest_states() == {KEY: BEGUN}
    ended(ledger, run_id, KEY, "Undone")
    assert ledger.applied_plans(KEY) == []
    assert ledger.begun_under("d" * 64) == frozenset()
    ledger.step_begun(run_id, KEY, rest, "d" * 64)
    assert ledger.applied_plans(KEY) == [rest]
    assert ledger.begun_under("d" * 64) == {KEY}


def test_an_approval_names_the_rehearsed_plan(ledger: Ledger) -> None:
    whole = migration_plan(KEY, "files/资料/bucket")
    digest = rehearse(ledger, whole)
    assert ledger.approval_for(digest) is None
    made = ledger.record_approval(
        digest, approved_by="li@customer.cn", requested_by="wang@provider.cn", reason="变更窗口已确认"
    )
    assert ledger.approval_for(digest) == made
    assert ledger.plan_of(digest) == whole.to_json()
    assert ledger.plan_of("0" * 64) is None
    assert ledger.runs()[0].digest == digest


@pytest.mark.parametrize(
    ("digest", "approver", "named"),
    [
        ("rehearsed", "wang@provider.cn", "may not approve"),
        ("rehearsed", " WANG@Provider.cn ", "may not approve"),
        ("0" * 64, "li@customer.cn", "no rehearsal planned"),
    ],
)
def test_approvals_refused(ledger: Ledger, digest: str, approver: str, named: str) -> None:
    rehearsed = rehearse(ledger, migration_plan())
    wanted = rehearsed if digest == "rehearsed" else digest
    with pytest.raises(Refused, match=named):
        ledger.record_approval(wanted, approved_by=approver, requested_by="wang@provider.cn")
    assert ledger.approval_for(wanted) is None


def test_a_digest_never_stands_for_another_plan(ledger: Ledger) -> None:
    with pytest.raises(Refused, match="has digest"):
        ledger.start_run("rehearsal", requested_by="a@b.cn", digest="0" * 64, plan=migration_plan().to_json())
    assert ledger.runs() == []


def test_deliverables_get_versions(ledger: Ledger) -> None:
    def record(sha256: str, status: str) -> tuple[int, str]:
        made = ledger.record_deliverable("proposal", status=status, sha256=sha256 * 64, path="p.docx")
        return made.version, made.status

    assert record("a", "draft") == (1, "draft")
    assert record("a", "final") == (1, "final")
    assert record("b", "draft") == (2, "draft")
    assert record("b", "sent") == (2, "sent")
    assert record("b", "draft") == (2, "sent"), "made again, it stays sent"
    assert record("a", "draft") == (3, "draft"), "what is current is always the highest version"
    made = [(one.version, one.status, one.sha256[0]) for one in ledger.deliverables()]
    assert made == [(1, "final", "a"), (2, "sent", "b"), (3, "draft", "a")]


@pytest.mark.parametrize(("reason", "by"), [("", "li@customer.cn"), ("  ", "li@customer.cn"), ("why", "")])
def test_a_waiver_needs_a_reason_and_a_person(ledger: Ledger, reason: str, by: str) -> None:
    with pytest.raises(Refused, match="needs a reason and a person"):
        ledger.record_waiver("account-balance", reason=reason, by=by)
    assert ledger.waivers() == []


def test_waivers(ledger: Ledger) -> None:
    ledger.record_waiver("account-balance", reason="月底付款", by="li@customer.cn")
    (waiver,) = ledger.waivers()
    assert (waiver.name, waiver.reason, waiver.by) == ("account-balance", "月底付款", "li@customer.cn")


ODD_NAMES = [
    "it's",
    'say "hi"',
    "表`x`; DROP TABLE entries;--",
    "换行\n制表\t",
    "a\\b",
    "100%s %(x)s :y ?",
    "\x00nul",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_come_back(ledger: Ledger, name: str) -> None:
    run_id = ledger.start_run("live", requested_by=name)
    ledger.step_begun(run_id, f"files/{name}", plan(name).to_json(), "d" * 64)
    ended(
        ledger, run_id, f"files/{name}", "Applied", error=name, evidence=ledger.store_evidence({name: name})
    )
    assert ledger.runs()[0].requested_by == name
    (step,) = ledger.steps(run_id)
    assert step.error == name
    assert ledger.read_evidence(step.evidence) == {name: name}
    if "\x00" not in name:
        assert step.key == f"files/{name}"
        assert ledger.applied_plans(step.key) == [plan(name).to_json()]
    assert ledger.verify().ok


def test_file_names_that_are_not_utf8_come_back(ledger: Ledger) -> None:
    name = b"\xff\xd6\xd0.txt".decode("utf-8", "surrogateescape")
    run_id = ledger.start_run("live", requested_by="a@b.cn")
    ledger.step_begun(run_id, "files/share/disk", plan(name).to_json(), "d" * 64)
    assert ledger.applied_plans("files/share/disk") == [plan(name).to_json()]
    assert ledger.read_evidence(ledger.store_evidence([name])) == [name]
    assert ledger.verify().ok


def test_export_can_be_checked_without_us(ledger: Ledger) -> None:
    rehearse(ledger, migration_plan())
    stream = io.StringIO()
    assert ledger.export(stream) == len(ledger.entries()) == 4
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 3, 4]
    assert all(b["prev_hash"] == a["hash"] for a, b in itertools.pairwise(lines))
    assert lines[-1]["hash"] == ledger.verify().head


def test_times_need_a_zone(ledger: Ledger) -> None:
    run_id = ledger.start_run("live", requested_by="a@b.cn")
    with pytest.raises(ValueError, match="no time zone"):
        ledger.step_ended(run_id, KEY, "Applied", started_at=NOW.replace(tzinfo=None), ended_at=LATER)
    with pytest.raises(ValueError, match="Gone"):
        ended(ledger, run_id, KEY, "Gone")


def test_evidence_is_checked_when_read(ledger: Ledger) -> None:
    digest = ledger.record_evidence("account-balance", {"元": 1000})
    file = ledger.home / "evidence" / digest[:2] / f"{digest}.json"
    file.write_text('{"元":9000}', encoding="utf-8")
    with pytest.raises(Unreadable, match="altered"):
        ledger.read_evidence(digest)
    file.unlink()
    with pytest.raises(Unreadable, match="missing"):
        ledger.read_evidence(digest)
    with pytest.raises(Unreadable, match="no evidence digest"):
        ledger.read_evidence("../../etc/passwd")


def test_peek_sees_and_cannot_write(place: Place) -> None:
    with place.open() as ledger:
        rehearse(ledger, migration_plan())
    with place.peek() as reader:
        assert reader.project == "demo"
        assert [run.state for run in reader.runs()] == ["Completed"]
        assert reader.gate_status().state == "not_ready" and reader.gate_history() == []
        assert reader.verify().ok
        assert not isinstance(reader, Ledger)


def test_nothing_is_left_half_written(ledger: Ledger) -> None:
    ledger.store_evidence({"a": 1})
    assert [path.suffix for path in (ledger.home / "evidence").rglob("*") if path.is_file()] == [".json"]


def test_others_on_the_machine_cannot_look_in(file_place: Place) -> None:
    with file_place.open() as ledger:
        path = Path(ledger.address)
        digest = ledger.store_evidence({"a": 1})
    assert path.parent.stat().st_mode & 0o077 == 0
    assert (file_place.home / "evidence" / digest[:2]).stat().st_mode & 0o077 == 0


def test_evidence_of_a_step_with_nothing_to_do_is_on_the_disk_before_the_next_lasting_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = evidence_module._sync
    monkeypatch.setattr(evidence_module, "_sync", lambda path: (synced.append(path.name), real(path)))
    with Ledger.open(tmp_path, None, "shop") as ledger:
        run_id = ledger.start_run("live", requested_by="a@example.com")
        digest = ledger.store_evidence({"n": 1}, durable=False)
        ended(ledger, run_id, "network/vpc", "Unchanged", evidence=digest)
        assert f"{digest}.json" not in synced and ledger.verify().ok
        ledger.end_run(run_id, "Completed")
        assert f"{digest}.json" in synced and digest[:2] in synced
        synced.clear()
        ledger.record_waiver("x", reason="y", by="z")
        assert f"{digest}.json" not in synced


def test_records_that_may_wait_are_there_for_whoever_reads_through_the_same_ledger(place: Place) -> None:
    with place.open() as ledger:
        run_id = ledger.start_run("rehearsal", requested_by="a@example.com")
        digest = ledger.store_evidence({"n": 1}, durable=False)
        ended(ledger, run_id, "network/vpc", "Unchanged", evidence=digest)
        assert [step.key for step in ledger.steps(run_id)] == ["network/vpc"]
        assert ledger.read_evidence(digest) == {"n": 1}
        for number in range(store_module.MOST_DEFERRED):
            ended(ledger, run_id, f"network/{number}", "Rehearsed")
        with Ledger.peek(place.home, place.url) as other:
            assert len(other.steps(run_id)) == store_module.MOST_DEFERRED + 1
    with place.open() as again:
        assert again.verify().ok


def test_a_record_that_may_wait_is_soon_there_for_other_processes(place: Place) -> None:
    with place.open() as ledger:
        run_id = ledger.start_run("rehearsal", requested_by="a@example.com")
        ended(ledger, run_id, "network/vpc", "Unchanged")
        deadline = time.monotonic() + 30
        with Ledger.peek(place.home, place.url) as other:
            while not other.steps(run_id):
                assert time.monotonic() < deadline, "it waits for the next record, however long that takes"
                time.sleep(0.05)
