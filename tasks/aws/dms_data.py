"""ReplicateData: DMS loads all tables, and from then on carries what changes at the source."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check, Status
from core.errors import ApplyFailed, Refused, UndoFailed
from core.facts import ABSENT, Fact, Known
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from tasks.aws import dms
from tasks.aws.dms_mapping import Migration, control_schema
from tasks.aws.endpoint import AwsAccount, AwsReader, AwsWriter
from tasks.aws.marks import required
from tasks.aws.step import fact, known
from tasks.databases.model import Marks, Table
from tasks.databases.move import Move, copy_time
from tasks.databases.port import ReadPort, WritePort

MOVING = ("starting", "running")


@dataclass(frozen=True)
class ReplicationFacts:
    """`holding_rows`, `marks` ("copying" | "done") and `triggers` are the target's."""

    task: Fact[dms.Task]
    tables: tuple[Table, ...]
    frozen: bool
    holding_rows: tuple[str, ...]
    triggers: tuple[str, ...]
    marks: Fact[Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class ReplicateData(Step[ReplicationFacts]):
    """Starts the replication task and follows it to the end of the full load.

    Before DMS writes a row, our marks on the target say which tables are its to fill: a load that failed
    is begun again only on tables that bear them, and undoing empties only these.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    account: AwsAccount
    move: Move
    database: str
    migration: Migration
    poll_s: float = dms.POLL_S
    wait_s: float = 14 * 24 * 3600

    @property
    def reversal(self) -> Reversal:
        return Reversal(
            "reversible", "stops the task, empties the tables it filled, drops marks and DMS's books"
        )

    def inspect(self, reader: Reader) -> ReplicationFacts:
        source, target = self.move.open_source(reader), self.move.open_target(reader)
        schema = self.move.target_schema
        tables = source.tables(self.move.source_schema)
        there = {table.name for table in target.tables(schema)} if target.options(schema) else set()
        marks = target.marks(schema)
        return ReplicationFacts(
            task=fact(dms.find_task(reader.open(self.account), self.task_id, tables=True)),
            tables=tables,
            frozen=self.move.open_source(reader, "freeze").is_frozen(),
            holding_rows=tuple(
                t.name for t in tables if t.name in there and not target.is_empty(schema, t.name)
            ),
            triggers=tuple(o.name for o in target.objects(schema) if o.kind == "trigger") if there else (),
            marks=ABSENT if marks is None else Known({t: mark.state for t, mark in marks.tables.items()}),
        )

    def plan(self, facts: ReplicationFacts) -> Plan:
        names = [table.name for table in facts.tables]
        task = known(facts.task)
        if task is not None and task.status not in ("creating", "ready") and task.loaded(names):
            if self.migration == "full-load" or task.status in MOVING or facts.frozen:
                return Plan(nothing_because=f"all {len(names)} tables were loaded by {self._task}")
            change = Change("run", f"ongoing replication by {self._task}", task.status, "running")
            return Plan((change,), duration=Duration(60, 300))
        marks = known(facts.marks) or {}
        for table in facts.holding_rows:
            self._refuse_foreign(table, marks)
        if facts.triggers and (task is None or task.status not in MOVING):
            raise Refused(
                f"{self.move.to_label} has triggers already: {', '.join(facts.triggers)}",
                why="They would fire for every row that DMS brings; triggers are made after the data.",
            )
        changes = []
        if known(facts.marks) is None:
            changes.append(Change("create", self._marks, None, {"purpose": "which tables are DMS's to fill"}))
        changes += [
            Change(
                "copy",
                f"table {table.name}",
                None,
                {"rows of": f"{self.move.from_label}.{table.name}", "by": self._task},
                {"rows_estimate": table.rows_estimate, "size_bytes": table.size_bytes},
            )
            for table in facts.tables
        ]
        # As our own copy is estimated, and the starting of the task on top.
        return Plan(tuple(changes), duration=copy_time(list(facts.tables)) + Duration(120, 600))

    def apply(self, plan: Plan, writer: Writer) -> None:
        cloud = writer.open(self.account)
        task = required(dms.find_task(cloud, self.task_id, tables=True), self._task)
        wanted = {
            change.object.removeprefix("table "): change.measures.get("rows_estimate", 0)
            for change in plan.changes
            if change.action == "copy"
        }
        if not wanted:
            self._start(cloud, task, "resume-processing")
            self._await(cloud, lambda found: found.status == "running", "resuming")
            return
        if task.status not in MOVING:
            self._make_room(writer, task, tuple(wanted))
            self._start(cloud, task, "start-replication" if task.status == "ready" else "reload-target")
        total = sum(wanted.values())

        def loaded(found: dms.Task) -> bool:
            done = sum(table.rows for table in found.tables if table.name in wanted)
            writer.progress(done, max(total, done), "rows")
            return found.loaded(wanted)

        self._await(cloud, loaded, "loading all tables")

    def _make_room(self, writer: Writer, task: dms.Task, wanted: tuple[str, ...]) -> None:
        look, port = self.move.open_target(writer.reader), writer.open(self.move.target)
        schema = self.move.target_schema
        if look.marks(schema) is None:
            port.create_marks(schema)
        marks = (look.marks(schema) or Marks()).tables
        for name in wanted:
            if name in marks and not look.is_empty(schema, name):
                port.empty_table(schema, name)  # what a load that failed left behind
            if name not in marks or marks[name].state != "copying":
                port.begin_table(schema, name)

    def _start(self, cloud: AwsWriter, task: dms.Task, how: str) -> None:
        dms.writing(
            lambda: cloud.dms.start_replication_task(
                ReplicationTaskArn=task.arn,
                StartReplicationTaskType=how,  # type: ignore[arg-type]
            ),
            self._described,
            self.account,
        )

    def _await(self, cloud: AwsReader, done: Callable[[dms.Task], bool], what: str) -> None:
        dms.wait_for_task(self.account, cloud, self.task_id, done, what, self.poll_s, self.wait_s)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        task = known(facts.task)
        if task is None:
            return (Check(self._task, Status.FAIL, "there", "not there"),)
        return (
            *load_checks(task, facts.tables),
            Check(
                f"{self._task}: status",
                Status.PASS if task.status in self._good(facts) else Status.FAIL,
                " or ".join(self._good(facts)),
                f"{task.status}; {task.said}" if task.status not in MOVING else task.status,
            ),
        )

    def _good(self, facts: ReplicationFacts) -> tuple[str, ...]:
        return ("running",) if self.migration != "full-load" and not facts.frozen else ("running", "stopped")

    def undo(self, plan: Plan, writer: Writer) -> None:
        if not any(change.action == "copy" for change in plan.changes):
            return  # it resumed what an earlier plan began; that one is taken back on its own
        cloud = writer.open(self.account)
        self._stop(cloud)
        look, schema = writer.reader.open(self.move.target), self.move.target_schema
        port, marks = writer.open(self.move.target), look.marks(schema) or Marks()
        there = {table.name for table in look.tables(schema)}
        for change in plan.changes:
            table = change.object.removeprefix("table ")
            if change.action == "copy" and table in marks.tables and table in there:
                self._empty(look, port, table)
        if any(change.object == self._marks for change in plan.changes):
            if look.options(control_schema(schema)) is not None:
                port.drop_schema(control_schema(schema))
            port.drop_marks(schema)

    def _stop(self, cloud: AwsWriter) -> None:
        task = dms.find_task(cloud, self.task_id)
        if task is not None and task.status in MOVING:
            dms.writing(
                lambda: cloud.dms.stop_replication_task(ReplicationTaskArn=task.arn),
                self._described,
                self.account,
            )

        def still() -> bool | None:
            found = dms.find_task(cloud, self.task_id)
            return True if found is None or found.status not in (*MOVING, "stopping") else None

        try:
            dms.wait_until(still, f"{self._task} stopping", self._described, self.poll_s, 1800)
        except ApplyFailed as error:
            raise UndoFailed(
                error.detail, why=error.why, next_command=error.next_command, transient=True
            ) from error

    def _empty(self, look: ReadPort, port: WritePort, table: str) -> None:
        if not look.is_empty(self.move.target_schema, table):
            port.empty_table(self.move.target_schema, table)

    def _refuse_foreign(self, table: str, marks: Mapping[str, str]) -> None:
        if table not in marks:
            raise Refused(
                f"table {table} of {self.move.to_label} holds rows that DMS did not bring",
                why="A table that somebody else filled is never overwritten.",
                next_command=f"SELECT * FROM `{table}` LIMIT 10;  # on the target: whose rows are these?",
            )

    @property
    def task_id(self) -> str:
        return dms.identifier(self.account.project, self.database, "task")

    @property
    def _marks(self) -> str:
        return f"marks beside schema {self.move.target_schema}"

    @property
    def _task(self) -> str:
        return f"replication task {self.task_id}"

    @property
    def _described(self) -> str:
        return dms.described(self.account, "replication-tasks", self.task_id)


def load_checks(task: dms.Task, tables: tuple[Table, ...]) -> tuple[Check, ...]:
    """Every table of the source as DMS tells of its load."""
    told = {table.name: table for table in task.tables}
    checks = []
    for table in tables:
        found = told.get(table.name)
        actual = "not known to DMS" if found is None else found.state
        if found is not None and found.error_rows:
            actual += f", {found.error_rows} rows in error"
        checks.append(Check.equal(f"table {table.name}: loaded by DMS", "Table completed", actual))
    return tuple(checks) or (Check(f"replication task {task.id}: tables", Status.PASS, "none", "none"),)
