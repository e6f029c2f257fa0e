"""One practice estate for the whole session, and the commands a migration engineer types against it."""

import fcntl
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.prefect_settings import SETTINGS
from inventory.practice import materialise
from lab.estate import Estate, down, reset, up
from lab.snapshot import snapshot
from tests.live.worlds import accounts, trees

NAME = "test"
ENGINEER, CUSTOMER = "chen.jing@example.com", "li.ming@example.cn"
BIN = Path(sys.executable).parent
LONGEST_S = 600
DONE = {"Applied", "Unchanged"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The kills come last: they compare with the undisturbed world that the project's story leaves."""
    items.sort(key=lambda item: item.path.name == "test_kill.py")


@dataclass
class Answer:
    """How a command ended: its exit status, its JSON document and what it said to people."""

    status: int
    document: dict[str, Any]
    text: str

    @classmethod
    def of(cls, process: subprocess.Popen[str]) -> "Answer":
        """Wait for a command that was started beside the test."""
        out, text = process.communicate(timeout=LONGEST_S)
        return cls(process.returncode, json.loads(out or "{}"), text)

    @property
    def errors(self) -> dict[str, str]:
        """The class of every step's error."""
        return {row["step"]: row["class"] for row in self.document.get("errors", ())}

    @property
    def message(self) -> str:
        """Every error's text."""
        rows = [*self.document.get("errors", ()), self.document.get("error", {})]
        return "\n".join(row.get("message", "") for row in rows)

    @property
    def states(self) -> dict[str, str]:
        return {row["step"]: row["state"] for row in self.document.get("steps", ())}

    @property
    def applied(self) -> list[str]:
        return [step for step, state in self.states.items() if state == "Applied"]

    @property
    def undone(self) -> dict[str, str]:
        """The steps that a live run did not bring to their end."""
        return {step: state for step, state in self.states.items() if state not in DONE}


@dataclass
class Terminal:
    """A project folder and a $QIANYUN_HOME of its own; runs commands as a user would."""

    lab: Estate
    root: Path
    api: str = ""
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        outside = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "QIANYUN_LEDGER"))}
        self.environment = outside | {"QIANYUN_HOME": str(self.home)}
        if self.api:
            self.environment["PREFECT_API_URL"] = self.api

    @property
    def home(self) -> Path:
        return self.root / "var"

    @property
    def project(self) -> Path:
        return self.root / "project"

    def command(self, *arguments: str) -> list[str]:
        return [str(BIN / "qianyun"), *arguments, "--json"]

    def start(self, *arguments: str, group: bool = False) -> subprocess.Popen[str]:
        """Start a command beside the test, on request in a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=self.root,
            start_new_session=group,
        )

    def run(self, *arguments: str, expect: int = 0) -> Answer:
        """Run `qianyun ... --json` to its end; another exit status than expected fails the test."""
        answer = Answer.of(self.start(*arguments))
        said = f"qianyun {' '.join(arguments)}: exit {answer.status}, wanted {expect}"
        assert answer.status == expect, f"{said}\n{answer.message}\n{answer.text[-4000:]}"
        return answer

    def of_project(self, verb: str, *arguments: str, expect: int = 0) -> Answer:
        return self.run(verb, str(self.project), *arguments, expect=expect)

    def rehearse(self, *arguments: str, expect: int = 0) -> Answer:
        return self.of_project("rehearse", "--as", ENGINEER, *arguments, expect=expect)

    def migrate(self, digest: str, *arguments: str, expect: int = 0) -> Answer:
        return self.of_project("migrate", "--plan", digest, *arguments, expect=expect)

    def world(self) -> dict[str, str]:
        return snapshot(self.lab.name)

    def set_window(self, start_h: float, end_h: float) -> None:
        """Write the project folder, its cutover window so many hours from now."""
        now = datetime.now(UTC).replace(microsecond=0)
        materialise(
            self.project,
            prefix=f"10.{self.lab.prefix}",
            window_start=now + timedelta(hours=start_h),
            window_end=now + timedelta(hours=end_h),
            secrets=self.lab.secrets,
        )


class Shelf:
    """What one test of the session made and another can start from: minutes saved, nothing weakened.

    The estate after a reset is the same to a byte, so a plan approved for it is fresh again.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.end: dict[str, str] = {}
        self.trees: dict[str, str] = {}
        self.accounts: dict[str, str] = {}
        self.migration_s = 0.0

    def ended(self, terminal: Terminal, seconds: float) -> None:
        """Keep the world that an undisturbed migration led to, and how long it took."""
        self.end, self.migration_s = terminal.world(), seconds
        self.trees, self.accounts = trees(terminal.lab), accounts(terminal.lab)

    def keep(self, terminal: Terminal, digest: str) -> None:
        """Keep the records of a project that is rehearsed and approved, and not begun."""
        shutil.rmtree(self.root, ignore_errors=True)
        # The server's database stays behind: it may be in use, and no record of ours is in it.
        shutil.copytree(terminal.home, self.root / "var", ignore=shutil.ignore_patterns("prefect"))
        (self.root / "digest").write_text(digest)

    def approved(self, terminal: Terminal) -> str:
        """Give the terminal an approved plan of its reset estate; its digest."""
        if not self.root.exists():
            digest = str(terminal.rehearse().document["digest"])
            terminal.of_project("approve", "--plan", digest, "--as", CUSTOMER)
            self.keep(terminal, digest)
        shutil.copytree(self.root / "var", terminal.home, dirs_exist_ok=True)
        return (self.root / "digest").read_text()


def why_not() -> str:
    """Why there can be no practice estate here; "" where there can."""
    if platform.system() != "Linux":
        return "the practice estate needs Linux"
    return "" if os.geteuid() == 0 else "the practice estate needs root"


ON_ESTATE = [pytest.mark.live, pytest.mark.skipif(bool(why_not()), reason=why_not())]
"""Marks of a module that has a practice estate of its own: fixture `lab`, named by the module's NAME."""


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Estate]:
    name: str = request.module.NAME
    try:
        yield up(name)
    finally:
        down(name)


@pytest.fixture(scope="session")
def session_estate() -> Iterator[Estate]:
    if reason := why_not():
        pytest.skip(reason)
    # Two sessions on one machine would reset the estate under each other: the second waits.
    with (Path(tempfile.gettempdir()) / "qianyun-live-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield up(NAME)
        finally:
            down(NAME)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf") / "approved")


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server that all commands of the session share: each would start its own otherwise."""
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    own = {"PREFECT_HOME": str(home), "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui")}
    command = [str(BIN / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=inherited | SETTINGS | own)
    try:
        _await(f"http://127.0.0.1:{port}/api/health", server)
        yield f"http://127.0.0.1:{port}/api"
    finally:
        server.terminate()
        server.wait(30)


def _await(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"no Prefect server at {url}")


@pytest.fixture
def fresh(session_estate: Estate) -> Estate:
    """The estate in its first state."""
    return reset(session_estate.name)


@pytest.fixture
def terminal(fresh: Estate, api: str, tmp_path: Path) -> Terminal:
    """A project on the fresh estate, its window open now."""
    made = Terminal(fresh, tmp_path, api)
    made.set_window(-0.1, 4)
    return made
