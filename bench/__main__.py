"""Run one measurement, or all: `python -m bench [graph-planning | prefect-overhead]`."""

import sys

from flows.prefect_settings import prepare

prepare()

from bench import graph_planning, prefect_overhead  # noqa: E402 - Prefect reads its settings when imported

MEASUREMENTS = {"graph-planning": graph_planning.main, "prefect-overhead": prefect_overhead.main}

for name in sys.argv[1:] or MEASUREMENTS:
    print(f"== {name}")
    MEASUREMENTS[name]()
