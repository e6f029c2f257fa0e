"""What `qianyun serve` puts into its Prefect server: pool, deployments, and the care for orphaned runs."""

import asyncio
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from core.errors import MigrationError
from flows.processes import is_alive

POOL = "qianyun"
ORPHAN_AFTER = timedelta(seconds=90)
"""Three missed heartbeats of 30 s: then a run without its process is Crashed, not Running for ever."""
CRASHED = "Its process is gone. Run it again: it looks at the world and does what is left."


def prepare_pool() -> list[str]:
    """Create the work pool and the automation for orphaned runs, and close what an earlier server left."""
    return asyncio.run(_prepare())


def close_orphans() -> list[str]:
    """Call Crashed the runs whose process is gone; gives their names.

    Heartbeats that nobody listens to set off no automation, and a run that stays Running would hold its
    deployment's place in the queue.
    """
    return asyncio.run(_close_orphans())


def deploy(root: Path) -> float:
    """Create every deployment of prefect.yaml; gives the seconds it took."""
    started = time.monotonic()
    command = [str(Path(sys.executable).with_name("prefect")), "--no-prompt", "deploy", "--all"]
    environment = {**os.environ, "QIANYUN_ROOT": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MigrationError(
            f"prefect deploy --all: {(done.stdout + done.stderr).strip()[-800:]}",
            next_command=f"cd {root} && QIANYUN_ROOT={root} prefect --no-prompt deploy --all",
        )
    return time.monotonic() - started


async def _prepare() -> list[str]:
    from prefect import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.workers.process import ProcessWorker

    async with get_client() as client:
        pool = WorkPoolCreate(
            name=POOL,
            type="process",
            base_job_template=ProcessWorker.get_default_base_job_template(),
            description="This machine: every run is a process of its own, started by `qianyun serve`.",
        )
        await client.create_work_pool(pool, overwrite=True)
    await _crash_orphans()
    return await _close_orphans()


async def _close_orphans() -> list[str]:
    from prefect import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
        WorkPoolFilter,
        WorkPoolFilterName,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.states import Crashed

    unfinished = [StateType.RUNNING, StateType.CANCELLING, StateType.PENDING]
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=unfinished))
    closed = []
    async with get_client() as client:
        runs = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=state),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
        )
        for run in runs:
            pid = (run.infrastructure_pid or "").rpartition(":")[2]
            if not pid.isdigit() or not is_alive(int(pid)):
                await client.set_flow_run_state(run.id, Crashed(message=CRASHED), force=True)
                closed.append(run.name)
    return closed


async def _crash_orphans() -> None:
    """Turn runs whose heartbeat stopped into Crashed, so that nobody waits for a dead process.

    Source: Prefect documentation, "How to detect and respond to zombie flows".
    """
    from prefect.automations import Automation
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import EventTrigger, Posture
    from prefect.events.schemas.events import ResourceSpecification

    name = "Crash orphaned runs"
    try:
        await Automation.aread(name=name)
        return
    except ValueError:
        pass  # not there yet: this is how Prefect says so
    await Automation(
        name=name,
        description="A flow run whose heartbeat stopped has lost its process.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=ORPHAN_AFTER,
        ),
        actions=[ChangeFlowRunState(name=None, force=False, state=StateType.CRASHED, message=CRASHED)],
    ).acreate()
