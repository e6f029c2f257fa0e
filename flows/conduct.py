"""What a run is: rehearse, execute and roll back a project, with its ledger. Called inside a Prefect flow."""

from collections.abc import Sequence
from dataclasses import replace

from core.errors import MigrationError, Refused, StalePlan
from core.plan import MigrationPlan
from flows import report as reports
from flows.approval import Rehearsal, find_rehearsal, requester
from flows.board import publish
from flows.cutover import is_switch, settled_keys
from flows.guards import precondition_guard, preconditions_of, scope_guard, window_guard
from flows.records import LedgerRecorder
from flows.report import Result
from flows.runner import RunReport, execute_graph, plan_graph, rehearse_graph, undo_graph
from flows.standing import DONE_STATES, deliverable_rows, gate_row
from flows.work import Work, open_project


def rehearse(project: str, phases: Sequence[str], items: Sequence[str], requested_by: str) -> Result:
    """Look at the real world, write nothing to it, and say exactly what a live run would do."""
    with open_project(project, phases, items) as work:
        mail = requester(work.inventory, requested_by)
        run_id = work.ledger.start_run("rehearsal", requested_by=mail)
        recorder = LedgerRecorder(work.ledger, run_id, (scope_guard(work.inventory),))
        found = rehearse_graph(work.graph, recorder, _settled(work))
        plan = MigrationPlan({key: p for key, p in found.plan.steps.items() if key in work.wanted})
        document = reports.rehearsal_document(
            work.inventory, work.graph, run_id, plan, found, preconditions_of(work.inventory)
        )
        if found.ok:
            work.ledger.record_plan(run_id, plan.digest, plan.to_json())
        work.ledger.end_run(run_id, document["state"], document)
        publish(work, document)
        return Result(document, _first_error(found))


def execute(project: str, digest: str, phases: Sequence[str], items: Sequence[str]) -> Result:
    """Carry out an approved plan, or what is left of it.

    Raises: errors.Refused without approval, errors.StalePlan after drift; nothing is touched then.
    """
    with open_project(project, phases, items) as work, work.ledger.run_lock():
        approved = _approved_plan(work, digest)
        if not work.narrowed:
            work.want(set(approved.plan.steps) & set(work.whole.steps))
        run_id = work.ledger.start_run("live", requested_by=approved.requested_by, digest=approved.digest)
        work.desk.run_id = run_id
        recorder = LedgerRecorder(
            work.ledger,
            run_id,
            (
                scope_guard(work.inventory),
                precondition_guard(work.inventory),
                window_guard(work.inventory, reports.cutover_need_s(work.whole, approved.plan)),
            ),
            plan=approved.plan,
            digest=approved.digest,
            begun_before=work.ledger.begun_under(approved.digest),
        )
        try:
            _require_fresh(work, approved, recorder)
        except MigrationError as error:
            work.ledger.end_run(run_id, "Refused", {"error": str(error)})
            raise
        found = execute_graph(work.graph, work.wanted, recorder, _settled(work))
        _compensate(work, found, recorder)
        work.desk.after_run(found)
        document = reports.live_document(work.inventory, run_id, approved.digest, found, recorder.evidence)
        document |= {"gate": gate_row(work.ledger), "deliverables": deliverable_rows(work.ledger, run_id)}
        work.ledger.end_run(run_id, document["state"], document)
        publish(work, document)
        return Result(document, _first_error(found))


def roll_back(project: str, phases: Sequence[str], items: Sequence[str]) -> Result:
    """Undo what was applied and not undone yet, the last first.

    Once users are on the new side only the cutover is taken back, unless phases are named: undoing the
    rest would delete what users wrote there meanwhile.
    """
    with open_project(project, phases, items) as work, work.ledger.run_lock():
        applied = {key for key in work.wanted if work.ledger.applied_plans(key)}
        left = _left_alone(work, applied, named=bool(phases))
        run_id = work.ledger.start_run("live", requested_by="", digest="")
        recorder = LedgerRecorder(work.ledger, run_id, (scope_guard(work.inventory),))
        found = undo_graph(work.whole, applied - set(left), recorder)
        document = reports.live_document(work.inventory, run_id, "", found, recorder.evidence)
        document |= {"state": "RolledBack" if found.ok else "Failed", "left": left}
        work.ledger.end_run(run_id, document["state"], document)
        publish(work, document)
        return Result(document, _first_error(found))


