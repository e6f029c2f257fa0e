"""The Prefect flows that people start: the whole project, each phase, approval, the way back, and what is
done with databases beside the phases.

The commands of `qianyun` call the same functions; what a flow returns is the JSON document of its run.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from prefect import Flow, State, flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from core.errors import MigrationError
from core.secret import redact
from flows import compare as comparing
from flows import conduct, decisions
from flows import follow as following
from flows.board import publish_comparison
from flows.processes import end_with_worker, under_worker
from flows.report import NOTHING, Result, class_of
from flows.run_log import ComparisonLog, FollowLog
from flows.standing import DONE_STATES
from inventory.phases import PhaseName
from tasks.databases.comparison import Pace


def _run_name() -> str:
    """What the list of runs shows: what is done to which project, and under which plan."""
    asked = flow_run.parameters
    words = [flow_run.flow_name or "", Path(asked["project"]).name]
    if "dry_run" in asked:
        words[0] = "rehearse" if asked["dry_run"] else "execute"
        if flow_run.flow_name != "migration":
            words.append(flow_run.flow_name or "")
        words += asked.get("phases") or ()
    if "decision" in asked:
        words.insert(1, asked["decision"])
    words += asked.get("items") or ()
    words.append(asked.get("database") or "")
    return " ".join(filter(None, [*words, (asked.get("plan") or "")[:12]]))


@flow(name="migration", flow_run_name=_run_name, persist_result=False, validate_parameters=True)
def migration(
    project: str,
    dry_run: bool = True,
    plan: str = "",
    phases: list[PhaseName] | None = None,
    items: list[str] | None = None,
    requested_by: str = "",
) -> State[dict[str, Any]]:
    """Rehearse a migration project, or carry out an approved plan of it.

    Args:
        project: Folder of the project's inventory, or the name of a folder of inventory/.
        dry_run: On: look at the real world, write nothing, show the plan. Off: carry out the approved plan.
        plan: Digest of the approved plan; needed when dry_run is off.
        phases: Only these phases; none means all.
        items: Only these items of the migration list; none means all.
        requested_by: Mail of the engineer who raises the change request; needed for a rehearsal only.
    """
    return _ended(lambda: _carry(project, dry_run, plan, list(phases or ()), list(items or ()), requested_by))


def _carry(
    project: str, dry_run: bool, plan: str, phases: list[Any], items: list[str], requested_by: str
) -> Result:
    # The one place where a run's mode is chosen; steps never know of it.
    if dry_run:
        return conduct.rehearse(project, phases, items, requested_by)
    return conduct.execute(project, plan, phases, items)


def _phase_flow(phase: PhaseName) -> Flow[..., State[dict[str, Any]]]:
    @flow(name=phase, flow_run_name=_run_name, persist_result=False)
    def one_phase(
        project: str,
        dry_run: bool = True,
        plan: str = "",
        items: list[str] | None = None,
        requested_by: str = "",
    ) -> State[dict[str, Any]]:
        """Rehearse one phase of a migration project, or carry out its part of an approved plan.

        Args:
            project: Folder of the project's inventory, or the name of a folder of inventory/.
            dry_run: On: look at the real world, write nothing, show the plan. Off: carry out the plan.
            plan: Digest of the approved plan; needed when dry_run is off.
            items: Only these items of the migration list; none means all.
            requested_by: Mail of the engineer who raises the change request; needed for a rehearsal only.
        """
        return _ended(lambda: _carry(project, dry_run, plan, [phase], list(items or ()), requested_by))

    return one_phase


discovery = _phase_flow("discovery")
network = _phase_flow("network")
environment = _phase_flow("environment")
applications = _phase_flow("applications")
databases = _phase_flow("databases")
files = _phase_flow("files")
security = _phase_flow("security")
testing = _phase_flow("testing")
cutover = _phase_flow("cutover")
acceptance = _phase_flow("acceptance")


@flow(name="rollback", flow_run_name=_run_name, persist_result=False)
def rollback(
    project: str, phases: list[PhaseName] | None = None, items: list[str] | None = None
) -> State[dict[str, Any]]:
    """Take back what was applied, the last first; what is one-way is said and left.

    Once users are on the new side only the cutover is taken back, unless phases are named. Databases of
    method follow bring what users wrote there back to the source first.

    Args:
        project: Folder of the project's inventory, or the name of a folder of inventory/.
        phases: Only these phases; none means all.
        items: Only these items of the migration list; none means all.
    """
    return _ended(lambda: conduct.roll_back(project, list(phases or ()), list(items or ())))


@flow(name="approve", flow_run_name=_run_name, persist_result=False)
def approval(
    project: str, plan: str, approved_by: str, reason: str = "", start: bool = False
) -> State[dict[str, Any]]:
    """Record the change approval of a rehearsed plan in the project's ledger.

    Args:
        project: Folder of the project's inventory, or the name of a folder of inventory/.
        plan: Digest of the rehearsed plan, as its rehearsal showed it.
        approved_by: Mail of who approves: named in the inventory as allowed to, and not the requester.
        reason: Why, or the number of the change request.
        start: Start the migration of this plan right after the approval.
    """
    return _ended(lambda: decisions.approve(project, plan, approved_by, reason, start=start))


@flow(name="gate", flow_run_name=_run_name, persist_result=False)
def gate_decision(
    project: str,
    decision: Literal["accept", "object", "rework", "close"],
    decided_by: str,
    reason: str = "",
    items: list[str] | None = None,
) -> State[dict[str, Any]]:
    """Record the customer's answer at the acceptance gate.

    Args:
        project: Folder of the project's inventory, or the name of a folder of inventory/.
        decision: accept or object (the customer); rework (begin to mend); close (deemed accepted, when due).
        decided_by: Mail of who decides, as named in the inventory.
        reason: What was confirmed, or what is objected to.
        items: The items of the migration list that an objection names.
    """
    return _ended(lambda: decisions.decide(project, decision, decided_by, reason, list(items or ())))


@flow(name="follow", flow_run_name=_run_name, persist_result=False)
def follow(project: str, database: str = "", minutes: float = 0.0) -> State[dict[str, Any]]:
    """Keep the targets of method follow level with their sources; after the switch, the sources with them.

    Cancelling the run is its usual end: what is in flight is committed, and the run closed in the ledger.

    Args:
        project: Folder of the project's inventory, or the name of a folder of inventory/.
        database: Only this database of the migration list; none means all of method follow.
        minutes: End after so many minutes; 0: when the run is cancelled.
    """
    return _ended(lambda: following.follow(project, database, FollowLog(), for_s=60 * minutes))


@flow(name="compare", flow_run_name=_run_name, persist_result=False)
def compare(
    project: str,
    database: str,
    tables: list[str] | None = None,
    workers: int = 4,
    most_running: int = 0,
    tries: int = 3,
    wait_s: float = 1.0,
) -> State[dict[str, Any]]:
    """Compare source and target of a database, definitions and rows; shows keys, never values. It only reads.

    Args:
        project: Folder of the project's inventory, or the name of a folder of inventory/.
        database: The database of the migration list.
        tables: Only these tables; none means all.
        workers: Connections at each server.
        most_running: Pause while a server runs more statements than this; 0 means no limit.
        tries: How often what differs is looked at again.
        wait_s: Seconds before the next look.
    """
    pace = Pace(workers=workers, most_running=most_running, tries=tries, wait_s=wait_s)

    def work() -> Result:
        result = comparing.compare(project, database, pace, tuple(tables or ()), ComparisonLog(database))
        publish_comparison(result.document)
        return result

    return _ended(work)


def _ended(work: Callable[[], Result]) -> State[Any]:
    """Prefect's state of a run: Failed with the reason where it did not do all it should."""
    end_with_worker()
    try:
        result = work()
    except MigrationError as error:
        result = Result({"state": "Refused", "errors": [_row(error)], "run_id": str(flow_run.id)}, error)
    if under_worker():  # a command of ours shows the same in its own way
        _say(result)
    if result.error is None:
        return Completed(message=_headline(result.document), data=result)
    name = "Refused" if result.error.exit_status != 1 else "Failed"
    # A worker expects an exception of a failed run, a command of ours wants the document.
    data = result.error if under_worker() else result
    return Failed(name=name, message=redact(str(result.error)), data=data)


