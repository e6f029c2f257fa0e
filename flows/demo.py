"""The demonstration: the commands a migration engineer types, run against the practice estate."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import Refused
from flows import serve
from flows.home import home, ledger_url
from flows.lab_commands import practice_project
from flows.prefect_settings import prepare

INSTANCE = "demo"
PROJECT_ID = "demo-shop"
ENGINEER, CUSTOMER = "chen.jing@example.com", "li.ming@example.cn"
DELIVERABLES = 4

Say = Callable[[str], None]


class Demo:
    """Runs commands as a user would, shows them, and remembers what did not end well."""

    def __init__(self, say: Say, project: Path) -> None:
        self.say = say
        self.project = str(project)
        self.failures: list[str] = []
        self._qianyun = str(Path(sys.executable).with_name("qianyun"))

    def command(self, *arguments: str, expect: int = 0) -> dict[str, Any]:
        """Run `qianyun ... --json` and give its document; another exit status than expected is a failure."""
        started = time.monotonic()
        self.say(f"$ qianyun {' '.join(arguments)}")
        done = subprocess.run([self._qianyun, *arguments, "--json"], capture_output=True, text=True)
        self.say(f"  exit {done.returncode} after {time.monotonic() - started:.1f} s")
        if done.returncode != expect:
            self.failures.append(f"qianyun {arguments[0]} ended with {done.returncode}, not {expect}")
            self.say(done.stderr.strip())
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def require(self, holds: bool, what: str) -> None:
        self.say(f"  {'ok' if holds else 'NOT OK'}: {what}")
        if not holds:
            self.failures.append(what)


def run(say: Say, *, keep: bool) -> bool:
    """Raise the estate, move it, hand it over; True only if every single check passed."""
    from lab import estate
    from lab.snapshot import snapshot

    started = time.monotonic()
    prepare()
    _set_aside_earlier_demo(say)
    say("Raising the practice estate (the first time it is built from packages: some minutes)")
    estate.reset(INSTANCE)
    say(f"  up after {time.monotonic() - started:.0f} s")
    demo = Demo(say, practice_project(INSTANCE, home() / "demo"))
    with serve.api() as api:
        say(f"Prefect: {api.removesuffix('/api')}")
        before = snapshot(INSTANCE)
        digest = _rehearse(demo)
        moved = [part for part, value in snapshot(INSTANCE).items() if before.get(part) != value]
        demo.require(not moved, f"the rehearsal left the world as it was {moved or ''}".strip())
        if digest:
            _migrate(demo, digest)
            _hand_over(demo)
    if not keep:
        estate.down(INSTANCE)
    _summary(demo, time.monotonic() - started)
    return not demo.failures


def _rehearse(demo: Demo) -> str:
    demo.command("check", demo.project)
    plan = demo.command("rehearse", demo.project, "--as", ENGINEER)
    changes = [row for row in plan.get("changes", ()) if row["action"] != "nothing"]
    demo.say(f"  {len(changes)} changes planned, digest {plan.get('digest', '')[:12]}")
    demo.require(bool(changes), "the rehearsal planned the migration")
    demo.require(plan.get("window", {}).get("fits", False), "the cutover window is long enough")
    return str(plan.get("digest", ""))


def _migrate(demo: Demo, digest: str) -> None:
    demo.command("migrate", demo.project, "--plan", digest, expect=3)
    demo.say("  refused, as it should be: nobody has approved the plan yet")
    demo.command("approve", demo.project, "--plan", digest, "--as", CUSTOMER, "--reason", "CHG-2026-0001")
    live = demo.command("migrate", demo.project, "--plan", digest)
    undone = [row["step"] for row in live.get("steps", ()) if row["state"] not in ("Applied", "Unchanged")]
    demo.require(
        bool(live.get("steps")) and not undone, f"every step is applied and proved {undone or ''}".strip()
    )


def _hand_over(demo: Demo) -> None:
    from flows import show
    from lab import estate

    status = demo.command("status", demo.project)
    if status:
        show.status(status)
        demo.require(all(row["state"] == "done" for row in status["phases"]), "every phase is done")
        demo.require(status["gate"]["state"] == "submitted", "the acceptance gate is submitted")
        demo.require(bool(status["gate"]["due_at"]), f"the clock runs until {status['gate']['due_at']}")
        demo.require(len(status["deliverables"]) == DELIVERABLES, "the four deliverables exist")
    mailbox = Path(estate.status(INSTANCE)["mailbox"])
    demo.require(any(mailbox.glob("*.eml")), "the customer's mailbox received them")
    demo.require(demo.command("ledger", "verify").get("ok", False), "the ledger's chain is whole")


def _summary(demo: Demo, seconds: float) -> None:
    demo.say("")
    demo.say(f"Deliverables: {home() / 'deliverables'}")
    demo.say(f"Phase board:  {home() / 'board.md'}   (qianyun status)")
    if demo.failures:
        demo.say(f"{len(demo.failures)} thing(s) did not go as they should, after {seconds:.0f} s:")
        for failure in demo.failures:
            demo.say(f"  {failure}")
    else:
        demo.say(f"Everything passed, in {seconds:.0f} s.")


def _set_aside_earlier_demo(say: Say) -> None:
    """Every demonstration starts with an empty ledger; the earlier one's records are kept beside it.

    Raises: errors.Refused where $QIANYUN_HOME holds the records of another project.
    """
    from ledger.book import Ledger

    if ledger_url():
        raise Refused(
            "QIANYUN_LEDGER_URL is set",
            why="The demonstration keeps its records apart from real ones.",
            next_command="unset QIANYUN_LEDGER_URL; make demo",
        )
    if not (home() / "ledger.db").exists():
        return
    with Ledger.peek(home()) as ledger:
        project = ledger.project
    if project != PROJECT_ID:
        raise Refused(
            f"{home()} holds the records of {project!r}",
            why="The demonstration must not stand among the records of a real project.",
            next_command="QIANYUN_HOME=./var-demo make demo",
        )
    aside = home() / "earlier" / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside.mkdir(parents=True)
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm", "evidence", "deliverables", "outbox", "demo"):
        if (home() / name).exists():
            shutil.move(home() / name, aside / name)
    say(f"The records of the last demonstration are in {aside}")