def _left_alone(work: Work, applied: set[str], *, named: bool) -> dict[str, str]:
    """What a rollback must not or cannot take back, each with its reason."""
    switched = any(is_switch(key) for key in applied) and not named
    left = {key: "users wrote to it" for key in applied if switched and not key.startswith("cutover/")}
    return left | {key: "one-way" for key in applied if work.whole.steps[key].reversal.kind == "one-way"}


def _approved_plan(work: Work, digest: str) -> Rehearsal:
    rehearsal = find_rehearsal(work.ledger, digest)
    if rehearsal is None:
        raise Refused(
            f"the plan {digest} was never rehearsed whole",
            why="What is carried out was rehearsed first and then approved.",
            next_command=f"qianyun rehearse {work.inventory.folder}",
        )
    if work.ledger.approval_for(rehearsal.digest) is None:
        raise Refused(
            f"the plan {rehearsal.digest} is not approved",
            why="A change request is raised and approved before anything is touched.",
            next_command=f"qianyun approve {work.inventory.folder} --plan {rehearsal.digest} --as MAIL",
        )
    return rehearsal


def _require_fresh(work: Work, approved: Rehearsal, recorder: LedgerRecorder) -> None:
    """Compare the approved plan with the world before the first write.

    What cannot be looked at now is left to its own step, which refuses; it cannot show drift. What was
    looked at and can no longer be planned has drifted: better said now than in the cutover.
    """
    over = _settled(work)
    now = plan_graph(work.graph, _scope_only(recorder, work), over)
    seen = {key: plan for key, plan in now.plan.steps.items() if key in work.wanted - over}
    unread = work.wanted - set(seen)
    expected = {
        key: plan
        for key, plan in approved.plan.steps.items()
        if key not in unread and (key in work.wanted or not work.narrowed)
    }
    drift = MigrationPlan(expected).drift(MigrationPlan(seen), recorder.begun_before)
    drift += [
        f"{o.key}: {o.error.detail}"
        for o in now.failed
        if o.key in work.wanted - over and o.facts is not None and isinstance(o.error, Refused)
    ]
    if drift:
        raise StalePlan(
            f"{approved.digest}\n" + "\n".join(f"  {line}" for line in drift),
            why="The world or the inventory moved since this plan was approved.",
            next_command=f"qianyun rehearse {work.inventory.folder}",
        )


def _scope_only(recorder: LedgerRecorder, work: Work) -> LedgerRecorder:
    """For comparing and for taking back only the scope counts.

    A closed window does not make a plan stale, and must never keep a frozen source frozen.
    """
    return replace(recorder, guards=(scope_guard(work.inventory),))


def _settled(work: Work) -> set[str]:
    states = work.ledger.latest_states("live")
    done = {key for key, state in states.items() if state in DONE_STATES}
    switched = {key for key in work.whole.steps if is_switch(key) and work.ledger.applied_plans(key)}
    return settled_keys(work.whole, done, switched)


def _compensate(work: Work, found: RunReport, recorder: LedgerRecorder) -> None:
    """A cutover that failed before its switch is taken back: the source's writes open again.

    Also when this run only found, and could not finish, a cutover that an earlier run was killed in.
    """
    cutover = [key for key in work.graph.order if key.startswith("cutover/")]
    applied = {key for key in cutover if work.ledger.applied_plans(key)}
    if all(_is_good(found, key) for key in cutover) or any(is_switch(key) for key in applied):
        return
    for key, outcome in undo_graph(work.whole, applied, _scope_only(recorder, work)).outcomes.items():
        # A step that failed stays failed in the report; what it had begun is taken back all the same.
        if key not in found.outcomes or found.outcomes[key].state.good or not outcome.state.good:
            found.outcomes[key] = outcome


def _is_good(found: RunReport, key: str) -> bool:
    return key in found.outcomes and found.outcomes[key].state.good


def _first_error(found: RunReport) -> MigrationError | None:
    errors = [outcome.error for outcome in found.failed if outcome.error]
    return max(errors, key=lambda error: error.exit_status, default=None)
