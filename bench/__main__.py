"""Run one measurement, or all: `python -m bench [NAME ...]`, with the names below."""

import sys

from flows.prefect_settings import prepare

prepare()

from bench import graph_planning, mysql_compare, mysql_copy, mysql_cutover, mysql_follow, prefect_overhead  # noqa: E402 - Prefect reads its settings when imported

MEASUREMENTS = {
    "graph-planning": graph_planning.main,
    "prefect-overhead": prefect_overhead.main,
    "mysql-copy": mysql_copy.main,
    "mysql-compare": mysql_compare.main,
    "mysql-follow": mysql_follow.main,
    "mysql-cutover": mysql_cutover.main,
}

for name in sys.argv[1:] or MEASUREMENTS:
    print(f"== {name}")
    MEASUREMENTS[name]()
