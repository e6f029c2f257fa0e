"""The write freeze of a cutover under load, by the clock and the record of a client outside.

A shop in a process of its own writes at its six tills and follows the switch; the steps of the
cutover are carried by the runner's verbs, rehearsed before. Then the way back, and the next cutover. Wanted:
p95 <= 2 s, worst <= 5 s at >= 500 transactions a second, and nothing lost or doubled. BENCH_NATIVE=1: the
target's own replication carries the rows.
"""

import os
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from core.access import Pool, Progress
from core.plan import Plan
from core.step import Step
from tasks.databases.steps import Move
from tasks.verbs import Outcome, StepRun, carried, execute, undo
from tests.databases import client, following
from tests.databases.replicating import replicating, unreplicated
from tests.databases.servers import LocalServer, servers

CUTOVERS = 20
PAUSE_S = 0.008
"""Of each till after a sale: above 500 sales a second in all, which a relay beside them keeps up with."""
LOAD_S = 1.5
"""How long the shop writes before each cutover and after it."""


@dataclass
class Recorder:
    """Approves what was rehearsed, and remembers what was applied."""

    plans: dict[str, Plan] = field(default_factory=dict)

    def guard(self, step: Step[Any]) -> None:
        return None

    guard_write = guard

    def approved(self, key: str) -> tuple[Plan, bool] | None:
        return self.plans[key], False

    def begun(self, key: str, plan: Plan) -> None:
        return None

    def ended(self, outcome: Outcome) -> None:
        return None

    def progress(self, key: str) -> Progress:
        return lambda done, total, unit: None

    def undoing(self, key: str) -> list[Plan]:
        return [Plan.from_json(self.plans[key].to_json())]


@dataclass
class Measured:
    forward_s: list[float] = field(default_factory=list)
    back_s: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    steps_s: dict[str, list[float]] = field(default_factory=dict)


def run(recorder: Recorder, pool: Pool, steps: list[Step[Any]], measured: Measured) -> None:
    for step in steps:
        started = time.monotonic()
        outcome = carried(StepRun(step, pool, recorder, execute))
        measured.steps_s.setdefault(step.key, []).append(time.monotonic() - started)
        if not outcome.state.good:
            raise SystemExit(f"{step.key}: {outcome.error}")


def take_back(recorder: Recorder, pool: Pool, steps: list[Step[Any]]) -> None:
    for step in reversed(steps):
        outcome = carried(StepRun(step, pool, recorder, undo))
        if not outcome.state.good:
            raise SystemExit(f"undo {step.key}: {outcome.error}")


def prepared() -> tuple[tuple[LocalServer, LocalServer], Move]:
    """A shop at the source that is followed by an empty target."""
    both = servers()
    for server in both:
        server.run("SET GLOBAL read_only = 0", *(f"DROP DATABASE `{s}`" for s in server.schemas()))
        server.run(f"DROP USER IF EXISTS {client.ACCOUNT}@'%'")
    both[0].run(*client.account_statements(), *client.TABLES)
    if both[0].flavour != both[1].flavour:
        both[1].run(client.account_statements()[0])  # its password does not move; its rights do
    move = Move(
        source=both[0].endpoint(),
        source_schema=client.SCHEMA,
        target=both[1].endpoint(),
        target_schema=client.SCHEMA,
        accounts=(f"{client.ACCOUNT}@%",),
    )
    return both, move


def measure(cutovers: int, load_s: float = LOAD_S, pause_s: float = 0.0, native: bool = False) -> Measured:
    """`native`: the target's own replication carries the rows."""
    both, move = prepared()
    if native:
        move = replicating(both[0], move)
    measured, recorder, pool = Measured(), Recorder(), Pool()
    before, over, after = (
        list(steps(move).values()) for steps in (following.before, following.over, following.after)
    )
    started: list[tuple[int, float]] = []
    with client.Shop((both[0].port, both[1].port), pause_s) as shop:
        time.sleep(load_s)
        recorder.plans = {step.key: following.planned(step) for step in (*before, *over, *after)}
        run(recorder, pool, before, measured)
        for _ in range(cutovers):
            began = time.monotonic()
            time.sleep(load_s)
            started.append((0, began))
            both[1].run("SET GLOBAL read_only = 0")
            recorder.plans |= {step.key: following.planned(step) for step in (*over, *after)}
            run(recorder, pool, over, measured)
            shop.follow(1)
            run(recorder, pool, after, measured)
            time.sleep(load_s)
            started.append((1, time.monotonic()))
            take_back(recorder, pool, after)
            shop.follow(0)
            take_back(recorder, pool, over)
        time.sleep(load_s)
        record = shop.close()
    pool.close()
    unreplicated(both[1])
    for side, at in started:
        if side == 0:
            measured.rates.append(record.rate(at, at + load_s))
            measured.forward_s.append(record.switch_s(at, 1))
        else:
            measured.back_s.append(record.switch_s(at, 0))
    rows = Counter(row[0] for row in both[0].run(f"SELECT mark FROM {client.SCHEMA}.sales"))
    measured.faults = client.faults(record, rows)
    return measured


def main() -> None:
    native = os.environ.get("BENCH_NATIVE") == "1"
    found = measure(CUTOVERS, pause_s=PAUSE_S, native=native)
    how = ", the target replicating itself," if native else ""
    rates = f"{min(found.rates):.0f}-{max(found.rates):.0f}"
    print(f"{CUTOVERS} cutovers{how} at {rates} transactions a second")
    for name, seconds in (("write freeze", found.forward_s), ("write freeze of the way back", found.back_s)):
        ranked = sorted(seconds)
        p95 = ranked[max(0, round(0.95 * len(ranked)) - 1)]
        print(f"{name}: median {statistics.median(ranked):.2f} s, p95 {p95:.2f} s, worst {ranked[-1]:.2f} s")
    print(f"lost, doubled or unknown: {'; '.join(found.faults) or 'none'}")
