"""`qianyun follow` however it is ended: signals, a closed terminal, a cancelled run; its record is closed."""

import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from core.plan import Change, MigrationPlan, Plan
from inventory.practice import materialise
from ledger.book import Ledger
from ledger.records import Run
from tests.databases.servers import MIGRATOR, PASSWORD
from tests.flows.test_conduct import HOUR
from tests.served import QIANYUN, environment, served
from tests.worlds.mysql import SCHEMA, MysqlWorld
from tests.worlds.mysql_follow import followed

KEY = "databases/shop-db/follow"
LONGEST_S = 60.0


@dataclass
class Project:
    """A project whose database is followed, on two real servers."""

    folder: Path
    home: Path
    world: MysqlWorld
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    def start(self, *arguments: str, **options: object) -> "subprocess.Popen[str]":
        command = [QIANYUN, "follow", str(self.folder), *arguments]
        running = subprocess.Popen(command, env=environment(self.home), text=True, **options)  # type: ignore[call-overload]
        self.started.append(running)
        return running

    def write(self, number: int) -> None:
        self.world.source.run(f"INSERT INTO {SCHEMA}.log VALUES ('tick', {number})")

    def await_row(self, number: int) -> None:
        """Until it was applied to the target."""
        query = f"SELECT COUNT(*) FROM {SCHEMA}.log WHERE n = {number}"
        await_that(lambda: self.world.target.run(query) == [(1,)])

    def runs(self) -> list[Run]:
        with Ledger.open(self.home, None, "demo-shop") as book:
            return [run for run in book.runs() if run.mode == "live"]


def await_that(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    world, _ = followed()
    secrets = tmp_path / "kept"
    (secrets / "host_keys").mkdir(parents=True)
    for name in ("ssh_key", "known_hosts", "mysql_source_password", "mysql_target_password"):
        (secrets / name).write_text(f"{PASSWORD}\n")
        (secrets / name).chmod(0o600)
    now = datetime.now(UTC)
    folder = materialise(tmp_path / "p", window_start=now - HOUR, window_end=now + HOUR, secrets=secrets)
    for file, address, server in (
        ("sources.yaml", "10.77.1.13", world.source),
        ("targets.yaml", "10.77.2.13", world.target),
    ):
        text = (folder / file).read_text()
        there = f"address: {re.escape(address)}\n    port: 3306\n"
        text, found = re.subn(there, f"address: 127.0.0.1\n    port: {server.port}\n", text)
        assert found == 1
        (folder / file).write_text(text.replace("user: migrator", f"user: {MIGRATOR}"))
    listed = folder / "migration-list.yaml"
    listed.write_text(listed.read_text().replace("kind: database\n", "kind: database\n    method: follow\n"))
    made = Project(folder, tmp_path / "home", world)
    approve(made.home)
    yield made
    for running in made.started:
        if running.poll() is None:
            running.kill()
            running.wait()
    world.close()


def approve(home: Path) -> None:
    plan = MigrationPlan({KEY: Plan((Change("run", "changes"),))})
    with Ledger.open(home, None, "demo-shop") as book:
        run_id = book.start_run("rehearsal", requested_by="chen.jing@example.com")
        book.record_plan(run_id, plan.digest, plan.to_json())
        book.end_run(run_id, "Rehearsed", {})
        book.record_approval(
            plan.digest, approved_by="li@example.cn", requested_by="chen.jing@example.com", reason=""
        )


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_as_ctrl_c_does(project: Project, by: signal.Signals) -> None:
    running = project.start(
        "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=partial(_hear, by)
    )
    project.write(101)
    project.await_row(101)
    assert [run.state for run in project.runs()] == ["Unfinished"]
    running.send_signal(by)
    out, error = running.communicate(timeout=LONGEST_S)
    assert (running.returncode, json.loads(out)["state"]) == (0, "Followed"), error
    assert [run.state for run in project.runs()] == ["Followed"]


def _hear(by: signal.Signals) -> None:
    """In the child: tests that run in the background may have been told to ignore it."""
    signal.signal(by, signal.SIG_DFL)


def test_a_closed_terminal_ends_it(project: Project) -> None:
    ours, its = pty.openpty()
    running = project.start(stdin=its, stdout=its, stderr=its, start_new_session=True, preexec_fn=_own(its))
    os.close(its)
    project.write(101)
    project.await_row(101)
    os.close(ours)
    running.wait(LONGEST_S)
    assert [run.state for run in project.runs()] == ["Followed"]


def _own(terminal: int) -> Callable[[], None]:
    def in_child() -> None:
        import fcntl
        import termios

        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    return in_child


def test_nohup_is_respected(project: Project) -> None:
    running = project.start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    project.write(101)
    project.await_row(101)
    running.send_signal(signal.SIGHUP)
    project.write(102)
    project.await_row(102)
    running.send_signal(signal.SIGTERM)
    assert running.wait(LONGEST_S) == 0


def test_it_ends_after_its_time(project: Project) -> None:
    project.write(101)
    running = project.start("--minutes", "0.05", "--json", stdout=subprocess.PIPE)
    out, _ = running.communicate(timeout=LONGEST_S)
    assert running.returncode == 0 and json.loads(out)["databases"][0]["rows"] >= 1
    assert [run.state for run in project.runs()] == ["Followed"]


@pytest.mark.long
def test_the_deployments(project: Project) -> None:
    """Started, cancelled and read as in the browser."""
    with served(project.home) as prefect:
        run = prefect.run("follow/follow", project=str(project.folder))
        project.write(101)
        project.await_row(101)
        prefect.post(f"/flow_runs/{run}/set_state", state={"type": "CANCELLING"})
        state = prefect.wait(run, "CANCELLED", "CRASHED", "COMPLETED", "FAILED")
        assert state["type"] == "CANCELLED"
        assert [one.state for one in project.runs()] == ["Followed"]

        run = prefect.run("follow/follow", project=str(project.folder), minutes=0.02)
        state = prefect.wait(run, "COMPLETED", "FAILED", "CRASHED")
        assert (state["type"], state["message"]) == (
            "COMPLETED",
            "Followed: plan " + project.runs()[-1].digest[:12] + ", 0 rows of shop-db applied",
        )
        assert [one.state for one in project.runs()] == ["Followed", "Followed"]

        equal = prefect.run("compare/compare", project=str(project.folder), database="shop-db")
        state = prefect.wait(equal, "COMPLETED", "FAILED", "CRASHED")
        assert (state["type"], state["message"]) == ("COMPLETED", "EQUAL")
        project.world.target.run(f"DELETE FROM {SCHEMA}.orders WHERE id = 3")
        other = prefect.run("compare/compare", project=str(project.folder), database="shop-db", wait_s=0.1)
        state = prefect.wait(other, "COMPLETED", "FAILED", "CRASHED")
        assert state["type"] == "FAILED" and "DIFFERENT: 1 rows" in state["message"]
        shown = [
            row
            for row in prefect.post("/artifacts/latest/filter")
            if row["key"] == "comparison-demo-shop-shop-db"
        ]
        assert "id=3 missing" in json.dumps(shown, ensure_ascii=False)
