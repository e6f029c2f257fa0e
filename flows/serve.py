"""`qianyun serve`: Prefect server, worker and every deployment on this machine, until interrupted."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType

from core.errors import MigrationError
from flows.home import home
from flows.prefect_settings import answers, server_file
from flows.processes import SERVED, children, dying_with_us, stop, wait_until_gone

ROOT = Path(__file__).resolve().parent.parent
START_S = 120.0
DRAIN_S = 20.0
V2_PAGE = """<!doctype html><meta charset="utf-8"><title>Qianyun</title>
<p>Prefect's V2 interface is left out here, because it calls a host outside.
<p><a href="/" onclick="document.cookie='prefect_ui_version=v1;path=/'">Back to the runs</a>
"""


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
    """A Prefect server on 127.0.0.1; gives the API's address."""
    with _server(port) as (address, _):
        yield address


@contextmanager
def _server(port: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Its database lies under $QIANYUN_HOME.

    It ends with this process, also when that is killed: a forgotten server would hold the database.
    Raises: errors.MigrationError where it does not answer within two minutes or the port is taken.
    """
    _require_free(port)
    log = home() / "prefect" / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    _withhold_v2()
    address = f"http://127.0.0.1:{port}/api"
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    # Relative: the browser asks where it got the page from, whichever port or tunnel that was. Without it
    # Prefect's pages ask port 4200, wherever the server listens.
    environment["PREFECT_UI_API_URL"] = "/api"
    with log.open("ab") as output:
        process = subprocess.Popen(
            _prefect("server", "start", "--host", "127.0.0.1", "--port", str(port)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
            preexec_fn=dying_with_us(),
        )
    earlier = os.environ.get("PREFECT_API_URL")
    try:
        _wait_until_healthy(address, process, log)
        os.environ["PREFECT_API_URL"] = address
        yield address, process
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        if earlier:
            os.environ["PREFECT_API_URL"] = earlier
        _drain()
        stop(process)


def _drain() -> None:
    """Let Prefect's client hand over the last states and log lines while the server still listens.

    Afterwards it would lose them, and try each for 7 s before this process may end.
    """
    if "prefect.events.worker" in sys.modules:
        from prefect.events.worker import EventsWorker

        EventsWorker.drain_all(timeout=DRAIN_S)
    if "prefect.logging.handlers" in sys.modules:
        from prefect.logging.handlers import APILogWorker

        APILogWorker.drain_all(timeout=DRAIN_S)


def _withhold_v2() -> None:
    """Put a page of ours where Prefect would put its V2 interface, which calls an analytics host.

    The setting that prefers V1 leaves V2 one click away; Prefect takes what lies there under its own mark.
    Source: prefect.server.api.server, create_ui_app (3.8.8); tests/browser sees whether it still holds.
    """
    folder = Path(os.environ.get("PREFECT_SERVER_UI_STATIC_DIRECTORY", home() / "prefect" / "ui")) / "v2"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(V2_PAGE, encoding="utf-8")
    (folder / "UI_SERVE_BASE").write_text(f"v2:{version('prefect')}:/v2")


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        # As the server itself will: a port whose last connections still fade counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise MigrationError(
                f"port {port} cannot be used: {error}",
                why="Another program listens there.",
                next_command=f"qianyun serve --port {port + 1 if 1024 <= port < 65535 else 4200}",
            ) from error


def _wait_until_healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        if answers(address) and process.poll() is None:
            return
        time.sleep(0.3)
    raise MigrationError("the Prefect server did not come up", next_command=f"tail {log}")


def serve(port: int) -> Iterator[str]:
    """Server, deployments and worker; yields lines for people, returns when interrupted."""
    # Whoever runs us as a service stops us with SIGTERM, a closed terminal with SIGHUP: as with Ctrl-C.
    for wanted in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(wanted, _interrupted)
    try:
        yield from _served(port)
    except KeyboardInterrupt:
        yield "Stopped."


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _served(port: int) -> Iterator[str]:
    from flows.deploy import POOL, deploy, prepare_pool

    with _alone() as file, _server(port) as (address, api_server):
        yield f"Prefect server: {address.removesuffix('/api')}"
        os.environ["QIANYUN_HOME"] = str(home())  # the worker and its runs stand in another folder
        for name in prepare_pool():
            yield f"Run {name}: crashed when the server stopped; run it again to do what is left."
        with _worker(POOL, port) as (worker, runs):
            seconds = deploy(ROOT)  # while the worker starts
            file.write_text(json.dumps({"api": address, "pid": os.getpid()}))
            yield f"Deployments and worker: ready (deployed in {seconds:.1f} s). Stop everything with Ctrl-C."
            while worker.poll() is None:
                # Noted while it lives: once it is gone, nothing says which runs were its own.
                runs[:] = children(worker.pid)
                if api_server.poll() is not None:
                    raise MigrationError(
                        f"the Prefect server at {address} ended by itself",
                        why="Runs in flight were ended too; run them again to do what is left.",
                        next_command=f"tail {home() / 'prefect' / 'server.log'}",
                    )
                time.sleep(1)
        raise MigrationError(
            "the worker ended by itself",
            why="Runs in flight were ended too; run them again to do what is left.",
            next_command=f"qianyun serve --port {port}",
        )


@contextmanager
def _alone() -> Iterator[Path]:
    """Hold the server file: one server a home, since its database takes no two.

    Raises: errors.MigrationError where another holds it.
    """
    path = server_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            raise _running_already(path) from taken
        # Cleared, never deleted: two processes could then lock two files of one name.
        path.write_text("")
        try:
            yield path
        finally:
            path.write_text("")


def _running_already(path: Path) -> MigrationError:
    try:
        known = json.loads(path.read_text())
        where = f"at {str(known['api']).removesuffix('/api')} (process {known['pid']})"
    except ValueError:
        where = "and is just starting"
    return MigrationError(
        f"qianyun serve runs already {where}",
        why=f"Two servers would share one database, that of {home()}.",
        next_command="QIANYUN_HOME=/another/folder qianyun serve --port 4201",
    )


@contextmanager
def _worker(pool: str, port: int) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    process = subprocess.Popen(
        _prefect("worker", "start", "--pool", pool, "--name", f"{socket.gethostname()}-{port}"),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, SERVED: "1", "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "INFO"},
        start_new_session=True,
        preexec_fn=dying_with_us(),
    )
    from flows.deploy import close_orphans

    runs: list[int] = []
    try:
        yield process, runs
    finally:
        # Killed, not asked: asked, it would wait for its runs. They notice and end what is in flight.
        runs = children(process.pid) or runs
        stop(process, signal.SIGKILL)
        wait_until_gone(runs)
        if answers(os.environ["PREFECT_API_URL"]):
            close_orphans()
