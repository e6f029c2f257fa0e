"""What a run is: rehearse, execute and roll back a project, with its ledger. Called inside a Prefect flow."""

from collections.abc import Collection, Sequence

from core.errors import MigrationError, Refused, StalePlan
from core.plan import MigrationPlan
from flows import report as reports
from flows.approval import Rehearsal, find_rehearsal, requester
from flows.board import publish
from flows.cutover import is_reversed, is_switch
from flows.guards import (
    gate_guard,
    precondition_guard,
    preconditions_of,
    scope_guard,
    switch_guard,
    window_guard,
)
from flows.records import LedgerRecorder
from flows.report import Result
from flows.runner import RunReport, execute_graph, plan_graph, rehearse_graph, undo_graph
from flows.standing import deliverable_rows, gate_row
from flows.switched import made_switches, settled, users_moved
from flows.work import Work, open_project

_SHUT = "its target stays read-only; SET GLOBAL read_only = 0 there before the next cutover"


def rehearse(project: str, phases: Sequence[str], items: Sequence[str], requested_by: str) -> Result:
    """Look at the real world, write nothing to it, and say exactly what a live run would do."""
    with open_project(project, phases, items) as work:
        mail = requester(work.inventory, requested_by)
        run_id = work.ledger.start_run("rehearsal", requested_by=mail)
        recorder = LedgerRecorder(work.ledger, run_id, (scope_guard(work.inventory),))
        found = rehearse_graph(work.graph, recorder, settled(work))
        plan = MigrationPlan({key: p for key, p in found.plan.steps.items() if key in work.wanted})
        document = reports.rehearsal_document(
            work.inventory, work.graph, run_id, plan, found, preconditions_of(work.inventory)
        )
        if found.ok:
            work.ledger.record_plan(run_id, plan.digest, plan.to_json())
        work.ledger.end_run(run_id, document["state"], document)
        publish(work, document)
        return Result(document, found.worst_error)


def execute(project: str, digest: str, phases: Sequence[str], items: Sequence[str]) -> Result:
    """Carry out an approved plan, or what is left of it.

    Without approval, or after drift, nothing is touched and the result says so (Refused, StalePlan).
    """
    with open_project(project, phases, items) as work, work.ledger.run_lock():
        try:
            approved = _approved_plan(work, digest)
        except Refused as refusal:
            return _refused(work, "", digest, refusal)
        if not work.narrowed:
            work.want(set(approved.plan.steps) & set(work.whole.steps))
        run_id = work.ledger.start_run("live", requested_by=approved.requested_by, digest=approved.digest)
        work.desk.run_id = run_id
        recorder = _live_recorder(work, run_id, approved)
        over = settled(work)
        try:
            _require_fresh(work, approved, recorder, over)
        except Refused as refusal:
            result = _refused(work, run_id, approved.digest, refusal)
            work.ledger.end_run(run_id, "Refused", result.document)
            return result
        found = execute_graph(work.graph, work.wanted, recorder, over)
        _compensate(work, found, recorder)
        unhanded = _hand_over(work, found)
        document = reports.live_document(
            work.inventory, run_id, approved.digest, found, recorder.evidence, unhanded
        )
        document |= {"gate": gate_row(work.ledger), "deliverables": deliverable_rows(work.ledger, run_id)}
        work.ledger.end_run(run_id, document["state"], document)
        publish(work, document)
        return Result(document, found.worst_error or unhanded)


def roll_back(project: str, phases: Sequence[str], items: Sequence[str]) -> Result:
    """Undo what was applied and not undone yet, the last first.

    Once users are on the new side only the cutover is taken back, unless phases are named: undoing the
    rest would delete what users wrote there meanwhile. What the source of a followed database lacks of it
    comes back first: its stream was turned round after the switch, so it is undone before the switch.
    """
    with open_project(project, phases, items) as work, work.ledger.run_lock():
        everything = work.ledger.applied()
        applied = everything & work.wanted
        left = _left_alone(work, applied, named=bool(phases))
        if not work.narrowed:
            left |= dict.fromkeys(sorted(everything - applied), "no longer in the inventory")
        chosen = applied - set(left)
        try:
            _require_switch_back(work, chosen)
        except Refused as refusal:
            return _refused(work, "", "", refusal)
        run_id = work.ledger.start_run("live", requested_by="", digest="")
        recorder = LedgerRecorder(work.ledger, run_id, (scope_guard(work.inventory),))
        found = undo_graph(work.whole, chosen, recorder)
        document = reports.live_document(work.inventory, run_id, "", found, recorder.evidence)
        left |= {key: _SHUT for key, one in found.outcomes.items() if is_reversed(key) and one.state.good}
        document |= {"state": "RolledBack" if found.ok else "Failed", "left": left}
        work.ledger.end_run(run_id, document["state"], document)
        publish(work, document)
        return Result(document, found.worst_error)


