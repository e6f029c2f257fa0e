"""One live run at a time; the lock falls with its holder."""

import subprocess
import sys
import time

import pytest

from core.errors import Refused
from ledger.book import Ledger
from tests.ledger.places import Place

HOLDER = """
import sys, time
from pathlib import Path
from ledger.book import Ledger
with Ledger.open(Path(sys.argv[1]), sys.argv[2] or None, "demo") as ledger, ledger.run_lock("王工 migrate"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_run_is_refused_and_told_who(place: Place) -> None:
    with place.open() as one, place.open() as two:
        with one.run_lock("wang migrate"):
            with pytest.raises(
                Refused, match=r"live run already: wang migrate pid \d+ on .*since 20"
            ) as refusal:
                two.run_lock().__enter__()
            assert str(refusal.value).endswith("    qianyun status")
            with pytest.raises(Refused), one.run_lock():
                pass
        with two.run_lock():
            pass


def test_an_error_inside_frees_it(place: Place) -> None:
    with place.open() as ledger:
        with pytest.raises(ZeroDivisionError), ledger.run_lock():
            raise ZeroDivisionError
        with ledger.run_lock():
            pass


def test_kill_9_frees_it(place: Place) -> None:
    with place.open() as ledger:
        arguments = [sys.executable, "-c", HOLDER, str(place.home), place.url or ""]
        holder = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(Refused, match=str(holder.pid)), ledger.run_lock():
            pass
        holder.kill()
        holder.wait(timeout=30)
        _eventually_free(ledger)


def _eventually_free(ledger: Ledger) -> None:
    for _ in range(100):  # the server notices the closed socket a moment later
        try:
            with ledger.run_lock():
                return
        except Refused:
            time.sleep(0.05)
    raise AssertionError("the lock outlived its holder")
