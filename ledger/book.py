"""The ledger as the runner and the command line use it."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine

from core.errors import LedgerMismatch, Refused
from core.plan import MigrationPlan
from core.step import StepState
from ledger import views
from ledger.engine import bring_up, ledger_url, make_engine, require
from ledger.entry import Draft, Json, Kind, refuse_secrets, utc_text
from ledger.gate import Gate
from ledger.lock import file_lock, server_lock
from ledger.reading import LedgerReader
from ledger.records import Approval, Deliverable, DeliverableStatus, Mode

_NOTHING_DONE = (StepState.UNCHANGED, StepState.REHEARSED)


class Ledger(LedgerReader):
    """The ledger of one project, to be written. Safe to share between threads; each process opens its own."""

    def __init__(self, engine: Engine, home: Path) -> None:
        super().__init__(engine, home)
        self.gate = Gate(self._store)

    @classmethod
    def open(cls, home: Path, url: str | None, project: str) -> "Ledger":
        """Open the project's ledger, made where there is none.

        Raises: errors.LedgerMismatch for another project's ledger, a newer format or a broken end;
        errors.Unreadable where it cannot be reached.
        """
        engine = make_engine(ledger_url(home, url))
        try:
            bring_up(engine, project)
            ledger = cls(engine, home)
            ledger._refuse_other(project)
            ledger._refuse_broken_end()
        except BaseException:
            engine.dispose()
            raise
        return ledger

    @staticmethod
    def peek(home: Path, url: str | None = None) -> LedgerReader:
        """Open whatever ledger is there, only to look at it; broken ones too.

        Raises: errors.Unreadable where there is none.
        """
        engine = make_engine(ledger_url(home, url), read_only=True)
        try:
            require(engine)
            return LedgerReader(engine, home)
        except BaseException:
            engine.dispose()
            raise

    def run_lock(self, who: str = "") -> AbstractContextManager[None]:
        """Held by a live run from its start to its end.

        Raises: errors.Refused where another run holds it, saying who and since when.
        """
        engine = self._store.engine
        if engine.dialect.name == "sqlite":
            return file_lock(Path(f"{engine.url.database}.lock"), self.project, who)
        return server_lock(engine, self.project, who)

    def start_run(self, mode: Mode, *, requested_by: str, digest: str = "", plan: Json = None) -> str:
        """Record that a run starts and give its id; a plan known by now is recorded with it."""
        planned = self._plan_payload(digest, plan) if plan is not None else None

        def build(connection: Connection) -> Sequence[Draft]:
            run_id = f"run-{views.count(connection, Kind.RUN_STARTED) + 1}"
            host = {"requested_by": requested_by, "digest": digest, "pid": os.getpid()}
            drafts = [Draft(Kind.RUN_STARTED, host, run_id=run_id, subject=mode)]
            if planned is not None:
                drafts.append(Draft(Kind.PLAN, planned, run_id=run_id, subject=digest))
            return drafts

        return self._store.append(build)[0].run_id

    def end_run(self, run_id: str, state: str, summary: Json = "") -> None:
        """Record the end, with the deliverables the run produced and the gate's state at that moment."""

        def build(connection: Connection) -> Sequence[Draft]:
            produced = [
                {"kind": one.kind, "version": one.version, "status": one.status, "sha256": one.sha256}
                for one in views.deliverables(connection, run_id)
            ]
            payload = {
                "summary": summary,
                "deliverables": produced,
                "gate": views.gate_status(connection).state,
            }
            return [Draft(Kind.RUN_ENDED, payload, run_id=run_id, subject=state)]

        self._store.append(build)

    def record_plan(self, run_id: str, digest: str, plan: Json) -> None:
        """Keep what a rehearsal planned, under the digest that people approve.

        Raises: errors.Refused where the digest is not that of the plan, or a secret stands in the plan.
        """
        payload = self._plan_payload(digest, plan)
        self._append(Draft(Kind.PLAN, payload, run_id=run_id, subject=digest))

    def _plan_payload(self, digest: str, plan: Json) -> dict[str, Json]:
        refuse_secrets(plan, "the plan")
        actual = MigrationPlan.from_json(plan).digest
        if actual != digest:
            raise Refused(
                f"the plan has digest {actual}, not {digest}",
                why="People approve digests: one must never stand for another plan.",
            )
        return {"evidence": self._evidence.store(plan)}

    def step_begun(self, run_id: str, key: str, plan_json: Json, digest: str) -> None:
        """Record, on the disk before it returns, that a step is about to write.

        Raises: errors.Refused where a secret stands in the plan.
        """
        refuse_secrets(plan_json, f"the plan of {key}")
        self._append(Draft(Kind.STEP_BEGUN, {"plan": plan_json}, run_id=run_id, step=key, subject=digest))

    def undo_begun(self, run_id: str, key: str) -> None:
        """Record, on the disk before it returns, that a step is about to be taken back."""
        self._append(Draft(Kind.UNDO_BEGUN, run_id=run_id, step=key))

    def step_ended(
        self,
        run_id: str,
        key: str,
        state: str,
        *,
        started_at: datetime,
        ended_at: datetime,
        evidence: str = "",
        error: str = "",
    ) -> None:
        """Record how a step ended; `evidence` is a digest of `store_evidence`.

        Where nothing was done to the world the record is written with the next ones: a crash that took it
        would take nothing but the note that there was nothing to do.
        """
        ended = StepState(state)
        payload = {
            "started_at": utc_text(started_at),
            "ended_at": utc_text(ended_at),
            "evidence": evidence,
            "error": error,
        }
        draft = Draft(Kind.STEP_ENDED, payload, run_id=run_id, step=key, subject=ended.value)
        if ended in _NOTHING_DONE:
            self._store.defer(draft)
        else:
            self._append(draft)

    def store_evidence(self, data: Json, *, durable: bool = True) -> str:
        """Keep a document as a file and give its digest.

        On the disk before it returns; not `durable`: with the record that names it. That is enough for a
        step with nothing to do, whose own record waits as well.
        """
        return self._evidence.store(data, durable=durable)

    def record_evidence(self, name: str, data: Json, run_id: str = "") -> str:
        """Keep a document that belongs to no step, such as a balance or a backup record."""
        digest = self._evidence.store(data)
        self._append(Draft(Kind.EVIDENCE, {"evidence": digest}, run_id=run_id, subject=name))
        return digest

    def record_approval(
        self, digest: str, *, approved_by: str, requested_by: str, reason: str = ""
    ) -> Approval:
        """Record that a change request was approved; whether this person may is the inventory's to say.

        Raises: errors.Refused for a plan nobody rehearsed, or one's own request.
        """

        def build(connection: Connection) -> Sequence[Draft]:
            if approved_by.strip().lower() == requested_by.strip().lower():
                raise Refused(
                    f"{approved_by} requested this change and may not approve it",
                    why="A change request needs a second person.",
                    next_command=f"qianyun approve --plan {digest} --as OTHER@MAIL",
                )
            if views.latest(connection, Kind.PLAN, subject=digest) is None:
                raise Refused(
                    f"no rehearsal planned {digest}",
                    why="Only a plan that was rehearsed can be approved; the digest may be mistyped.",
                    next_command="qianyun rehearse",
                )
            payload = {"approved_by": approved_by, "requested_by": requested_by, "reason": reason}
            return [Draft(Kind.APPROVAL, payload, subject=digest)]

        at_utc = self._store.append(build)[0].at_utc
        return Approval(digest, approved_by, requested_by, reason, at_utc)

    def record_waiver(self, name: str, *, reason: str, by: str) -> None:
        """Record that a named person lets a check or precondition stay open.

        Raises: errors.Refused without a name or a reason.
        """
        if not reason.strip() or not by.strip():
            raise Refused(
                f"a waiver of {name!r} needs a reason and a person",
                why="A waiver is somebody's decision; without both nobody can answer for it.",
            )
        self._append(Draft(Kind.WAIVER, {"reason": reason, "by": by}, subject=name))

    def record_deliverable(
        self, kind: str, *, status: str, sha256: str, path: str, run_id: str = ""
    ) -> Deliverable:
        """Record a document: the same content is the same version, new content the next one.

        A version's status only goes forward: making a sent document again leaves it sent.
        """
        wanted = DeliverableStatus(status)
        order = list(DeliverableStatus)

        def build(connection: Connection) -> Sequence[Draft]:
            current = views.current_deliverables(connection).get(kind)
            version, reached = 1, wanted
            if current is not None and current.sha256 == sha256:
                version, reached = current.version, max(wanted, current.status, key=order.index)
            elif current is not None:
                version = current.version + 1
            payload = {"version": version, "status": reached.value, "sha256": sha256, "path": path}
            return [Draft(Kind.DELIVERABLE, payload, run_id=run_id, subject=kind)]

        return views.deliverable(self._store.append(build)[0])

    def _append(self, draft: Draft) -> None:
        self._store.append(lambda _: (draft,))

    def _refuse_broken_end(self) -> None:
        with self._store.read() as connection:
            last = views.last_entry(connection)
            head = views.head_of(connection)
        if head is None or (last and (last.seq, last.hash) != head) or (not last and head[0]):
            raise LedgerMismatch(
                f"{self.address} ends at entry {last.seq if last else 0}, "
                f"its head says {head[0] if head else 'nothing'}",
                why="Records are missing or were changed: going on would bury that. Restore a whole copy.",
                next_command="qianyun ledger verify",
            )

    def _refuse_other(self, project: str) -> None:
        if self.project != project:
            raise LedgerMismatch(
                f"{self.address} belongs to project {self.project!r}, the inventory to {project!r}",
                why="Records of two projects in one chain would prove neither of them.",
                next_command=f"export QIANYUN_HOME=./var-{project}",
            )