def _refused(work: Work, run_id: str, digest: str, refusal: Refused) -> Result:
    """Nothing was touched; the document has the same keys as that of a run."""
    document = reports.live_document(work.inventory, run_id, digest, RunReport(), {}, refusal)
    return Result(document | {"state": "Refused"}, refusal)


def _live_recorder(work: Work, run_id: str, approved: Rehearsal) -> LedgerRecorder:
    return LedgerRecorder(
        work.ledger,
        run_id,
        (scope_guard(work.inventory),),
        plan=approved.plan,
        digest=approved.digest,
        begun_before=work.ledger.begun_under(approved.digest),
        write_guards=(
            precondition_guard(work.inventory),
            window_guard(work.inventory, reports.cutover_need_s(work.whole, approved.plan)),
            gate_guard(work.inventory, work.ledger),
            switch_guard(work.whole, is_switch),
        ),
    )


def _hand_over(work: Work, found: RunReport) -> MigrationError | None:
    """Move the gate where the letter was taken; an error of it must not hide what the run did."""
    try:
        work.desk.after_run(found)
    except MigrationError as error:
        return error
    return None


def _left_alone(work: Work, applied: Collection[str], *, named: bool) -> dict[str, str]:
    """What a rollback must not or cannot take back, each with its reason."""
    moved = not named and users_moved(work)
    left = {key: "users wrote to it" for key in applied if moved and not key.startswith("cutover/")}
    return left | {key: "one-way" for key in applied if work.whole.steps[key].reversal.kind == "one-way"}


def _require_switch_back(work: Work, chosen: Collection[str]) -> None:
    """Refuses to open the source again while a switch that rests on it leads users to the new side."""
    for switch in made_switches(work) - set(chosen):
        for key in sorted(work.whole.ancestors([switch]) & set(chosen)):
            if key.startswith("cutover/"):
                raise Refused(
                    f"{key} cannot be taken back while {switch} stands",
                    why="Users are on the new side: with the source open again both sides would be written.",
                    next_command=f"qianyun rollback {work.inventory.folder} --phase cutover",
                )


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


def _require_fresh(work: Work, approved: Rehearsal, recorder: LedgerRecorder, over: Collection[str]) -> None:
    """Compare the approved plan with the world before the first write.

    What cannot be looked at now is left to its own step, which refuses; it cannot show drift. What was
    looked at and can no longer be planned has drifted: better said now than in the cutover.
    """
    now = plan_graph(work.graph, recorder, over)
    looked_at = work.wanted - set(over)
    seen = {key: plan for key, plan in now.plan.steps.items() if key in looked_at}
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
        if o.key in looked_at and o.facts is not None and isinstance(o.error, Refused)
    ]
    if drift:
        raise StalePlan(
            f"{approved.digest}\n" + "\n".join(f"  {line}" for line in drift),
            why="The world or the inventory moved since this plan was approved.",
            next_command=f"qianyun rehearse {work.inventory.folder}",
        )


def _compensate(work: Work, found: RunReport, recorder: LedgerRecorder) -> None:
    """A cutover that failed before its switch is taken back: the source's writes open again.

    Also when this run only found, and could not finish, a cutover that an earlier run was killed in. One
    step that cannot be taken back keeps none of the others: a target that is down is why cutovers fail,
    and the source must not stay frozen for it.
    """
    cutover = [key for key in work.graph.order if key.startswith("cutover/")]
    if all(_is_good(found, key) for key in cutover) or users_moved(work):
        return
    applied = work.ledger.applied().intersection(cutover)
    for key, outcome in undo_graph(work.whole, applied, recorder, stops=False).outcomes.items():
        # A step that failed stays failed in the report; what it had begun is taken back all the same.
        if key not in found.outcomes or found.outcomes[key].state.good or not outcome.state.good:
            found.outcomes[key] = outcome


def _is_good(found: RunReport, key: str) -> bool:
    return key in found.outcomes and found.outcomes[key].state.good
