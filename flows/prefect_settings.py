"""Prefect's settings for us, put into the environment before Prefect is imported.

Quiet towards the outside (closed networks), and a local server that keeps up with many small tasks.
Source: docs/prefect.md (measured with Prefect 3.8.8).
"""

import json
import os
from pathlib import Path

from flows.home import home

SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # The V2 interface calls an analytics host from the browser; the V1 interface does not.
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    # Prefect's own stand-in server outlives a killed process; ours (flows/serve.py) does not.
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
}


def server_file() -> Path:
    """Written by `qianyun serve`: the address of the running server and its process id."""
    return home() / "prefect" / "server.json"


def running_server() -> str | None:
    """The API address of the server started by `qianyun serve`, if it still runs."""
    try:
        server = json.loads(server_file().read_text())
        os.kill(server["pid"], 0)
    except (FileNotFoundError, ProcessLookupError, ValueError, KeyError):
        return None
    return str(server["api"])


def prepare() -> None:
    """Set what the user did not set; must run before the first import of Prefect."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    (home() / "prefect").mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PREFECT_HOME", str(home() / "prefect"))
    os.environ.setdefault("PREFECT_SERVER_UI_STATIC_DIRECTORY", str(home() / "prefect" / "ui"))
    server = running_server()
    if server:
        os.environ.setdefault("PREFECT_API_URL", server)
