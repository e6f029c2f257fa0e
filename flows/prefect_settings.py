"""Prefect's settings for us, put into the environment before Prefect is imported.

Quiet towards the outside (closed networks), and a local server that keeps up with many small tasks.
Source: docs/prefect.md (measured with Prefect 3.8.8).
"""

import fcntl
import json
import os
import urllib.error
import urllib.request
from pathlib import Path

from flows.home import home

SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # The V2 interface calls an analytics host from the browser; the V1 interface does not.
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    # Prefect's own stand-in server outlives a killed process; ours (flows/serve.py) does not.
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    # A run asked for in the browser starts within seconds (Prefect asks every 10 by default).
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
}


def server_file() -> Path:
    """The address of the server of `qianyun serve`, which holds this file locked as long as it lives."""
    return home() / "prefect" / "server.json"


def running_server() -> str | None:
    """The API address of `qianyun serve` of this home, if it still runs and answers.

    What a killed one left behind is not believed: its lock fell with it, whoever has its process id now.
    """
    try:
        with server_file().open("rb") as file:
            if _lockable(file.fileno()):
                return None
            api = str(json.load(file)["api"])
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return api if answers(api) else None


def _lockable(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def answers(api: str) -> bool:
    """Whether a Prefect API says there that it is well."""
    try:
        # Without the environment's proxies: the server is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{api}/health", timeout=5) as response:
            return bool(response.read().strip() == b"true")
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def prepare() -> None:
    """Set what the user did not set; must run before the first import of Prefect."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    _bypass_proxies()
    (home() / "prefect").mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PREFECT_HOME", str(home() / "prefect"))
    os.environ.setdefault("PREFECT_SERVER_UI_STATIC_DIRECTORY", str(home() / "prefect" / "ui"))
    if "PREFECT_API_URL" not in os.environ:
        server = running_server()
        if server:
            os.environ["PREFECT_API_URL"] = server


def _bypass_proxies() -> None:
    """A company's proxy (http_proxy) must not be asked for a server on this machine."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host for host in known.split(",") if host]
    hosts += [host for host in ("127.0.0.1", "localhost") if host not in hosts]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(hosts)
