"""A full disk stops the step with words; with room again the ledger goes on, its chain whole."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import ApplyFailed
from tests.ledger.places import Place
from tests.ledger.sample import apply, ended, plan


@pytest.fixture
def small_disk() -> Iterator[Path]:
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("needs root on Linux to mount a small tmpfs")
    folder = Path(tempfile.mkdtemp(prefix="qianyun-small-"))
    mounting = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounting.returncode:
        folder.rmdir()
        pytest.skip("may not mount a tmpfs here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def test_a_full_disk(small_disk: Path) -> None:
    place = Place(small_disk / "var", None)
    with place.open() as ledger:
        run_id = ledger.start_run("live", requested_by="a@b.cn")
        ballast = small_disk / "ballast"
        with pytest.raises(OSError, match="No space left"):
            ballast.write_bytes(b"x" * (1 << 20))
        with pytest.raises(ApplyFailed, match="disk is full") as failure:
            for number in range(2000):
                ledger.step_begun(run_id, f"files/{number}", plan("x" * 400).to_json(), "d" * 64)
        assert "What cannot be recorded is not done" in str(failure.value)
        recorded = len(ledger.steps(run_id))
        assert recorded == number, "what was accepted is there, what was refused is not"
        with pytest.raises(ApplyFailed, match="No space left") as failure:
            for number in range(2000):
                ledger.store_evidence({"n": number, "x": "x" * 4000})
        assert str(failure.value).endswith(f"    df -h {small_disk}/var/evidence")
        ballast.unlink()
        apply(ledger, run_id, "files/after", "d" * 64)
        ended(ledger, run_id, "files/more", "Unchanged")
        assert len(ledger.steps(run_id)) == recorded + 2


def test_what_waited_while_the_disk_was_full_is_written_once_it_has_room(small_disk: Path) -> None:
    place = Place(small_disk / "var", None)
    with place.open() as ledger:
        run_id = ledger.start_run("rehearsal", requested_by="a@b.cn")
        (small_disk / "ballast").write_bytes(b"x" * (1 << 16))
        with pytest.raises(OSError, match="No space left"):
            (small_disk / "more").write_bytes(b"x" * (1 << 20))
        told = 0
        for number in range(200):
            digest = ledger.store_evidence({"n": number, "x": "x" * 400}, durable=False)
            try:
                ended(ledger, run_id, f"files/{number}", "Unchanged", evidence=digest)
            except ApplyFailed:
                told += 1
        assert told, "the first that finds the disk full says so"
        with pytest.raises(ApplyFailed):
            ledger.end_run(run_id, "Completed")
        (small_disk / "ballast").unlink()
        (small_disk / "more").unlink()
        ledger.end_run(run_id, "Completed")
        assert len(ledger.steps(run_id)) == 200
    with place.open() as again:
        assert again.verify().ok, again.verify().faults
