"""Processes that end together: server, worker and flow runs with `qianyun serve`, however that ends."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h; Python has no name for it."""
SERVED = "QIANYUN_SERVED"
"""Set for the worker of `qianyun serve` and so for its flow runs: they end with it."""
GRACE_S = 15.0
"""For the steps in flight to end; what is killed after it is resumed by the next run."""


def dying_with_us() -> Callable[[], None]:
    """For subprocess's preexec_fn: the child is killed when this process is gone, even by kill -9.

    Linux only; elsewhere a killed `qianyun serve` may leave its server behind.
    """
    parent = os.getpid()
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def in_child() -> None:
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before we could ask
                os._exit(1)

    return in_child


@contextmanager
def told_to_end() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, or SIGTERM or SIGHUP came: a service is stopped, a terminal closed.

    The first is only noted, so that nothing is cut in the middle; a second interrupts.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    before = {}
    for wanted in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup, or a shell that puts us in the background, wants us not to hear it.
        if signal.getsignal(wanted) is not signal.SIG_IGN:
            before[wanted] = signal.signal(wanted, note)
    try:
        yield lambda: bool(came)
    finally:
        for wanted, handler in before.items():
            signal.signal(wanted, handler)


def under_worker() -> bool:
    """Whether this process is one flow run of a Prefect worker."""
    return "PREFECT__FLOW_RUN_ID" in os.environ


def end_with_worker() -> None:
    """In a flow run's process: end when its worker is gone, by itself or by force.

    Prefect leaves such a process working with nobody to see it. SIGTERM lets the steps in flight end; the
    ledger's lock falls with the process, and `qianyun serve` calls the run Crashed.
    """
    if SERVED not in os.environ or not under_worker():
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_S)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="end with worker", daemon=True).start()


def stop(process: subprocess.Popen[bytes], by: signal.Signals = signal.SIGINT) -> None:
    """End a child that leads a session of its own, and all in that session."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, by)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def children(pid: int) -> list[int]:
    """The processes started by a process; none where the system cannot say (only Linux can)."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def wait_until_gone(pids: Iterable[int]) -> None:
    """Wait for processes that are ending by themselves; after their grace they are killed."""
    deadline = time.monotonic() + GRACE_S + 5
    left = set(pids)
    while left and time.monotonic() < deadline:
        time.sleep(0.2)
        left = {pid for pid in left if is_alive(pid)}
    for pid in left:
        os.kill(pid, signal.SIGKILL)
