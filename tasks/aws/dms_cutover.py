"""Ongoing replication watched, and stopped under the freeze."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.access import Reader, Writer
from core.checks import Check, Status
from core.errors import ApplyFailed, Refused
from core.facts import Fact
from core.plan import Change, Duration, Plan
from core.step import ReadingStep, Reversal, Step
from tasks.aws import dms
from tasks.aws.dms_data import MOVING, load_checks
from tasks.aws.dms_mapping import Migration
from tasks.aws.endpoint import AwsAccount, AwsReader
from tasks.aws.marks import required
from tasks.aws.step import fact, known
from tasks.databases.differences import table_checks
from tasks.databases.model import Marks
from tasks.databases.move import Move

_METRICS = ("CDCLatencySource", "CDCLatencyTarget")
_PERIOD_S = 60
"""CloudWatch keeps one figure a minute. Source: AWS DMS user guide, "Replication task metrics"."""
_LOOK_BACK = timedelta(minutes=15)


@dataclass(frozen=True)
class Lag:
    """The worse of both ends' latencies in seconds, and the end of the minute it was measured in."""

    seconds: float
    until: datetime


def newest_lag(cloud: AwsReader, instance_id: str, task: dms.Task, now: datetime) -> Lag | None:
    """DMS tells its lag to CloudWatch alone, some minutes late; None where it has told none lately."""
    lags = []
    for metric in _METRICS:
        points = cloud.cloudwatch.get_metric_statistics(
            Namespace="AWS/DMS",
            MetricName=metric,
            Dimensions=[
                {"Name": "ReplicationInstanceIdentifier", "Value": instance_id},
                # Not its name: the last part of its ARN.
                {"Name": "ReplicationTaskIdentifier", "Value": task.arn.rpartition(":")[2]},
            ],
            StartTime=now - _LOOK_BACK,
            EndTime=now + timedelta(minutes=1),
            Period=_PERIOD_S,
            Statistics=["Maximum"],
        )["Datapoints"]
        if not points:
            return None
        newest = max(points, key=lambda point: point["Timestamp"])
        lags.append(Lag(newest["Maximum"], newest["Timestamp"] + timedelta(seconds=_PERIOD_S)))
    return Lag(max(lag.seconds for lag in lags), min(lag.until for lag in lags))


@dataclass(frozen=True)
class WatchFacts:
    task: Fact[dms.Task]
    lag_s: float | None