def _say(result: Result) -> None:
    """Into the log of the run, which is what its page shows first."""
    log = get_run_logger()
    logging.getLogger("prefect.flow_runs").addFilter(_says_more)
    if result.error is None:
        log.info("%s", _headline(result.document))
    digest = result.document.get("digest", "")
    if result.document.get("mode") == "rehearsal" and digest:
        log.info("To carry out this plan, run the deployment `approve` with plan %s", digest)
    for row in result.document.get("errors", ()):
        log.error("%s", redact(row["message"]))
    if "mode" in result.document:
        log.info("The plan and the phase board are under Artifacts.")


def _says_more(record: logging.LogRecord) -> bool:
    """Prefect repeats our error with a trace and calls it unexpected; it was said in full already."""
    return not (record.exc_info and isinstance(record.exc_info[1], MigrationError))


def _row(error: MigrationError) -> dict[str, str]:
    return {"step": "", "class": class_of(error), "message": redact(str(error))}


def _headline(document: dict[str, Any]) -> str:
    state, digest = document.get("state") or document.get("verdict", "Done"), document.get("digest", "")
    words = [f"plan {digest[:12]}"] if digest else []
    if "changes" in document:
        changes = sum(row["action"] != NOTHING for row in document["changes"])
        words.append(f"{changes} changes in {len({row['step'] for row in document['changes']})} steps")
    if "steps" in document:
        good = sum(row["state"] in DONE_STATES for row in document["steps"])
        words.append(f"{good} of {len(document['steps'])} steps done and proved")
    if "databases" in document:
        words += [f"{row['rows']} rows of {row['database']} applied" for row in document["databases"]]
    if "approved_by" in document:
        words.append(f"by {document['approved_by']}")
    if "started" in document:
        words.append(f"started as flow run {document['started']}")
    if "gate" in document:
        words.append(f"gate {document['gate']['state'].replace('_', ' ')}")
    return f"{state}: {', '.join(words)}" if words else str(state)
