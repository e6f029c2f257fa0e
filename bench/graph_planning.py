"""How long a graph of 10,000 no-op steps takes to plan, and how much memory. Wanted: 10 s, 400 MB."""

import resource
import statistics
import time

from bench.noop import NoOp, SilentRecorder
from core.graph import Graph
from core.plan import MigrationPlan
from flows.runner import plan_graph

STEPS, RUNS = 10_000, 5


def main() -> None:
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        graph = Graph(
            NoOp(key=f"bench/{n:05}", needs=(f"bench/{n // 10 - 1:05}",) if n >= 10 else ())
            for n in range(STEPS)
        )
        plan: MigrationPlan = plan_graph(graph, SilentRecorder()).plan
        digest = plan.digest
        seconds.append(time.perf_counter() - started)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spread = f"{min(seconds):.2f}-{max(seconds):.2f}"
    print(f"{STEPS:,} no-op steps, {RUNS} runs: median {statistics.median(seconds):.2f} s ({spread} s),")
    print(f"peak resident {peak_mb:.0f} MB, digest {digest[:12]}")