@dataclass(frozen=True, kw_only=True)
class CheckReplication(ReadingStep[WatchFacts]):
    """Every table loaded, definitions as at the source, and (with `max_lag_s`) the replication close behind.

    Rows are not compared here: both sides move. They are under the freeze, all of them.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    account: AwsAccount
    move: Move
    database: str
    max_lag_s: int = 0

    def inspect(self, reader: Reader) -> WatchFacts:
        cloud = reader.open(self.account)
        task = dms.find_task(cloud, _id(self.account, self.database, "task"), tables=True)
        lag = None
        if task is not None and task.status == "running":
            instance = _id(self.account, self.database, "instance")
            lag = newest_lag(cloud, instance, task, datetime.now(UTC))
        return WatchFacts(fact(task), lag.seconds if lag else None)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        source, target = self.move.open_source(reader), self.move.open_target(reader)
        facts = self.inspect(reader)
        task, tables = known(facts.task), source.tables(self.move.source_schema)
        if task is None:
            return (Check(f"replication of {self.database}", Status.FAIL, "there", "not there"),)
        theirs = target.tables(self.move.target_schema)
        checks = table_checks({t.name: t.definition for t in tables}, {t.name: t.definition for t in theirs})
        checks += load_checks(task, tables)
        if self.max_lag_s and task.status in MOVING:
            checks.append(self._lag_check(facts.lag_s))
        return tuple(checks)

    def _lag_check(self, lag_s: float | None) -> Check:
        name, planned = f"replication of {self.database}: lag", f"at most {self.max_lag_s} s"
        if lag_s is None:
            return Check(name, Status.UNKNOWN, planned, "CloudWatch has no figure of the last minutes")
        status = Status.PASS if lag_s <= self.max_lag_s else Status.FAIL
        return Check(name, status, planned, f"{lag_s:.0f} s")


@dataclass(frozen=True)
class StopFacts:
    task: Fact[dms.Task]
    frozen: bool


@dataclass(frozen=True, kw_only=True)
class StopReplication(Step[StopFacts]):
    """Under the freeze: waits until the lag is within the bound, then stops the task.

    What DMS had not brought by then, or brings never (see docs/databases.md), the refresh that follows
    brings; the comparison after it proves that every row is there.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    account: AwsAccount
    move: Move
    database: str
    migration: Migration = "full-load-and-cdc"
    max_lag_s: int = 10
    wait_s: float = 900
    poll_s: float = dms.POLL_S

    @property
    def reversal(self) -> Reversal:
        return Reversal(
            "reversible", "triggers made meanwhile are dropped, and the task goes on where it stopped"
        )

    def inspect(self, reader: Reader) -> StopFacts:
        frozen = self.move.open_source(reader, "freeze").is_frozen()
        return StopFacts(fact(dms.find_task(reader.open(self.account), self._id, tables=True)), frozen)

    def plan(self, facts: StopFacts) -> Plan:
        task = known(facts.task)
        if task is not None and task.status == "failed":
            raise Refused(
                f"{self._task} has failed: {task.said}",
                why="Cutting over on it would rest on an unknown part of the data.",
                next_command=self._described,
            )
        if facts.frozen and task is not None and task.status == "stopped":
            return Plan(nothing_because=f"{self._task} is stopped, the source frozen")
        change = Change("run", f"stop of {self._task}", None, {"lag at most": f"{self.max_lag_s} s"})
        return Plan((change,), duration=Duration(240, self.wait_s))

    def apply(self, plan: Plan, writer: Writer) -> None:
        state = self.move.open_source(writer.reader, "freeze").write_state()
        if not state.frozen or state.writing:
            raise Refused(
                f"{self.move.source.address} can be written to: {'; '.join(state.writing) or state.settings}",
                why="What is written after the stop would be lost to the new side; the freeze comes first.",
            )
        cloud = writer.open(self.account)
        task = required(dms.find_task(cloud, self._id, tables=True), self._task)
        if task.status in MOVING:
            self._await_level(cloud, task)
            dms.writing(
                lambda: cloud.dms.stop_replication_task(ReplicationTaskArn=task.arn),
                self._described,
                self.account,
            )
        self._await(cloud, "stopped")

    def _await_level(self, cloud: AwsReader, task: dms.Task) -> None:
        frozen_at, instance = datetime.now(UTC), _id(self.account, self.database, "instance")
        until, seen = time.monotonic() + self.wait_s, "no figure yet"
        while True:
            found = dms.find_task(cloud, self._id, tables=True)
            if found is None or found.status not in MOVING or found.broken:
                raise self._gave_up(found)
            lag = newest_lag(cloud, instance, task, datetime.now(UTC))
            # Of a minute that saw the freeze: an older figure says nothing of the last writes.
            if lag is not None and lag.until > frozen_at:
                if lag.seconds <= self.max_lag_s:
                    return
                seen = f"{lag.seconds:.0f} s"
            if time.monotonic() >= until:
                raise ApplyFailed(
                    f"{self._task}: lag {seen}, wanted {self.max_lag_s} s, after {self.wait_s:.0f} s frozen",
                    why="Nothing was stopped. The cutover is taken back and the source opened again.",
                    next_command=self._described,
                )
            time.sleep(self.poll_s)

    def _gave_up(self, task: dms.Task | None) -> ApplyFailed:
        said = "it was deleted" if task is None else "; ".join((*task.broken, f"{task.status}: {task.said}"))
        return ApplyFailed(
            f"{self._task} ended before it was level: {said}",
            why="The cutover is taken back; the source has everything.",
            next_command=self._described,
        )

    def _await(self, cloud: AwsReader, status: str) -> None:
        def reached() -> bool | None:
            task = required(dms.find_task(cloud, self._id), self._task)
            if task.status == "failed":
                raise self._gave_up(task)
            return True if task.status == status else None

        dms.wait_until(reached, f"{self._task} becoming {status}", self._described, self.poll_s, 1800)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        task = known(facts.task)
        return (
            Check.equal(f"{self.move.source.address}: frozen", True, facts.frozen),
            Check.equal(f"{self._task}: status", "stopped", task.status if task else "not there"),
            Check.equal(f"{self._task}: tables given up", (), task.broken if task else ()),
        )

    def undo(self, plan: Plan, writer: Writer) -> None:
        cloud = writer.open(self.account)
        task = dms.find_task(cloud, self._id)
        if task is None or task.status not in ("stopping", "stopped"):
            return
        self._await(cloud, "stopped")
        self._give_back(writer)
        dms.writing(
            lambda: cloud.dms.start_replication_task(
                ReplicationTaskArn=task.arn, StartReplicationTaskType="resume-processing"
            ),
            self._described,
            self.account,
        )
        self._await(cloud, "running")

    def _give_back(self, writer: Writer) -> None:
        """The tables are DMS's to fill again: no trigger may fire for its rows, no mark say they are ours."""
        schema, look = self.move.target_schema, self.move.open_target(writer.reader)
        port = writer.open(self.move.target)
        for found in look.objects(schema):
            if found.kind == "trigger":
                port.drop_object(schema, "trigger", found.name)
        for table, mark in (look.marks(schema) or Marks()).tables.items():
            if mark.state != "copying":
                port.begin_table(schema, table)

    @property
    def _id(self) -> str:
        return _id(self.account, self.database, "task")

    @property
    def _task(self) -> str:
        return f"replication task {self._id}"

    @property
    def _described(self) -> str:
        return dms.described(self.account, "replication-tasks", self._id)


def _id(account: AwsAccount, database: str, role: str) -> str:
    return dms.identifier(account.project, database, role)
