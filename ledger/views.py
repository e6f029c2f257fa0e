"""Reading the chain: each view is computed from the entries, on the connection it is given."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select

from core.errors import LedgerMismatch
from core.step import StepState as State
from ledger.entry import Entry, Json, Kind
from ledger.gate_state import GateStatus
from ledger.records import (
    BEGUN,
    UNFINISHED,
    Approval,
    Deliverable,
    DeliverableStatus,
    Run,
    StepRecord,
    Waiver,
)
from ledger.schema import entries, head, setup

_STEP_KINDS = (Kind.STEP_BEGUN, Kind.STEP_ENDED, Kind.UNDO_BEGUN)


def project_of(connection: Connection) -> str:
    """Raises: errors.LedgerMismatch where the ledger no longer says whose it is."""
    project = connection.execute(select(setup.c.project)).scalar_one_or_none()
    if project is None:
        raise LedgerMismatch("the ledger does not say which project it belongs to")
    return str(project)


def head_of(connection: Connection) -> tuple[int, str] | None:
    row = connection.execute(select(head.c.seq, head.c.hash)).one_or_none()
    return None if row is None else (row.seq, row.hash)


def last_entry(connection: Connection) -> Entry | None:
    return next(_entries(connection, select(entries).order_by(entries.c.seq.desc()).limit(1)), None)


def all_entries(connection: Connection) -> Iterator[Entry]:
    """The whole chain, oldest first, without holding it in memory."""
    streaming = connection.execution_options(yield_per=1000)
    return _entries(streaming, select(entries).order_by(entries.c.seq))


def entries_of(connection: Connection, *kinds: Kind, **columns: str) -> Iterator[Entry]:
    """Entries of these kinds, oldest first; `run_id`, `step` and `subject` narrow them down."""
    wanted = [entries.c.kind.in_(kinds)] + [entries.c[name] == value for name, value in columns.items()]
    return _entries(connection, select(entries).where(*wanted).order_by(entries.c.seq))


def latest(connection: Connection, kind: Kind, **columns: str) -> Entry | None:
    wanted = [entries.c.kind == kind] + [entries.c[name] == value for name, value in columns.items()]
    query = select(entries).where(*wanted).order_by(entries.c.seq.desc()).limit(1)
    return next(_entries(connection, query), None)


def count(connection: Connection, kind: Kind) -> int:
    return int(connection.execute(select(func.count()).where(entries.c.kind == kind)).scalar_one())


def runs(connection: Connection) -> list[Run]:
    ends = {entry.run_id: entry for entry in entries_of(connection, Kind.RUN_ENDED)}
    plans = {entry.run_id: entry.subject for entry in entries_of(connection, Kind.PLAN)}
    return [
        _run(start, ends.get(start.run_id), plans.get(start.run_id, ""))
        for start in entries_of(connection, Kind.RUN_STARTED)
    ]


def _run(start: Entry, end: Entry | None, planned: str) -> Run:
    data = start.data
    last = end.data if end else {}
    return Run(
        run_id=start.run_id,
        mode=start.subject,
        digest=data["digest"] or planned,
        requested_by=data["requested_by"],
        started_at_utc=start.at_utc,
        ended_at_utc=end.at_utc if end else "",
        state=end.subject if end else UNFINISHED,
        summary=last.get("summary", ""),
        deliverables=tuple(last.get("deliverables", ())),
        gate=last.get("gate", ""),
    )


def steps(connection: Connection, run_id: str) -> list[StepRecord]:
    """What a run recorded of its steps, in the order they were first heard of."""
    found: dict[str, StepRecord] = {}
    for entry in entries_of(connection, *_STEP_KINDS, run_id=run_id):
        data = entry.data
        known = found.get(entry.step)
        if entry.kind == Kind.STEP_ENDED:
            digest = known.digest if known else ""
            found[entry.step] = StepRecord(
                run_id,
                entry.step,
                entry.subject,
                digest,
                data["started_at"],
                data["ended_at"],
                data["evidence"],
                data["error"],
            )
        else:
            found[entry.step] = StepRecord(run_id, entry.step, BEGUN, entry.subject, entry.at_utc, "", "", "")
    return list(found.values())


def latest_states(connection: Connection, mode: str = "") -> dict[str, str]:
    """The last thing heard of every step, from runs of this mode or of any."""
    wanted = [entries.c.kind.in_(_STEP_KINDS)]
    if mode:
        started = select(entries.c.run_id).where(
            entries.c.kind == Kind.RUN_STARTED, entries.c.subject == mode
        )
        wanted.append(entries.c.run_id.in_(started))
    last = select(func.max(entries.c.seq)).where(*wanted).group_by(entries.c.step)
    columns = (entries.c.step, entries.c.kind, entries.c.subject)
    rows = connection.execute(select(*columns).where(entries.c.seq.in_(last)).order_by(entries.c.seq))
    return {row.step: row.subject if row.kind == Kind.STEP_ENDED else BEGUN for row in rows}


def applied_plans(connection: Connection, key: str) -> list[Json]:
    """Plans of this step that began and were not undone since, oldest first."""
    plans: list[Json] = []
    for entry in entries_of(connection, Kind.STEP_BEGUN, Kind.STEP_ENDED, step=key):
        if entry.kind == Kind.STEP_BEGUN:
            plans.append(entry.data["plan"])
        elif entry.subject == State.UNDONE:
            plans.clear()
    return plans


def begun_under(connection: Connection, digest: str) -> frozenset[str]:
    """Steps that began under this approval and were not undone since."""
    return _not_undone_since(connection, entries.c.kind == Kind.STEP_BEGUN, entries.c.subject == digest)


def applied(connection: Connection) -> frozenset[str]:
    """Steps that began under any approval and were not undone since."""
    return _not_undone_since(connection, entries.c.kind == Kind.STEP_BEGUN)


def proved(connection: Connection) -> frozenset[str]:
    """Steps that a live run once found done and that were not undone since, whatever was heard later."""
    live = select(entries.c.run_id).where(entries.c.kind == Kind.RUN_STARTED, entries.c.subject == "live")
    held = entries.c.subject.in_((State.APPLIED, State.UNCHANGED))
    return _not_undone_since(connection, entries.c.kind == Kind.STEP_ENDED, held, entries.c.run_id.in_(live))


def _not_undone_since(connection: Connection, *wanted: Any) -> frozenset[str]:
    found = _last_by_step(connection, *wanted)
    undone = _last_by_step(
        connection, entries.c.kind == Kind.STEP_ENDED, entries.c.subject == State.UNDONE.value
    )
    return frozenset(step for step, seq in found.items() if undone.get(step, 0) < seq)


def _last_by_step(connection: Connection, *wanted: Any) -> dict[str, int]:
    query = select(entries.c.step, func.max(entries.c.seq)).where(and_(*wanted)).group_by(entries.c.step)
    return {row[0]: row[1] for row in connection.execute(query)}


def approval_for(connection: Connection, digest: str) -> Approval | None:
    entry = latest(connection, Kind.APPROVAL, subject=digest)
    if entry is None:
        return None
    data = entry.data
    return Approval(digest, data["approved_by"], data["requested_by"], data["reason"], entry.at_utc)


def waivers(connection: Connection) -> list[Waiver]:
    return [
        Waiver(entry.subject, entry.data["reason"], entry.data["by"], entry.at_utc)
        for entry in entries_of(connection, Kind.WAIVER)
    ]


def deliverables(connection: Connection, run_id: str = "") -> list[Deliverable]:
    """Every version of every deliverable as last recorded (by this run, where one is given)."""
    columns = {"run_id": run_id} if run_id else {}
    found: dict[tuple[str, int], Deliverable] = {}
    for entry in entries_of(connection, Kind.DELIVERABLE, **columns):
        made = deliverable(entry)
        found[made.kind, made.version] = made
    return list(found.values())


def current_deliverables(connection: Connection) -> dict[str, Deliverable]:
    """The newest version of each kind."""
    return {made.kind: made for made in sorted(deliverables(connection), key=lambda one: one.version)}


def deliverable(entry: Entry) -> Deliverable:
    data = entry.data
    return Deliverable(
        kind=entry.subject,
        version=data["version"],
        status=DeliverableStatus(data["status"]),
        sha256=data["sha256"],
        path=data["path"],
        run_id=entry.run_id,
        at_utc=entry.at_utc,
    )


def gate_status(connection: Connection) -> GateStatus:
    entry = latest(connection, Kind.GATE)
    return GateStatus() if entry is None else GateStatus.from_entry(entry)


def gate_history(connection: Connection) -> list[GateStatus]:
    return [GateStatus.from_entry(entry) for entry in entries_of(connection, Kind.GATE)]


def _entries(connection: Connection, query: Select[Any]) -> Iterator[Entry]:
    for row in connection.execute(query):
        yield Entry(*row)
