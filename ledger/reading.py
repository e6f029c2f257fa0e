"""The ledger for those who only look: the command line's views, the documents, the verification."""

import json
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from sqlalchemy import Engine

from ledger import views
from ledger.engine import readable, shown
from ledger.entry import Entry, Json, Kind
from ledger.evidence import EvidenceStore
from ledger.gate_state import GateStatus
from ledger.records import Approval, Deliverable, Mode, Run, StepRecord, Waiver
from ledger.store import Store
from ledger.verification import Verification, verify


class LedgerReader:
    """What happened in one project. Safe to share between threads; each process opens its own."""

    def __init__(self, engine: Engine, home: Path) -> None:
        with readable(engine.url), engine.connect() as connection:
            self.project = views.project_of(connection)
        self.home = home.absolute()
        self._evidence = EvidenceStore(self.home / "evidence")
        self._store = Store(engine, self._evidence.settle)

    @property
    def address(self) -> str:
        """Where it is, for people; without password."""
        return shown(self._store.engine.url)

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def runs(self) -> list[Run]:
        """Every run, oldest first."""
        with self._store.read() as connection:
            return views.runs(connection)

    def steps(self, run_id: str) -> list[StepRecord]:
        """What a run recorded of its steps, in the order they were first heard of."""
        with self._store.read() as connection:
            return views.steps(connection, run_id)

    def latest_states(self, mode: Mode | None = None) -> dict[str, str]:
        """The last state of every step, from runs of this mode or of any; "Begun" without an end."""
        with self._store.read() as connection:
            return views.latest_states(connection, mode or "")

    def applied_plans(self, key: str) -> list[Json]:
        """Plans of this step that began and were not undone since, oldest first."""
        with self._store.read() as connection:
            return views.applied_plans(connection, key)

    def applied(self) -> frozenset[str]:
        """Steps that began under any approval and were not undone since."""
        with self._store.read() as connection:
            return views.applied(connection)

    def proved(self) -> frozenset[str]:
        """Steps that a live run once found done and that were not undone since, whatever was heard later."""
        with self._store.read() as connection:
            return views.proved(connection)

    def begun_under(self, digest: str) -> frozenset[str]:
        """Steps that began under this approval and were not undone since."""
        with self._store.read() as connection:
            return views.begun_under(connection, digest)

    def plan_of(self, digest: str) -> Json:
        """The plan with this digest as it was last recorded; None where there is none.

        Raises: errors.Unreadable where its evidence is missing or was altered.
        """
        with self._store.read() as connection:
            entry = views.latest(connection, Kind.PLAN, subject=digest)
        return None if entry is None else self._evidence.read(entry.data["evidence"])

    def approval_for(self, digest: str) -> Approval | None:
        with self._store.read() as connection:
            return views.approval_for(connection, digest)

    def waivers(self) -> list[Waiver]:
        with self._store.read() as connection:
            return views.waivers(connection)

    def deliverables(self, run_id: str = "") -> list[Deliverable]:
        """Every version of every deliverable as last recorded (by this run, where one is given)."""
        with self._store.read() as connection:
            return views.deliverables(connection, run_id)

    def verify(self, noted_heads: Collection[str] = ()) -> Verification:
        """Walk the whole chain; `noted_heads` are heads written down earlier, outside of the ledger."""
        return verify(self._store, self._evidence, noted_heads)

    def export(self, stream: TextIO) -> int:
        """Write every entry as a line of JSON, oldest first; gives their number.

        `payload` is text, as hashed: whoever has the lines can check the chain without Qianyun.
        """
        written = 0
        with self._store.read() as connection:
            for entry in views.all_entries(connection):
                stream.write(json.dumps(entry.__dict__, ensure_ascii=False) + "\n")
                written += 1
        return written

    def entries(self) -> list[Entry]:
        """The whole chain, oldest first."""
        with self._store.read() as connection:
            return list(views.all_entries(connection))

    def gate_status(self) -> GateStatus:
        """Where the acceptance gate stands."""
        with self._store.read() as connection:
            return views.gate_status(connection)

    def gate_history(self) -> list[GateStatus]:
        """Every move of the gate, oldest first."""
        with self._store.read() as connection:
            return views.gate_history(connection)

    def read_evidence(self, digest: str) -> Json:
        """Raises: errors.Unreadable where it is missing or was altered."""
        return self._evidence.read(digest)
