"""The commands: raise an instance, take it down, look at it, put it back as new."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import access, image, network, processes, zone
from lab.errors import LabFailed
from lab.hosts import start
from lab.machine import require, require_root
from lab.plan import Estate, Host, estate, state_root

__all__ = ["Estate", "down", "estate", "reset", "secrets", "status", "up"]


def up(name: str = "demo") -> Estate:
    """Raise an instance, or what is missing of it; the first time builds the image, some minutes.

    Raises: LabUnavailable, nothing touched; LabFailed with the log of the host that did not start.
    """
    wanted = estate(name)
    require(state_root())
    built = image.build()
    with only_one(wanted):
        raise_hosts(wanted, built)
    return wanted


def raise_hosts(wanted: Estate, built: Path) -> None:
    """Start every host that is not ready, all at once, and report every one that failed."""
    access.make_access(wanted)
    network.raise_bridge(wanted)
    running = processes.first_processes(wanted)
    missing = [
        h for h in wanted.hosts if h.name not in running or not (wanted.directory(h.name) / "ready").exists()
    ]
    with ThreadPoolExecutor(max_workers=len(wanted.hosts)) as pool:
        jobs = {host.name: pool.submit(start, wanted, host, built) for host in missing}
    failures = {name: error for name, job in jobs.items() if (error := job.exception())}
    if failures:
        raise LabFailed(
            "; ".join(f"{name}: {error}" for name, error in failures.items()),
            next_command=f"python -m lab down --name {wanted.name}",
        ) from next(iter(failures.values()))
    zone.seed(wanted)


def down(name: str = "demo", purge: bool = False) -> None:
    """End every process of an instance and remove its network and state; `purge` removes the image too.

    Works on whatever a killed `up` left, and on nothing at all. Raises: LabFailed if `purge` would take
    the image from under another instance.
    """
    require_root()
    wanted = estate(name)
    if state_root().exists():
        with only_one(wanted):
            lower(wanted)
            shutil.rmtree(wanted.root)
        if not any(path.is_dir() for path in state_root().iterdir()):
            shutil.rmtree(state_root())
    if purge:
        image.forget_all()


def lower(wanted: Estate) -> None:
    """End the hosts, whose mounts and namespaces go with them, then the network."""
    processes.end(wanted)
    network.remove_network(wanted)


def reset(name: str = "demo") -> Estate:
    """Put an instance back to its first state, its keys and passwords kept."""
    wanted = estate(name)
    require(state_root())
    built = image.build()
    with only_one(wanted):
        lower(wanted)
        for stale in (wanted.root / "hosts", wanted.mailbox):
            shutil.rmtree(stale, ignore_errors=True)
        raise_hosts(wanted, built)
    return wanted


def secrets(name: str = "demo") -> Path:
    """Give the directory of the instance's keys and passwords."""
    return estate(name).secrets


def status(name: str = "demo") -> dict[str, Any]:
    """Look at an instance. Shape: {"name", "network", "state", "hosts": [{"name", "address", ...}]}."""
    require_root()
    wanted = estate(name)
    pids = processes.first_processes(wanted)
    with ThreadPoolExecutor(max_workers=len(wanted.hosts)) as pool:
        hosts = list(pool.map(lambda host: describe(wanted, host, pids.get(host.name)), wanted.hosts))
    states = {host["state"] for host in hosts}
    return {
        "name": name,
        "network": f"10.{wanted.prefix}.0.0/16",
        "state": states.pop() if len(states) == 1 else "partly up",
        "secrets": str(wanted.secrets),
        "mailbox": str(wanted.mailbox),
        "cloud_url": wanted.cloud_url,
        "hosts": hosts,
    }


def describe(wanted: Estate, host: Host, pid: int | None) -> dict[str, Any]:
    """Say what one host is and which of its services answer."""
    address = wanted.address(host.name)
    services = {service: pid is not None and processes.answers(address, port) for service, port in host.ports}
    state = "down" if pid is None else "up" if all(services.values()) else "partly up"
    return {
        "name": host.name,
        "address": address,
        "side": host.side,
        "role": host.role,
        "state": state,
        "pid": pid,
        "services": services,
    }


@contextmanager
def only_one(wanted: Estate) -> Iterator[None]:
    """Hold the instance's lock: a second `up` waits, then finds everything done."""
    while True:
        wanted.root.mkdir(parents=True, exist_ok=True)
        handle = os.open(wanted.root, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if wanted.root.exists() and os.fstat(handle).st_ino == wanted.root.stat().st_ino:
            break
        os.close(handle)  # a `down` removed the directory while we waited
    try:
        yield
    finally:
        os.close(handle)
