"""Finding, entering and ending the processes of a host.

A host's first process carries a mark in its environment, so it is found without any record of ours:
an `up` that was killed before it could write anything down leaves nothing that `down` cannot find.
"""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from lab.commands import run
from lab.errors import LabFailed
from lab.plan import Estate

MARK = "QIANYUN_LAB"


def variables() -> Iterator[tuple[int, bytes]]:
    """Give every variable in the environment of every process as (pid, `NAME=value`)."""
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            values = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended between the listing and the reading
        for value in values:
            yield int(process.name), value


def marked(prefix: str) -> dict[int, str]:
    """Find every process whose mark starts with `prefix`: {pid: mark}."""
    wanted = f"{MARK}={prefix}".encode()
    return {
        pid: value.decode().removeprefix(f"{MARK}=") for pid, value in variables() if value.startswith(wanted)
    }


def first_processes(estate: Estate) -> dict[str, int]:
    """Find the process that is PID 1 of each running host: {host: pid}."""
    found = {}
    for pid, mark in marked(f"{estate.name}/").items():
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        ids = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
        if len(ids) == 2 and ids[1] == "1":
            found[mark.split("/", 1)[1]] = pid
    return found


def end(estate: Estate, host: str = "") -> None:
    """End every process of a host, or of the whole instance; a namespace dies with its first process.

    Raises: LabFailed if one is still there after ten seconds.
    """
    mark, deadline = f"{estate.name}/{host}", time.monotonic() + 10
    while pids := [pid for pid, found in marked(mark).items() if not host or found == mark]:
        if time.monotonic() > deadline:
            raise LabFailed(f"processes {pids} of {mark} do not end")
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


def pid_of(estate: Estate, host: str) -> int:
    """Give a running host's first process. Raises: LabFailed if it is down."""
    pid = first_processes(estate).get(host)
    if pid is None:
        raise LabFailed(
            f"{host} of {estate.name} is down", next_command=f"python -m lab up --name {estate.name}"
        )
    return pid


def inside(
    estate: Estate, host: str, command: list[str], given: str | None = None, timeout_s: float = 60
) -> str:
    """Run a command on a host as its root and return what it prints, over no network."""
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        MARK: estate.mark(host),
    }
    pid = str(pid_of(estate, host))
    enter = ["nsenter", "-t", pid, "-m", "-u", "-i", "-n", "-p", "-r", "-w"]
    return run([*enter, *command], given=given, env=environment, timeout_s=timeout_s)


def answers(address: str, port: int, timeout_s: float = 1.0) -> bool:
    """Tell whether something accepts a TCP connection there."""
    try:
        with socket.create_connection((address, port), timeout=timeout_s):
            return True
    except OSError:
        return False
