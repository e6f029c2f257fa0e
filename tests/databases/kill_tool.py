"""The tool in a process of its own, to be struck: it carries a followed database as a live run does.

The same verbs, retries, records before writes, freshness check, guard at the switch and taking back of a
failed cutover as the conductor's; without Prefect, whose start takes longer than what is carried here.

    python -m tests.databases.kill_tool FOLDER rehearse | migrate | rollback
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.access import Pool, Progress, Reader
from core.errors import MigrationError
from core.plan import Plan, step_drift
from core.step import Step, StepState
from inventory.secrets import SecretSource
from tasks.databases.crew import Limits
from tasks.databases.mysql.endpoint import MysqlServer
from tasks.databases.mysql.session import WriteSession
from tasks.databases.steps import CopyData, Move
from tasks.verbs import Outcome, StepRun, carried, execute, rehearse, undo
from tests.databases import client, following
from tests.databases.servers import MIGRATOR

Carry = Callable[[StepRun, Outcome], None]
RETRIES_S = (1, 5)
"""As tasks/run.py has it."""
FOLLOWS_S = 3.0


def say(*words: str) -> None:
    print(*words, flush=True)


class Records:
    """What the ledger keeps: plans approved, begun and ended, each on the disk before it counts."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "records"
        self._plans: dict[str, Plan] = {}
        self._begun: set[str] = set()
        self._applied: dict[str, list[Plan]] = {}
        self.quiet = False
        if self._file.exists():
            for line in self._file.read_text().splitlines():
                self._take(json.loads(line))

    def note(self, what: str, key: str, plan: Plan | None = None) -> None:
        row = {"what": what, "key": key, "plan": plan.to_json() if plan else None}
        with self._file.open("a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(row)

    def _take(self, row: dict[str, Any]) -> None:
        what, key = row["what"], row["key"]
        plan = Plan.from_json(row["plan"]) if row["plan"] else None
        if what == "approved" and plan:
            self._plans[key] = plan
        elif what == "begun" and plan:
            self._begun.add(key)
            self._applied.setdefault(key, []).append(plan)
        elif what == StepState.UNDONE:
            self._applied.pop(key, None)

    def has(self, key: str) -> bool:
        return bool(self._applied.get(key))

    def guard(self, step: Step[Any]) -> None:
        if not self.quiet:
            say("STEP", step.key)

    def guard_write(self, step: Step[Any]) -> None:
        return None

    def approved(self, key: str) -> tuple[Plan, bool] | None:
        return (self._plans[key], key in self._begun) if key in self._plans else None

    def begun(self, key: str, plan: Plan) -> None:
        self.note("begun", key, plan)

    def ended(self, outcome: Outcome) -> None:
        self.note(str(outcome.state), outcome.key)

    def progress(self, key: str) -> Progress:
        return lambda done, total, unit: None

    def undoing(self, key: str) -> list[Plan]:
        return list(self._applied.get(key, ()))


class Tool:
    def __init__(self, folder: Path) -> None:
        self.folder, self.records, self.pool = folder, Records(folder), Pool()
        ends = json.loads((folder / "ends.json").read_text())
        password = SecretSource("env:QIANYUN_TEST_MYSQL_PASSWORD", Path())
        source, target = (
            MysqlServer(host=host, port=port, user=MIGRATOR, password=password) for host, port in ends
        )
        self.move = Move(
            source=source,
            source_schema=client.SCHEMA,
            target=target,
            target_schema=client.SCHEMA,
            accounts=(f"{client.ACCOUNT}@%",),
        )
        before = following.before(self.move)
        data = before["data"]
        assert isinstance(data, CopyData)
        # Slowed down: each stage is to last for seconds, so that a moment in it can be struck.
        limits = Limits(rows_per_s=20_000)
        before["data"] = replace(data, limits=limits, rows_per_range=1_000, late_indexes_bytes=0)
        self.before = list(before.values())
        over = following.over(self.move)
        # Of a cut of minutes much is left to catch up with.
        over["readiness"] = replace(following.over(self.move)["readiness"], most_s=300.0)  # type: ignore[type-var,call-arg]
        self.over = list(over.values())
        self.after = list(following.after(self.move).values())

    @property
    def switched(self) -> bool:
        return (self.folder / "switched").exists()

    def rehearse(self) -> int:
        for step in (*self.before, *self.over, *self.after):
            outcome = carried(StepRun(step, self.pool, self.records, rehearse))
            if outcome.plan is None or outcome.error is not None:
                return self._failed(outcome.error)
            self.records.note("approved", step.key, outcome.plan)
        return 0

    def migrate(self) -> int:
        if not self.switched:
            if stale := self._drift():
                say("STALE", "; ".join(stale))
                return 1
            if error := self._all(self.before, execute):
                return self._failed(error)
            if not self.records.has(self.over[0].key):
                self._stream(back=False, ends_at=time.monotonic() + FOLLOWS_S)
            error = self._all(self.over, execute) or self._ready()
            if error:
                self._failed(error)
                return self.roll_back() or 1
            (self.folder / "switched").touch()
        say("SWITCHED")
        if error := self._all(self.after, execute):
            return self._failed(error)
        self._stream(back=True, ends_at=None)
        say("DONE")
        return 0

    def roll_back(self) -> int:
        """As a cutover that failed, or was killed, before its switch is taken back."""
        begun = [step for step in self.over if self.records.has(step.key)]
        errors = [self._carry(step, undo) for step in reversed(begun)]
        worst = next((error for error in errors if error), None)
        if worst:
            self._failed(worst)
            return 4
        say("TAKEN BACK")
        return 0

    def _drift(self) -> list[str]:
        """As the conductor: what cannot be looked at now is left to its own step."""
        lines, self.records.quiet = [], True
        for step in (*self.before, *self.over, *self.after):
            outcome = carried(StepRun(step, self.pool, self.records, rehearse))
            approved = self.records.approved(step.key)
            if outcome.plan is not None and approved is not None:
                lines += [
                    f"{step.key}: {line}" for line in step_drift(approved[0], outcome.plan, approved[1])
                ]
        self.records.quiet = False
        return lines

    def _ready(self) -> MigrationError | None:
        from flows.guards import refuse_unless_still_ready

        try:
            refuse_unless_still_ready(self.over)
        except MigrationError as error:
            return error
        return None

    def _all(self, steps: Sequence[Step[Any]], how: Carry) -> MigrationError | None:
        return next((error for step in steps if (error := self._carry(step, how))), None)

    def _carry(self, step: Step[Any], how: Carry) -> MigrationError | None:
        for wait_s in (*RETRIES_S, None):
            outcome = carried(StepRun(step, self.pool, self.records, how))
            error = outcome.error
            if error is None or not error.transient or wait_s is None:
                break
            say("AGAIN", step.key, error.detail)
            time.sleep(wait_s)
        self.records.ended(outcome)
        return error

    def _stream(self, *, back: bool, ends_at: float | None) -> None:
        """As `qianyun follow`; the way back until the test says that nobody writes any more."""
        from flows.follow import Stream  # it takes two seconds, which only this needs

        say("STREAM", "back" if back else "on")
        stream, ends = Stream("shop", self.move, back), threading.Event()
        errors: list[BaseException] = []

        def work() -> None:
            try:
                stream.follow(ends)
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive() and not self._over(ends_at):
            time.sleep(0.05)
        ends.set()
        thread.join()
        say("STREAMED", str(stream), stream.trouble)
        if errors:
            raise errors[0]

    def _over(self, ends_at: float | None) -> bool:
        if ends_at is not None:
            return time.monotonic() > ends_at
        return (self.folder / "stop").exists() and self._level()

    def _level(self) -> bool:
        """Whether the source has all that the target's log holds."""
        reader = Reader()
        try:
            target, source = reader.open(self.move.target), reader.open(self.move.source)
            marks = source.marks(self.move.source_schema)
            return marks is not None and not target.lag_bytes(marks.position)
        except MigrationError:
            return False
        finally:
            reader.close()

    def _failed(self, error: MigrationError | None) -> int:
        said = str(error).replace("\n", " | ")
        say("FAILED", f"{type(error).__name__} transient={getattr(error, 'transient', None)}", said)
        return 1


def _tell_the_journal() -> None:
    """So that the moment of a strike is known."""
    original = WriteSession.journal

    def journal(session: WriteSession, text: str) -> None:
        say("WRITE", text)
        original(session, text)

    WriteSession.journal = journal  # type: ignore[method-assign]


def main() -> int:
    _tell_the_journal()
    tool, command = Tool(Path(sys.argv[1])), sys.argv[2]
    try:
        return {"rehearse": tool.rehearse, "migrate": tool.migrate, "rollback": tool.roll_back}[command]()
    except MigrationError as error:
        return tool._failed(error)


if __name__ == "__main__":
    sys.exit(main())
