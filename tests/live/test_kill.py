"""SIGKILL in the middle of a migration: the next run ends where an undisturbed one ends, and nothing is lost.

The seed is printed; QIANYUN_KILL_SEED repeats a run.
"""

import os
import random
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.estate import Estate, reset
from tests.live.conftest import DONE, Answer, Shelf, Terminal
from tests.live.worlds import (
    accounts,
    address_of_name,
    ask,
    last_record,
    mailbox,
    progress,
    trees,
    without_traces,
)

pytestmark = [pytest.mark.live, pytest.mark.timeout(1800)]

KILLS, SOAK_KILLS, KILLS_A_ROUND = 2, 20, 5
WITH_TIMES = ("/files", "/accounts")
"""Parts whose digests cover times of day; they are compared without these."""

DIARIES = re.compile(
    r"/var/log/(apt/.*|dpkg\.log|alternatives\.log)$|/var/cache/ldconfig/aux-cache$|/etc/machine-id$|/etc/ssl/certs/java/cacerts$"
)
"""What keeps times or draws lots, and so differs after any two migrations."""


@dataclass(frozen=True)
class Kill:
    """One kill: after how long, and what the run was at."""

    after_s: float
    at: tuple[str, ...]
    ended: int


@pytest.mark.long
def test_killed_and_run_again(fresh: Estate, shelf: Shelf, api: str, tmp_path: Path) -> None:
    seed = chosen_seed()
    make_undisturbed(shelf, fresh, api, tmp_path)
    # A server of its own, as an engineer's command has: it must not outlive the kill and hold anything.
    terminal = Terminal(reset(fresh.name), tmp_path / "killed")
    kills = migrate_with_kills(terminal, shelf, random.Random(seed), KILLS)
    print(f"seed {seed}: {kills}")
    same_end(terminal, shelf)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_killed_at_twenty_moments(fresh: Estate, shelf: Shelf, api: str, tmp_path: Path) -> None:
    """Twenty random moments of four migrations, each on a fresh estate."""
    seed, kills = chosen_seed(), list[Kill]()
    make_undisturbed(shelf, fresh, api, tmp_path)
    chance, round_ = random.Random(seed), 0
    while len(kills) < SOAK_KILLS:
        round_ += 1
        terminal = Terminal(reset(fresh.name), tmp_path / f"round-{round_}")
        kills += migrate_with_kills(terminal, shelf, chance, min(KILLS_A_ROUND, SOAK_KILLS - len(kills)))
        same_end(terminal, shelf)
    for number, kill in enumerate(kills, 1):
        print(
            f"kill {number} (seed {seed}) after {kill.after_s:.1f} s, {kill.ended} steps done, in {kill.at}"
        )


def chosen_seed() -> int:
    return int(os.environ.get("QIANYUN_KILL_SEED") or random.SystemRandom().randrange(10**6))


def migrate_with_kills(terminal: Terminal, shelf: Shelf, chance: random.Random, most: int) -> list[Kill]:
    """Run the approved plan until it is done, each run but the last killed at a random moment.

    No run is let to its end before `most` kills, unless it ends before its moment comes. A moment
    lies in the first half of a migration's time: the next run begins where this one ended, so the kills
    reach its other half too.
    """
    terminal.root.mkdir(parents=True, exist_ok=True)
    terminal.set_window(-0.1, 6)
    digest = shelf.approved(terminal)
    kills: list[Kill] = []
    while True:
        wait_s = chance.random() * shelf.migration_s / 2 if len(kills) < most else 0.0
        last = last_record(terminal.home)
        run = terminal.start("migrate", str(terminal.project), "--plan", digest, group=True)
        if wait_s and await_start(terminal, last) and not ends_within(run.pid, wait_s):
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
            kills.append(Kill(wait_s, *progress(terminal.home, last)))
            continue
        answer = Answer.of(run)
        assert answer.status == 0, f"after {kills}: {answer.message}\n{answer.text[-4000:]}"
        assert set(answer.states.values()) <= DONE
        return kills


def await_start(terminal: Terminal, last: int) -> bool:
    """Wait until the run stands in the ledger: before, only its Prefect server is starting."""
    deadline = time.monotonic() + 120
    while last_record(terminal.home) == last:
        assert time.monotonic() < deadline, "the run does not begin"
        time.sleep(0.02)
    return True


def ends_within(pid: int, seconds: float) -> bool:
    """Whether the process ended by itself by then; it stays to be waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return True
        time.sleep(0.02)
    return False


def make_undisturbed(shelf: Shelf, lab: Estate, api: str, tmp_path: Path) -> None:
    """A migration that nobody disturbs, to compare with; test_project.py may have made it already."""
    if shelf.end:
        return
    terminal = Terminal(lab, tmp_path / "undisturbed", api)
    terminal.root.mkdir()
    terminal.set_window(-0.1, 6)
    digest = shelf.approved(terminal)
    started = time.monotonic()
    assert not terminal.migrate(digest).undone
    shelf.ended(terminal, time.monotonic() - started)


def same_end(terminal: Terminal, shelf: Shelf) -> None:
    """The same world as after an undisturbed run, and a chain of records that is whole.

    Ids that the cloud gives out are never twice the same: there the steps themselves say that nothing
    is left to do. The customer may have got the letter twice, but one and the same.
    """
    assert terminal.run("ledger", "verify").document["ok"] is True
    status = terminal.of_project("status").document
    assert {row["state"] for row in status["phases"]} == {"done"}
    assert status["gate"]["state"] == "submitted" and status["gate"]["round"] == 1
    left = [row for row in terminal.rehearse().document["changes"] if row["action"] != "nothing"]
    assert left == []
    world, wanted = without_traces(terminal.world()), without_traces(shelf.end)
    assert world.keys() == wanted.keys()
    parts = [p for p in wanted if not p.startswith(("cloud/", "mailbox")) and not p.endswith(WITH_TIMES)]
    assert [part for part in parts if world[part] != wanted[part]] == []
    assert accounts(terminal.lab) == shelf.accounts
    assert unlike(trees(terminal.lab), shelf.trees) == []
    assert ask(terminal.lab, "db-1", "SELECT @@global.read_only") == "1"
    assert address_of_name(terminal.lab) == [terminal.lab.address("web-2")]
    assert len({mail["message"]["Message-ID"] for mail in mailbox(terminal.lab)}) == 1


def unlike(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """Paths that are on one side only or differ, but for those that tell the time or what was tried."""
    paths = sorted({*found, *wanted})
    return [
        f"{path}: {wanted.get(path, 'not there')} -> {found.get(path, 'not there')}"
        for path in paths
        if found.get(path) != wanted.get(path) and not DIARIES.search(path)
    ]
