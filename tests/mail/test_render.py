"""Versions of a document: a new one when its records changed, none when they did not."""

from collections.abc import Iterator

import pytest

from core.access import Reader, Writer
from core.checks import Status, overall
from core.errors import ApplyFailed, Unreadable
from core.plan import AfterApply, Plan
from tests.worlds.documents import DocumentWorld


@pytest.fixture
def world() -> Iterator[DocumentWorld]:
    world = DocumentWorld()
    yield world
    world.close()


def apply(world: DocumentWorld) -> Plan:
    step = world.step()
    plan = step.plan(step.inspect(Reader()))
    step.apply(plan, Writer(Reader(), lambda text: None))
    return plan


def test_change_then_no_change_then_a_new_version(world: DocumentWorld) -> None:
    plan = apply(world)
    assert plan.changes[0].after == {
        "version": 1,
        "sha256": AfterApply("acceptance/document/proposal", "sha256"),
        "basis": AfterApply("acceptance/document/proposal", "basis"),
    }
    assert apply(world).nothing_because == "proposal-v1.pptx was made from the same records and is intact"
    world.basis = "records-2"
    assert overall(world.step().verify(Reader())) is Status.FAIL
    apply(world)
    assert (world.path / "proposal-v1.pptx").read_text() == "方案 第1版 records-1"
    assert (world.path / "proposal-v2.pptx").read_text() == "方案 第2版 records-2"
    assert overall(world.step().verify(Reader())) is Status.PASS


def test_a_damaged_version_is_replaced_by_the_next(world: DocumentWorld) -> None:
    apply(world)
    world.disturb()
    assert apply(world).changes[0].after["version"] == 2
    assert (world.path / "proposal-v1.pptx").read_text() == "altered afterwards"


def test_undo_takes_back_the_version_written_and_no_other(world: DocumentWorld) -> None:
    world.write_older()
    before = world.snapshot()
    plan = apply(world)
    world.step().undo(Plan.from_json(plan.to_json()), Writer(Reader(), lambda text: None))
    assert world.snapshot() == before


def test_a_full_disk_leaves_the_older_version(world: DocumentWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write_older()

    def full(path: object, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tasks.mail.folder.write_file", full)
    with pytest.raises(ApplyFailed, match="No space left"):
        apply(world)
    assert sorted(p.name for p in world.path.iterdir()) == ["proposal-v1.json", "proposal-v1.pptx"]


def test_a_broken_sidecar_blocks(world: DocumentWorld) -> None:
    apply(world)
    (world.path / "proposal-v1.json").write_text("{}")
    with pytest.raises(Unreadable, match="sidecar"):
        world.step().inspect(Reader())
