"""`qianyun serve` from a checkout: everything comes up, and everything goes, however it ends."""

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from flows import prefect_settings
from flows.processes import children, is_alive
from inventory.phases import PHASE_NAMES
from tests.served import QIANYUN, ROOT, Served, environment, free_port, served

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are followed by /proc")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("serve") / "home") as running:
        yield running


def test_every_deployment_is_there_and_dry_by_default(one: Served) -> None:
    found = {row["name"]: row for row in one.post("/deployments/filter")}

    others = {"rehearse", "execute", "approve", "rollback", "gate", "compare", "follow"}
    assert set(found) == {*PHASE_NAMES, *others}
    for name, row in found.items():
        properties = row["parameter_openapi_schema"]["properties"]
        assert row["description"], name
        undescribed = [key for key, about in properties.items() if not about.get("description")]
        assert not undescribed, name
        assert not [key for key in properties if "password" in key or "secret" in key], name
        if "dry_run" in properties:
            assert properties["dry_run"]["default"] is True
            assert row["parameters"]["dry_run"] is (name != "execute")
            assert row["global_concurrency_limit"]["limit"] == 1
            assert row["concurrency_options"]["collision_strategy"] == "ENQUEUE"


def test_quiet_towards_the_outside(one: Served) -> None:
    settings = one.get("/admin/settings")

    assert settings["server"]["analytics_enabled"] is False
    assert settings["server"]["ui"]["v2_enabled"] is False
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{one.address}/ui-settings").json()["api_url"] == "/api"
        page = client.get(f"{one.address}/v2/runs", headers={"accept": "text/html"}, follow_redirects=True)
    assert "src=" not in page.text or "/v2" not in page.text  # never the interface that calls outside


def test_a_second_one_says_what_to_do(one: Served, tmp_path: Path) -> None:
    def second(home: Path, port: int) -> subprocess.CompletedProcess[str]:
        command = [QIANYUN, "serve", "--port", str(port)]
        return subprocess.run(command, cwd=ROOT, env=environment(home), capture_output=True, text=True)

    same_home = second(one.home, free_port())
    assert same_home.returncode == 1
    assert f"runs already at {one.address} (process {one.process.pid})" in same_home.stderr

    same_port = second(tmp_path, one.port)
    assert same_port.returncode == 1
    assert same_port.stderr.rstrip().endswith(f"    qianyun serve --port {one.port + 1}")


def test_only_a_living_server_is_believed(
    one: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QIANYUN_HOME", str(one.home))
    assert prefect_settings.running_server() == f"{one.address}/api"

    # Left behind by a killed one; its address answers and its process id is alive, but neither is ours.
    monkeypatch.setenv("QIANYUN_HOME", str(tmp_path))
    assert prefect_settings.running_server() is None
    prefect_settings.server_file().parent.mkdir()
    prefect_settings.server_file().write_text(json.dumps({"api": f"{one.address}/api", "pid": os.getpid()}))
    assert prefect_settings.running_server() is None


def test_a_refusal_is_readable_in_the_run(one: Served) -> None:
    state = one.wait(one.run("migration/rehearse", project="/nowhere"), "COMPLETED", "FAILED", "CRASHED")

    assert (state["type"], state["name"]) == ("FAILED", "Refused")
    assert "/nowhere" in state["message"] and "no such project folder" in state["message"]


@pytest.fixture
def waiting_run(one: Served) -> Iterator[str]:
    """A run in the middle of its work: it waits for the ledger's folder, which we hold."""
    descriptor = os.open(one.home, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        run = one.run("migration/rehearse")
        one.wait(run, "RUNNING")
        time.sleep(1)
        yield run
    finally:
        os.close(descriptor)


def test_stopping_ends_runs_and_leaves_no_process(one: Served, waiting_run: str) -> None:
    """Last: it ends the server."""
    helpers = children(one.process.pid)
    processes = {one.process.pid, *helpers, *(pid for helper in helpers for pid in children(helper))}
    assert len(processes) >= 4  # serve, server, worker, the run

    one.stop(signal.SIGTERM)

    assert [pid for pid in processes if is_alive(pid)] == []
    with closing(sqlite3.connect(one.home / "prefect" / "prefect.db")) as database:
        query = "SELECT state_type FROM flow_run WHERE replace(id, '-', '') = ?"
        assert database.execute(query, [waiting_run.replace("-", "")]).fetchone() == ("CRASHED",)


def test_a_killed_command_leaves_no_server(tmp_path: Path) -> None:
    script = (
        "from flows.prefect_settings import prepare; prepare()\n"
        "from flows.serve import server\n"
        f"with server({free_port()}): print('up', flush=True); import time; time.sleep(600)"
    )
    command = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=environment(tmp_path), stdout=subprocess.PIPE
    )
    assert command.stdout is not None and command.stdout.readline() == b"up\n"
    (server,) = children(command.pid)

    command.kill()
    command.wait()

    deadline = time.monotonic() + 5
    while is_alive(server) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(server)
