"""Several threads and processes write one chain; killed ones leave it whole."""

import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.errors import Refused
from ledger.book import Ledger
from tests.ledger.places import Place
from tests.ledger.sample import apply, ended, migration_plan, rehearse

PROCESSES, EACH = 4, 200


def start_writer(place: Place, number: int, name: str) -> "subprocess.Popen[str]":
    arguments = [
        sys.executable,
        "-m",
        "tests.ledger.writer",
        str(place.home),
        place.url or "",
        str(number),
        name,
    ]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_four_processes_one_chain(place: Place) -> None:
    """They make the ledger at the same time, too."""
    writers = [start_writer(place, EACH, f"w{n}") for n in range(PROCESSES)]
    for writer in writers:
        writer.communicate(timeout=120)
        assert writer.returncode == 0
    with place.open() as ledger:
        verification = ledger.verify()
        assert verification.ok, verification.faults
        assert verification.entries == PROCESSES * (EACH + 1)
        assert sorted(run.run_id for run in ledger.runs()) == [f"run-{n + 1}" for n in range(PROCESSES)]
        assert len(ledger.begun_under("d" * 64)) == PROCESSES * EACH // 2


def test_a_writer_killed_at_any_moment(place: Place) -> None:
    place.open().close()
    moments = random.Random(1)
    for round_ in range(5):
        writer = start_writer(place, 100_000, f"killed{round_}")
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(moments.randrange(2, 60))]
        writer.kill()
        said += writer.stdout.readlines()
        writer.wait(timeout=30)
        with place.open() as ledger:
            verification = ledger.verify()
            assert verification.ok, verification.faults
            promised = {line.strip() for line in said[1:] if line.endswith("\n")}
            assert promised <= ledger.begun_under("d" * 64), "what was said to be recorded is recorded"
            ended(ledger, "run-1", "files/after", "Unchanged")


def test_threads_share_a_ledger(ledger: Ledger) -> None:
    run_id = ledger.start_run("live", requested_by="a@b.cn")
    with ThreadPoolExecutor(8) as pool:
        for key in [f"files/{n}/disk" for n in range(100)]:
            pool.submit(apply, ledger, run_id, key, "d" * 64)
    assert len(ledger.steps(run_id)) == 100
    assert ledger.verify().ok and ledger.verify().entries == 201


def test_a_refusal_in_one_thread_is_nobody_elses(ledger: Ledger) -> None:
    rehearse(ledger, migration_plan())
    before = ledger.verify().entries
    barrier = threading.Barrier(8)

    def act(number: int) -> str:
        barrier.wait()
        try:
            if number % 4 == 0:
                ledger.record_approval("0" * 64, approved_by="li@c.cn", requested_by="wang@p.cn")
            elif number % 4 == 1:
                ledger.end_run("run-1", "Completed", summary=object())
            else:
                ended(ledger, "run-1", f"files/{number}", "Applied")
        except (Refused, TypeError) as error:
            return type(error).__name__
        return "recorded"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(act, range(8)))
    assert sorted(results) == ["Refused"] * 2 + ["TypeError"] * 2 + ["recorded"] * 4
    assert ledger.verify().ok and ledger.verify().entries == before + 4


def test_versions_do_not_collide(ledger: Ledger) -> None:
    def record(number: int) -> int:
        sha256 = f"{number:064x}"
        return ledger.record_deliverable("proposal", status="draft", sha256=sha256, path="p").version

    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(record, range(40)))
    assert sorted(versions) == list(range(1, 41))


@pytest.mark.parametrize("durable", [True, False])
def test_reading_does_not_wait_for_writing(ledger: Ledger, durable: bool) -> None:
    run_id = ledger.start_run("live", requested_by="a@b.cn")
    state = "Applied" if durable else "Unchanged"
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(ended, ledger, run_id, f"files/{n}", state) for n in range(100)]
        while not all(future.done() for future in writing):
            assert len(ledger.latest_states()) <= 100
    assert len(ledger.latest_states()) == 100
