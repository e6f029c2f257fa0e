"""`qianyun serve`: Prefect server, worker and every deployment on this machine, until interrupted."""

import asyncio
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx

from core.errors import MigrationError
from flows.home import home
from flows.prefect_settings import server_file

POOL = "qianyun"
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h; Python has no name for it."""
ORPHAN_AFTER = timedelta(seconds=90)
"""Three missed heartbeats of 30 s: then a run without its process is Crashed, not Running for ever."""
ROOT = Path(__file__).resolve().parent.parent


def _prefect(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("prefect")), *arguments]


@contextmanager
def api() -> Iterator[str]:
    """The API of the server that runs already, or of one that lives as long as this command."""
    known = os.environ.get("PREFECT_API_URL")
    if known:
        yield known
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with server(port) as address:
        yield address


@contextmanager
def server(port: int) -> Iterator[str]:
    """A Prefect server on 127.0.0.1 with its database under $QIANYUN_HOME; gives the API's address.

    It ends with this process, also when that is killed: a forgotten server would hold the database.
    Raises: errors.MigrationError where it does not answer within two minutes or the port is taken.
    """
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise MigrationError(
                f"port {port} is in use",
                why="Another server may be running already.",
                next_command=f"qianyun serve --port {port + 1}",
            )
    log = home() / "prefect" / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    address = f"http://127.0.0.1:{port}/api"
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            _prefect("server", "start", "--host", "127.0.0.1", "--port", str(port)),
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    try:
        _wait_until_healthy(address, process, log)
        server_file().write_text(json.dumps({"api": address, "pid": process.pid}))
        os.environ["PREFECT_API_URL"] = address
        yield address
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        server_file().unlink(missing_ok=True)
        _stop(process)


def _die_with_parent() -> None:
    """Runs in the child before it becomes the server. Linux only; elsewhere a killed run may leave it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_until_healthy(api: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{api}/health", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass  # not listening yet: ask again until the deadline
        time.sleep(0.3)
    raise MigrationError("the Prefect server did not come up", next_command=f"tail {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a child and its own children, which share its session."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def deploy() -> None:
    """Create the work pool and every deployment of prefect.yaml, and the automation for orphaned runs."""
    environment = {**os.environ, "QIANYUN_ROOT": str(ROOT)}
    for arguments in (
        ("work-pool", "create", POOL, "--type", "process", "--overwrite"),
        ("--no-prompt", "deploy", "--all"),
    ):
        done = subprocess.run(
            _prefect(*arguments), cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise MigrationError(
                f"prefect {' '.join(arguments)}: {(done.stdout + done.stderr).strip()[-800:]}",
                next_command="qianyun serve",
            )
    asyncio.run(crash_orphans())


async def crash_orphans() -> None:
    """Turn runs whose heartbeat stopped into Crashed, so that nobody waits for a dead process.

    Source: Prefect documentation, "How to detect and respond to zombie flows".
    """
    from prefect.automations import Automation
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import EventTrigger, Posture
    from prefect.events.schemas.events import ResourceSpecification

    name = "Crash orphaned runs"
    try:
        await Automation.aread(name=name)
        return
    except ValueError:
        pass  # not there yet: this is how Prefect says so
    await Automation(
        name=name,
        description="A flow run whose heartbeat stopped has lost its process.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=ORPHAN_AFTER,
        ),
        actions=[
            ChangeFlowRunState(
                name=None,
                force=False,
                state=StateType.CRASHED,
                message="Its process is gone. Run it again: it looks at the world and does what is left.",
            )
        ],
    ).acreate()


def serve(port: int) -> Iterator[str]:
    """Server, deployments and worker; yields lines for people, returns when interrupted."""
    with server(port) as address:
        yield f"Prefect server: {address.removesuffix('/api')}"
        deploy()
        yield "Deployments: ready (rehearse, execute, approve and every phase)"
        worker = subprocess.Popen(
            _prefect("worker", "start", "--pool", POOL, "--name", f"{socket.gethostname()}-{port}"),
            cwd=ROOT,
            start_new_session=True,
        )
        yield "Worker: started. Stop everything with Ctrl-C."
        try:
            worker.wait()
        except KeyboardInterrupt:
            yield "Stopping."
        finally:
            _stop(worker)
