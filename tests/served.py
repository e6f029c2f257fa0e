"""`qianyun serve` as a user starts it: a process of its own, in a home of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

QIANYUN = str(Path(sys.executable).with_name("qianyun"))
ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path) -> dict[str, str]:
    """Ours without anything of Prefect's, as in a fresh terminal."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    return kept | {"QIANYUN_HOME": str(home)}


class Served:
    """A running `qianyun serve`."""

    def __init__(self, home: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.home = home
        self.port = port
        self.process = process
        self.address = f"http://127.0.0.1:{port}"
        self._api = httpx.Client(base_url=f"{self.address}/api", trust_env=False, timeout=30)

    def get(self, path: str) -> Any:
        return self._asked("GET", path, None)

    def post(self, path: str, **body: Any) -> Any:
        return self._asked("POST", path, body)

    def _asked(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        for _ in range(10):
            answer = self._api.request(method, path, json=body)
            if (
                answer.status_code != 503
            ):  # its SQLite file is locked for a moment: Prefect's client asks again
                break
            time.sleep(0.5)
        return answer.raise_for_status().json()

    def run(self, deployment: str, **parameters: Any) -> str:
        """Ask for a run, as the form in the browser does; gives its id."""
        found = self.get(f"/deployments/name/{deployment}")
        asked = found["parameters"] | parameters
        return str(self.post(f"/deployments/{found['id']}/create_flow_run", parameters=asked)["id"])

    def wait(self, run: str, *states: str, seconds: float = 60.0) -> dict[str, Any]:
        """The run's state once its type is one of these."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            state: dict[str, Any] = self.get(f"/flow_runs/{run}")["state"]
            if state["type"] in states:
                return state
            time.sleep(0.3)
        raise AssertionError(f"run {run} is {state['name']}: {state['message']}")

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(by)
        self.process.wait(60)


@contextmanager
def served(home: Path) -> Iterator[Served]:
    home.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), home / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [QIANYUN, "serve", "--port", str(port)],
            cwd=ROOT,
            env=environment(home),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 150
        while "ready" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield Served(home, port, process)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
