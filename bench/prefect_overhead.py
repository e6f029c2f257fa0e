"""1,000 steps through the runner, ledger included, beside 1,000 bare Prefect tasks. Wanted: <= 1.3x.

Both in one process against one server, in turn, so that the machine's noise meets both; the ratio is taken
pair by pair. The bare tasks are submitted in the same bounded way and do the same: nothing. Before each flow
the server has finished recording the one before; the ledger's database is made before the clock starts.
"""

import os
import queue
import statistics
import tempfile
import time
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from bench.noop import NoOp
from core.graph import Graph
from core.plan import Plan
from flows.records import LedgerRecorder
from flows.runner import WORKERS, execute_graph
from flows.serve import server
from ledger.book import Ledger

STEPS, PAIRS, PORT = 1_000, 7, 4299
IDLE_TICKS, LONGEST_WAIT_S = 8, 60
"""Hundredths of a second of CPU that our children may use in a second and still count as idle."""


@task(cache_policy=NO_CACHE, task_run_name="{key}", persist_result=False)
def bare(key: str) -> None:
    return None


@flow(name="bare", persist_result=False)
def bare_flow() -> None:
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    running = 0
    for n in range(STEPS):
        if running == WORKERS:
            ended.get()
            running -= 1
        bare.submit(f"bench/{n:05}").add_done_callback(lambda _: ended.put(1))
        running += 1
    for _ in range(running):
        ended.get()


@flow(name="steps", persist_result=False)
def steps_flow(ledger: Ledger) -> None:
    graph = Graph(NoOp(key=f"bench/{n:05}") for n in range(STEPS))
    plan = Plan(nothing_because="it is as wanted")
    run_id = ledger.start_run("live", requested_by="bench@example.com")
    recorder = LedgerRecorder(ledger, run_id, ())
    recorder.approved = lambda key: (plan, False)  # type: ignore[method-assign]
    report = execute_graph(graph, set(graph.steps), recorder)
    assert report.ok and len(report.outcomes) == STEPS
    ledger.end_run(run_id, "completed")


def await_idle() -> None:
    """Wait until our children (the server) have no more work."""
    deadline = time.monotonic() + LONGEST_WAIT_S
    while time.monotonic() < deadline:
        before = ticks_of_children()
        time.sleep(1)
        if ticks_of_children() - before <= IDLE_TICKS:
            return
    raise SystemExit("the server does not come to rest: is something else running?")


def ticks_of_children() -> int:
    """CPU time of this process's children and theirs, in hundredths of a second (proc(5), stat)."""
    parents, ticks = {}, {}
    for process in Path("/proc").iterdir():
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            pid = int(process.name)
        except (OSError, ValueError):
            continue  # no process, or it ended between the listing and the reading
        parents[pid], ticks[pid] = int(fields[1]), int(fields[11]) + int(fields[12])

    def is_ours(pid: int) -> bool:
        return (parent := parents.get(pid, 0)) == os.getpid() or (parent != 0 and is_ours(parent))

    return sum(used for pid, used in ticks.items() if is_ours(pid))


def main() -> None:
    times: dict[str, list[float]] = {"bare": [], "steps": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        server(PORT) as address,
        # Prefect read the environment before it was set; its heartbeat ends a flow on whole seconds.
        temporary_settings({PREFECT_API_URL: address, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        bare_flow()
        for pair in range(PAIRS):
            for name in ("bare", "steps") if pair % 2 else ("steps", "bare"):
                with Ledger.open(Path(folder) / str(pair), None, "bench") as ledger:
                    await_idle()
                    started = time.perf_counter()
                    if name == "bare":
                        bare_flow()
                    else:
                        steps_flow(ledger)
                    times[name].append(time.perf_counter() - started)
                    assert ledger.verify().ok
    ratios = [s / b for s, b in zip(times["steps"], times["bare"], strict=True)]
    for name, seconds in times.items():
        print(f"{name}: median {statistics.median(seconds):.2f} s ({min(seconds):.2f}-{max(seconds):.2f})")
    print(f"ratio: median {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
