"""Sending the letter: accepted, refused by some or all, refused for now, sent twice after a crash."""

import hashlib
from collections.abc import Iterator

import pytest

from core.access import Reader, Writer
from core.checks import Status, overall
from core.errors import ApplyFailed, Unreadable
from core.plan import AfterApply, Plan
from tasks.mail import MailRelay, receipt
from tests.worlds.mail import ACCEPTANCE, COPY, MailWorld, free_port


@pytest.fixture
def world() -> Iterator[MailWorld]:
    world = MailWorld()
    world.write_deliverables()
    yield world
    world.close()


def plan_now(world: MailWorld) -> Plan:
    step = world.send_step()
    return step.plan(step.inspect(Reader()))


def apply(world: MailWorld) -> list[str]:
    journal: list[str] = []
    world.send_step().apply(plan_now(world), Writer(Reader(), journal.append))
    return journal


def status(world: MailWorld) -> Status:
    return overall(world.send_step().verify(Reader()))


def test_it_arrives_byte_for_byte_and_the_receipt_is_known(world: MailWorld) -> None:
    apply(world)
    assert status(world) is Status.PASS
    letter = (world.folder.path / "acceptance-letter-v1.eml").read_bytes()
    assert world.mailbox.arrived == [((ACCEPTANCE, COPY), letter)]
    outbox, digest = world.relay.open_reader(), hashlib.sha256(letter).hexdigest()
    received = receipt(outbox, digest, ACCEPTANCE)
    assert received is not None and received.tzinfo is not None
    assert receipt(outbox, digest, "other@example.cn") is None
    (attempt,) = outbox.attempts(digest)
    assert f"C: rcpt TO:<{ACCEPTANCE}>" in attempt.conversation
    assert f"C: [{len(letter)} bytes, sha256 {digest}]" in attempt.conversation
    assert "S: 250 OK" in attempt.conversation
    assert plan_now(world).is_empty


def test_the_plan_is_the_same_before_the_letter_exists() -> None:
    empty, full = MailWorld(), MailWorld()
    full.write_deliverables()
    before, after = plan_now(empty), plan_now(full)
    empty.close()
    full.close()
    assert [c.logical() for c in before.changes] == [c.logical() for c in after.changes]
    assert before.changes[0].after["letter_sha256"] == AfterApply(
        "acceptance/document/acceptance-letter", "sha256"
    )


def test_a_partial_refusal_is_a_failure_and_only_the_rest_is_sent_again(world: MailWorld) -> None:
    world.mailbox.refusals[COPY] = "550 5.1.1 no such user"
    with pytest.raises(ApplyFailed, match=f"refused for {COPY}: 550 .*accepted for {ACCEPTANCE}") as caught:
        apply(world)
    assert not caught.value.transient
    assert status(world) is Status.FAIL
    assert [c.object for c in plan_now(world).changes] == [f"mail acceptance-letter to {COPY}"]
    world.mailbox.refusals.clear()
    apply(world)
    assert [who for who, _ in world.mailbox.arrived] == [(ACCEPTANCE,), (COPY,)]
    assert status(world) is Status.PASS


def test_a_bounce_starts_no_clock(world: MailWorld) -> None:
    world.mailbox.refusals.update({ACCEPTANCE: "550 5.1.1 unknown", COPY: "550 5.1.1 unknown"})
    with pytest.raises(ApplyFailed, match="accepted for nobody"):
        apply(world)
    letter = (world.folder.path / "acceptance-letter-v1.eml").read_bytes()
    assert receipt(world.relay.open_reader(), hashlib.sha256(letter).hexdigest(), ACCEPTANCE) is None
    assert world.mailbox.arrived == []
    assert status(world) is Status.FAIL


@pytest.mark.parametrize(("reply", "transient"), [("451 4.3.0 try later", True), ("554 5.7.1 no", False)])
def test_the_servers_answer_says_whether_to_try_again(world: MailWorld, reply: str, transient: bool) -> None:
    world.mailbox.data_reply = reply
    with pytest.raises(ApplyFailed, match=reply[:3]) as caught:
        apply(world)
    assert caught.value.transient is transient
    world.mailbox.data_reply = "250 OK"
    apply(world)
    assert status(world) is Status.PASS


def test_an_unreachable_relay_is_transient_and_recorded(world: MailWorld) -> None:
    world.relay = MailRelay(
        host="127.0.0.1", port=free_port(), sender="m@example.com", outbox=world.relay.outbox, timeout_s=2
    )
    with pytest.raises(ApplyFailed, match="no answer") as caught:
        apply(world)
    assert caught.value.transient
    assert status(world) is Status.FAIL


def test_a_crash_after_the_servers_250_sends_again_with_the_same_message_id(world: MailWorld) -> None:
    class Crash(BaseException):
        pass

    def crash_at_record(text: str) -> None:
        if text.startswith("record"):
            raise Crash

    with pytest.raises(Crash):
        world.send_step().apply(plan_now(world), Writer(Reader(), crash_at_record))
    assert status(world) is Status.FAIL
    apply(world)
    first, second = world.mailbox.arrived
    assert first == second


def test_a_letter_that_names_another_version_is_not_sent(world: MailWorld) -> None:
    writer = Writer(Reader(), lambda text: None)
    writer.open(world.folder).store("proposal", 2, "bin", b"changed since", "basis")
    with pytest.raises(ApplyFailed, match="annex proposal"):
        apply(world)
    assert world.mailbox.arrived == []


def test_a_new_round_is_sent_although_the_old_one_was(world: MailWorld) -> None:
    apply(world)
    world.write_deliverables(version=2)
    assert not plan_now(world).is_empty
    apply(world)
    assert len(world.mailbox.arrived) == 2


def test_a_transcript_that_cannot_be_parsed_blocks(world: MailWorld) -> None:
    apply(world)
    for path in world.relay.outbox.glob("*.json"):
        path.write_text("{")
    with pytest.raises(Unreadable, match="not a transcript"):
        plan_now(world)


def test_without_documents_nothing_is_sent() -> None:
    world = MailWorld()
    try:
        with pytest.raises(ApplyFailed, match="there is no acceptance-letter"):
            apply(world)
        assert status(world) is Status.FAIL
        assert world.mailbox.arrived == []
    finally:
        world.close()
