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
from pathlib import Path
from types import FrameType

from core.errors import MigrationError
from flows.home import home
from flows.prefect_settings import answers, server_file
from flows.processes import SERVED, children, dying_with_us, stop, wait_until_gone

ROOT = Path(__file__).resolve().parent.parent
START_S = 120.0


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
    _require_free(port)
    log = home() / "prefect" / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    address = f"http://127.0.0.1:{port}/api"
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
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
        yield address
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        if earlier:
            os.environ["PREFECT_API_URL"] = earlier
        stop(process)


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
    from flows.deploy import POOL, close_orphans, deploy

    with _alone() as file, server(port) as address:
        yield f"Prefect server: {address.removesuffix('/api')}"
        os.environ["QIANYUN_HOME"] = str(home())  # the worker and its runs stand in another folder
        seconds = deploy(ROOT)
        for name in close_orphans():
            yield f"Run {name}: crashed when the server stopped; run it again to do what is left."
        with _worker(POOL, port) as worker:
            file.write_text(json.dumps({"api": address, "pid": os.getpid()}))
            yield f"Deployments and worker: ready (deployed in {seconds:.1f} s). Stop everything with Ctrl-C."
            while worker.poll() is None:
                time.sleep(1)
                if not answers(address):
                    raise MigrationError(
                        f"the Prefect server at {address} ended or no longer answers",
                        why="Runs in flight were ended too; run them again to do what is left.",
                        next_command=f"tail {home() / 'prefect' / 'server.log'}",
                    )
        raise MigrationError("the worker ended by itself", next_command=f"qianyun serve --port {port}")


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
def _worker(pool: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        _prefect("worker", "start", "--pool", pool, "--name", f"{socket.gethostname()}-{port}"),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, SERVED: "1"},
        start_new_session=True,
        preexec_fn=dying_with_us(),
    )
    try:
        yield process
    finally:
        # Killed, not asked: asked, it would wait for its runs. They notice, end what is in flight and
        # report that they crashed, for which the server must still be there.
        runs = children(process.pid)
        stop(process, signal.SIGKILL)
        wait_until_gone(runs)
