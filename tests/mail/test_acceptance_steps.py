"""The whole acceptance: documents, letter and mail, from the inventory and a record, twice."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import msoffcrypto
import pytest

from core.access import Reader, Writer
from core.checks import Status, overall
from core.errors import ApplyFailed
from core.graph import Graph
from core.plan import MigrationPlan, Plan
from core.step import Step
from flows.acceptance_steps import acceptance_steps, read_back
from inventory.secrets import SecretSource
from runbooks.record import Record
from tests.runbooks.estate import PROJECT, inventory
from tests.runbooks.history import RECORD, changed
from tests.worlds.documents import DocumentWorld
from tests.worlds.mail import MailWorld


class Estate:
    def __init__(self, world: MailWorld) -> None:
        self.world = world
        self.record: Record = RECORD
        self.home = world.home / "home"
        self.password: SecretSource | None = None

    def steps(self) -> list[Step[Any]]:
        mail = {**PROJECT["mail"], "port": self.world.relay.port}
        return acceptance_steps(
            inventory(project={**PROJECT, "mail": mail}),
            record=lambda: self.record,
            readings=lambda: self.record.readings,
            round_number=lambda: 1,
            now=lambda: datetime(2026, 12, 7, 2, 0, tzinfo=UTC),
            home=self.home,
            index_password=self.password,
        )

    def rehearse(self) -> MigrationPlan:
        return MigrationPlan({s.key: s.plan(s.inspect(Reader())) for s in self.steps()})

    def carry(self) -> dict[str, Plan]:
        plans = {}
        for step in Graph(self.steps()):
            plans[step.key] = step.plan(step.inspect(Reader()))
            step.apply(plans[step.key], Writer(Reader(), lambda text: None))
            assert overall(step.verify(Reader())) is Status.PASS, step.verify(Reader())
        return plans


@pytest.fixture
def estate() -> Iterator[Estate]:
    world = MailWorld()
    yield Estate(world)
    world.close()


def test_rehearsed_then_carried_as_planned_then_nothing_is_left(estate: Estate) -> None:
    rehearsed = estate.rehearse()
    assert not estate.home.exists(), "a rehearsal writes nothing"
    carried = MigrationPlan(estate.carry())
    assert rehearsed.drift(carried) == []
    assert all(plan.is_empty for plan in estate.rehearse().steps.values())
    assert sorted(p.name for p in (estate.home / "deliverables").iterdir() if p.suffix != ".json") == [
        "acceptance-letter-v1.eml",
        "configuration-index-v1.xlsx",
        "implementation-plan-v1.docx",
        "proposal-v1.pptx",
    ]
    ((to, message),) = estate.world.mailbox.arrived
    assert to == ("acceptance@example.cn", "li@example.cn")
    assert message == (estate.home / "deliverables" / "acceptance-letter-v1.eml").read_bytes()


def test_rework_makes_a_new_round(estate: Estate) -> None:
    estate.carry()
    estate.record = changed("network/vpc", changes=())
    plans = estate.rehearse().steps
    assert [
        plans[f"acceptance/document/{k}"].changes[0].after["version"]
        for k in ("proposal", "acceptance-letter")
    ] == [2, 2]
    estate.carry()
    assert len(estate.world.mailbox.arrived) == 2
    second = message_from_bytes(estate.world.mailbox.arrived[1][1], policy=default)
    assert "第 2 次提交" in second["Subject"]


def test_the_index_goes_out_behind_a_password(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDEX_PASSWORD", "correct-horse-battery")
    estate.password = SecretSource("env:INDEX_PASSWORD", Path())
    estate.carry()
    message = message_from_bytes(estate.world.mailbox.arrived[0][1], policy=default)
    sent = next(a.get_content() for a in message.iter_attachments() if a.get_filename().endswith(".xlsx"))
    file = msoffcrypto.OfficeFile(io.BytesIO(sent))
    file.load_key(password="correct-horse-battery", verify_password=True)
    opened = io.BytesIO()
    file.decrypt(opened)
    assert opened.getvalue() == (estate.home / "deliverables" / "configuration-index-v1.xlsx").read_bytes()
    assert b"correct-horse" not in estate.world.mailbox.arrived[0][1]


def test_a_document_that_would_be_sent_back_stops_before_anything_is_written(estate: Estate) -> None:
    estate.record = replace(RECORD, plan_digest="")
    with pytest.raises(ApplyFailed, match="would be sent back"):
        estate.carry()
    assert [p.name for p in (estate.home / "deliverables").iterdir() if "plan" in p.name] == []
    assert estate.world.mailbox.arrived == []


def test_reading_back_looks_at_what_stands(estate: Estate) -> None:
    world = DocumentWorld()
    world.write_older()
    stored: list[dict[str, Any]] = []

    def keep(document: dict[str, Any]) -> str:
        stored.append(document)
        return f"evidence-{len(stored)}"

    standing = replace(world.step(), key="network/vpc")
    readings = read_back([standing, *estate.steps()], lambda: RECORD.as_of, keep)
    world.close()
    assert [(r.step, r.evidence) for r in readings] == [("network/vpc", "evidence-1")]
    assert readings[0].facts["latest"]["version"] == 1
    assert stored[0]["facts"] == readings[0].facts
