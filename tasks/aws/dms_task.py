"""The replication task: made, and found to fit the source; ReplicateData starts it."""

from dataclasses import dataclass
from typing import Any

from core.access import Reader
from core.checks import Check
from core.errors import ApplyFailed, Refused
from core.facts import Fact
from core.plan import Change, Duration, Plan, Value
from core.step import Reversal
from tasks.aws import dms
from tasks.aws.calls import none_on
from tasks.aws.dms_mapping import Migration, mappings, settings, tables_in, text, too_much
from tasks.aws.endpoint import AwsReader, AwsWriter
from tasks.aws.marks import required
from tasks.aws.step import AwsStep, fact, known
from tasks.databases.move import Move


@dataclass(frozen=True)
class TaskFacts:
    """`mappings`: what the tables of the source ask for now."""

    mappings: Value
    task: Fact[dms.Task]
    hindrances: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CreateReplicationTask(AwsStep[TaskFacts]):
    """The task as an order to DMS; it is started by ReplicateData."""

    database: str
    move: Move
    migration: Migration
    poll_s: float = dms.POLL_S
    wait_s: float = 1800

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "the task is deleted; what it brought over stays with its own step")

    @property
    def id(self) -> str:
        return dms.identifier(self.account.project, self.database, "task")

    def inspect(self, reader: Reader) -> TaskFacts:
        source = self.move.open_source(reader)
        tables = source.tables(self.move.source_schema)
        unfit = () if self.migration == "full-load" else source.not_followable(self.move.source_schema)
        task = fact(self._found(reader.open(self.account)))
        return TaskFacts(mappings(self.move, tables), task, (*unfit, *too_much(tables)))

    def _look(self, cloud: AwsReader) -> TaskFacts:
        raise NotImplementedError("it needs the source as well: see inspect")

    def _found(self, cloud: AwsReader) -> dms.Task | None:
        task = dms.find_task(cloud, self.id)
        if task is not None:
            dms.require_ours(cloud, task.arn, self.mark, self._task, self._described)
        return task

    def plan(self, facts: TaskFacts) -> Plan:
        task = known(facts.task)
        wanted = {"migration": self.migration, "mappings": facts.mappings, "settings": self._settings}
        if task is None or task.status in ("creating", "ready"):
            self._refuse_hindered(facts)
        if task is None:
            return Plan((Change("create", self._task, None, wanted),), duration=Duration(60, 180))
        actual = {"migration": task.migration, "mappings": task.mappings, "settings": task.settings}
        if not dms.holds(wanted, actual):
            if task.status not in ("creating", "ready"):
                raise self._overtaken(actual, wanted)
            return Plan((Change("change", self._task, actual, wanted),), duration=Duration(60, 180))
        if task.status == "creating":
            change = Change("change", f"state of {self._task}", "creating", "ready")
            return Plan((change,), duration=Duration(30, 120))
        return Plan(nothing_because=f"{self._task} carries exactly the tables of {self.move.from_label}")

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        task = self._found(cloud)
        if change.object == self._task:
            texts = {
                "MigrationType": change.after["migration"],
                "TableMappings": text(change.after["mappings"]),
                "ReplicationTaskSettings": text(change.after["settings"]),
            }
            if task is None:
                self._create(cloud, texts)
            else:
                self._await_ready(cloud)
                self._modify(cloud, task, texts)
        self._await_ready(cloud)

    def _create(self, cloud: AwsWriter, texts: Any) -> None:
        instance = dms.find_instance(cloud, self._id("instance"))
        ends = [dms.find_endpoint(cloud, self._id(role)) for role in ("source", "target")]
        source, target = (
            required(end, f"{role} endpoint") for end, role in zip(ends, ("source", "target"), strict=True)
        )
        dms.writing(
            lambda: cloud.dms.create_replication_task(
                ReplicationTaskIdentifier=self.id,
                ReplicationInstanceArn=required(instance, "replication instance")["ReplicationInstanceArn"],
                SourceEndpointArn=source["EndpointArn"],
                TargetEndpointArn=target["EndpointArn"],
                Tags=dms.tag_list(self.mark),
                **texts,
            ),
            self._described,
            self.account,
        )

    def _modify(self, cloud: AwsWriter, task: dms.Task, texts: Any) -> None:
        dms.writing(
            lambda: cloud.dms.modify_replication_task(ReplicationTaskArn=task.arn, **texts),
            self._described,
            self.account,
        )

    def _await_ready(self, cloud: AwsReader) -> None:
        def ready() -> bool | None:
            task = required(self._found(cloud), self._task)
            if task.status in ("failed", "deleting"):
                raise ApplyFailed(
                    f"{self._task} is {task.status}, wanted ready: {task.said}",
                    why="DMS could not make it; nothing was brought over.",
                    next_command=self._described,
                )
            return None if task.status in ("creating", "modifying", "testing") else True

        dms.wait_until(ready, f"{self._task} becoming ready", self._described, self.poll_s, self.wait_s)

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        task = dms.find_task(cloud, self.id)
        if task is None or change.object != self._task:
            return
        if change.action == "change":
            before = change.before
            if task.status in ("ready", "stopped", "failed") and task.mappings != before["mappings"]:
                texts = {
                    "MigrationType": before["migration"],
                    "TableMappings": text(before["mappings"]),
                    "ReplicationTaskSettings": text(before["settings"]),
                }
                self._modify(cloud, task, texts)
                self._await_ready(cloud)
            return
        if task.status in ("starting", "running"):
            none_on(lambda: cloud.dms.stop_replication_task(ReplicationTaskArn=task.arn), dms.GONE)
        self._await_still(cloud)
        if task.status != "deleting":
            none_on(lambda: cloud.dms.delete_replication_task(ReplicationTaskArn=task.arn), dms.GONE)
        # Its endpoints and its instance cannot go before it has.
        dms.wait_until(
            lambda: True if dms.find_task(cloud, self.id) is None else None,
            f"{self._task} being deleted",
            self._described,
            self.poll_s,
            self.wait_s,
        )

    def _await_still(self, cloud: AwsReader) -> None:
        def still() -> bool | None:
            task = dms.find_task(cloud, self.id)
            return True if task is None or task.status not in ("starting", "running", "stopping") else None

        dms.wait_until(still, f"{self._task} stopping", self._described, self.poll_s, self.wait_s)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        task = known(facts.task)
        if task is None:
            return (Check.equal(self._task, "there", "not there"),)
        return (
            Check.equal(f"{self._task}: migration", self.migration, task.migration),
            Check.equal(f"{self._task}: tables", facts.mappings, task.mappings),
            Check.equal(f"{self._task}: settings as wished", True, dms.holds(self._settings, task.settings)),
        )

    def _refuse_hindered(self, facts: TaskFacts) -> None:
        if facts.hindrances:
            raise Refused(
                f"{self.move.from_label} cannot be replicated by DMS: {'; '.join(facts.hindrances)}",
                why="DMS would fail on it or leave it out: mend it, or choose the method copy or follow.",
                next_command=self.account.next_command,
            )

    def _overtaken(self, actual: Any, wanted: Any) -> Refused:
        mine, theirs = (set(tables_in(side["mappings"])) for side in (wanted, actual))
        differ = ", ".join(sorted(mine ^ theirs)) or "its settings"
        rollback = self.account.next_command.replace("rehearse", "rollback", 1)
        return Refused(
            f"{self._task} has begun and no longer fits {self.move.from_label}: {differ}",
            why="DMS does not follow what came or went since then: take it back and load again.",
            next_command=f"{rollback} --item {self.database}",
        )

    def _id(self, role: str) -> str:
        return dms.identifier(self.account.project, self.database, role)

    @property
    def _settings(self) -> Value:
        return settings(self.move.target_schema)

    @property
    def _task(self) -> str:
        return f"replication task {self.id}"

    @property
    def _described(self) -> str:
        return dms.described(self.account, "replication-tasks", self.id)
