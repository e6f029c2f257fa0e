"""One host: from a directory and an address to services that answer, and back to nothing."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from lab import access, accounts, network, processes
from lab.commands import tail
from lab.errors import LabFailed
from lab.image import NAMESPACES, RECIPE, clean_env
from lab.plan import Estate, Host

START_S = 60.0
GONE_S = 2.0
PROJECT = Path(__file__).parent.parent


def start(estate: Estate, host: Host, image: Path) -> None:
    """Start a host from a fresh overlay and wait until its services answer.

    A host found with the mark but without the note `ready` was left half-way by a killed `up`: it is
    ended and started from nothing. Raises: LabFailed with the end of its log.
    """
    place = estate.directory(host.name)
    processes.end(estate, host.name)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    launch(estate, host, image)
    wait_for_services(estate, host)
    if host.server_id:
        accounts.create(estate, host.name)
    (place / "ready").touch()


def launch(estate: Estate, host: Host, image: Path) -> None:
    """Create the host's namespaces and plug its cable in."""
    place = estate.directory(host.name)
    env = clean_env() | {processes.MARK: estate.mark(host.name), "LAB_HOST": host.name}
    if host.layers:
        access.plant(estate, host.name)
        env |= {
            "LAB_DIR": str(place),
            "LAB_LOWER": ":".join(str(image / layer) for layer in host.layers),
            "LAB_BIND": f"{image / 'packages'}:/opt/packages",
            "LAB_DISK": host.disk,
        }
        command = [str(RECIPE / "chamber.sh"), "/usr/bin/tini", "--", "/usr/local/sbin/lab-boot"]
    else:
        env |= {"PYTHONPATH": str(PROJECT), "HOME": str(place), "LAB_MAILBOX": str(estate.mailbox)}
        command = [str(RECIPE / "station.sh"), sys.executable, "-m", host.module]
    with (place / "boot.log").open("wb") as log:
        child = subprocess.Popen(
            ["unshare", "--net", *NAMESPACES, "--mount-proc", "sh", *command]
            if not host.layers
            else ["unshare", "--net", *NAMESPACES, "sh", *command],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    network.plug(estate, host.name, await_namespace(estate, host, child))


def await_namespace(estate: Estate, host: Host, child: "subprocess.Popen[bytes]") -> int:
    """Wait for the host's first process: its network namespace is then its own."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and child.poll() is None:
        pid = processes.first_processes(estate).get(host.name)
        if pid is not None:
            return pid
        time.sleep(0.02)
    raise LabFailed(f"{host.name} did not start:\n{tail(estate.directory(host.name) / 'boot.log')}")


def wait_for_services(estate: Estate, host: Host) -> None:
    """Wait until every service of the host accepts connections."""
    deadline = seen = time.monotonic()
    deadline += START_S
    for service, port in host.ports:
        while not processes.answers(estate.address(host.name), port):
            now = time.monotonic()
            # A process has no environment to read for a moment while it becomes another program.
            seen = now if host.name in processes.first_processes(estate) else seen
            if now - seen > GONE_S or now > deadline:
                log = tail(estate.directory(host.name) / "boot.log")
                raise LabFailed(f"{service} on {host.name} does not answer at port {port}:\n{log}")
            time.sleep(0.1)
