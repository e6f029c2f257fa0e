"""What runs do to a whole small project: approval, resuming, the way back of a cutover, the gate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import flows.project
from core.access import Reader, Writer
from core.checks import Check
from core.errors import ApplyFailed, Unreadable
from core.facts import Known
from core.plan import Plan
from core.step import ReadingStep, Step
from flows import conduct, decisions
from flows.acceptance import AcceptanceDesk
from flows.home import home
from flows.report import Result
from flows.work import open_project
from inventory.practice import materialise
from ledger.book import Ledger
from tests.worlds.toy import SetValues, Store, StoreEndpoint

ENGINEER, CUSTOMER = "chen.jing@example.com", "li.ming@example.cn"
HOUR = timedelta(hours=1)
LIVE_KEYS = {"project", "run_id", "mode", "digest", "steps", "state"}


@dataclass(frozen=True, kw_only=True)
class Probe(ReadingStep[int]):
    """A test: passes while the store's `health` is 1."""

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    endpoint: StoreEndpoint

    def inspect(self, reader: Reader) -> int:
        found = reader.open(self.endpoint).get("health")
        return found.value if isinstance(found, Known) else 0

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        return (Check.equal("health", 1, self.inspect(reader)),)


@dataclass(frozen=True, kw_only=True)
class Stubborn(SetValues):
    """Cannot be taken back while the store's `stuck` is set."""

    def undo(self, plan: Plan, writer: Writer) -> None:
        if "stuck" in self.endpoint.store.values:
            raise Unreadable("target: connection refused")
        super().undo(plan, writer)


@dataclass
class Small:
    """A project of one database with its cutover, on a store in memory; runs are made as in real life."""

    folder: Path
    store: Store = field(default_factory=lambda: Store({"health": 1}))
    dns: bool = True

    @property
    def phases(self) -> dict[str, Callable[[Any], list[Step[Any]]]]:
        return {
            "databases": lambda _: [self.step("databases/d/data", "copied")],
            "testing": lambda _: [self.probe("testing/home", "databases/d/data")],
            "cutover": lambda _: self._cutover(),
        }

    def _cutover(self) -> list[Step[Any]]:
        steps: list[Step[Any]] = [
            self.step("cutover/d/freeze", "frozen"),
            Stubborn(
                key="cutover/d/refresh",
                needs=("cutover/d/freeze",),
                wanted={"fresh": 1},
                endpoint=self.endpoint,
            ),
        ]
        if self.dns:
            steps.append(self.step("cutover/dns/shop", "dns", "cutover/d/refresh"))
        return [*steps, self.probe("cutover/check/home", steps[-1].key)]

    @property
    def endpoint(self) -> StoreEndpoint:
        return StoreEndpoint(self.store)

    def step(self, key: str, name: str, *needs: str) -> SetValues:
        return SetValues(key=key, needs=needs, wanted={name: 1}, endpoint=self.endpoint)

    def probe(self, key: str, *needs: str) -> Probe:
        return Probe(key=key, needs=needs, endpoint=self.endpoint)

    def window(self, start: timedelta, end: timedelta) -> None:
        now, kept = datetime.now(UTC), self.folder.parent / "kept"
        kept.mkdir(exist_ok=True)
        materialise(self.folder, window_start=now + start, window_end=now + end, secrets=kept)

    def rehearse(self, *phases: str, items: Sequence[str] = ()) -> Result:
        return _in_flow(lambda: conduct.rehearse(str(self.folder), phases, items, ENGINEER))

    def approved(self, *phases: str) -> str:
        digest = str(self.rehearse(*phases).document["digest"])
        decisions.approve(str(self.folder), digest, CUSTOMER)
        return digest

    def execute(self, digest: str, *phases: str) -> Result:
        return _in_flow(lambda: conduct.execute(str(self.folder), digest, phases, ()))

    def roll_back(self, *phases: str, items: Sequence[str] = ()) -> Result:
        return _in_flow(lambda: conduct.roll_back(str(self.folder), phases, items))

    def ledger(self) -> Ledger:
        return Ledger.open(home(), None, "demo-shop")

    def killed_before_writing(self, digest: str, key: str) -> None:
        """As if a run had died between its record of a step and the step's first write."""
        with open_project(str(self.folder)) as work:
            step = work.whole.steps[key]
            run_id = work.ledger.start_run("live", requested_by=ENGINEER, digest=digest)
            work.ledger.step_begun(run_id, key, step.plan(step.inspect(Reader())).to_json(), digest)

    def proved(self, key: str) -> None:
        """As if an earlier run had found the step done."""
        with self.ledger() as ledger:
            run_id, now = ledger.start_run("live", requested_by=ENGINEER), datetime.now(UTC)
            ledger.step_ended(run_id, key, "Applied", started_at=now, ended_at=now)


def _in_flow(work: Callable[[], Result]) -> Result:
    from prefect import flow

    @flow(name="test", persist_result=False)
    def inside() -> None:
        results.append(work())

    results: list[Result] = []
    inside()
    return results[0]


def states(result: Result) -> dict[str, str]:
    return {row["step"]: row["state"] for row in result.document["steps"]}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    monkeypatch.setenv("QIANYUN_HOME", str(tmp_path / "home"))
    project = Small(tmp_path / "p")
    project.window(-HOUR, HOUR)
    monkeypatch.setattr(flows.project, "PHASES", project.phases)
    monkeypatch.setattr(AcceptanceDesk, "steps", lambda self: [project.step("acceptance/mail", "mailed")])
    monkeypatch.setattr(AcceptanceDesk, "after_run", lambda self, found: None)
    return project


def test_a_whole_run_and_the_same_again(small: Small) -> None:
    digest = small.approved()
    assert small.execute(digest).error is None
    again = small.execute(digest)
    assert again.error is None and set(states(again).values()) == {"Unchanged"}


@pytest.mark.parametrize("approve", [True, False])
def test_a_refused_run_has_the_keys_that_scripts_rely_on(small: Small, approve: bool) -> None:
    digest = small.approved() if approve else str(small.rehearse().document["digest"])
    small.store.values["copied"] = 7  # drift, where it was approved
    result = small.execute(digest)
    assert result.error is not None and result.error.exit_status == 3
    assert result.document.keys() >= LIVE_KEYS and result.document["state"] == "Refused"
    assert small.store.writers_opened == 0
    with small.ledger() as ledger:
        assert all(run.ended_at_utc for run in ledger.runs())


def test_a_digest_is_found_by_its_beginning_in_any_case(small: Small) -> None:
    digest = small.approved()
    assert small.execute(f" {digest[:12].upper()}").error is None


def test_a_passing_error_in_the_middle_of_a_step_is_resumed_by_the_retry(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def broken_once(self: Any, plan: Plan, writer: Writer) -> None:
        attempts.append(len(plan.changes))
        for change in plan.changes:
            writer.open(self.endpoint).put(change.object, change.after)
            if len(attempts) == 1:
                raise ApplyFailed("throttled", transient=True)

    two = SetValues(key="databases/d/data", wanted={"x": 1, "y": 2}, endpoint=small.endpoint)
    monkeypatch.setattr(flows.project, "PHASES", small.phases | {"databases": lambda _: [two]})
    digest = small.approved("databases")
    monkeypatch.setattr(SetValues, "apply", broken_once)
    result = small.execute(digest)
    assert result.error is None and attempts == [2, 1]
    assert (small.store.values["x"], small.store.values["y"]) == (1, 2)


def test_a_failed_test_keeps_the_next_phase_shut(small: Small) -> None:
    digest = small.approved()
    small.store.values["health"] = 0
    assert small.execute(digest, "databases", "testing").error is not None
    result = small.execute(digest, "cutover")
    assert states(result)["testing/home"] == "Failed" and "frozen" not in small.store.values


def test_after_the_window_the_acceptance_still_goes_on(small: Small) -> None:
    digest = small.approved()
    small.execute(digest, "databases", "testing", "cutover")
    small.window(-2 * HOUR, -HOUR)
    result = small.execute(digest)
    assert result.error is None and states(result)["acceptance/mail"] == "Applied"
    assert small.store.values["frozen"] == 1


def test_outside_the_window_the_cutover_is_refused_and_the_rest_done(small: Small) -> None:
    digest = small.approved()
    small.window(HOUR, 2 * HOUR)
    result = small.execute(digest)
    assert result.error is not None and result.error.exit_status == 3 and "window" in str(result.error)
    assert small.store.values["copied"] == 1 and "frozen" not in small.store.values


@pytest.mark.parametrize("closed", [False, True])
def test_a_cutover_that_fails_before_its_switch_opens_the_source_again(small: Small, closed: bool) -> None:
    digest = small.approved()
    small.store.fail_on = {"fresh"}
    if closed:  # a run was killed in the cutover, and its window is over
        small.execute(digest, "databases", "testing")
        small.killed_before_writing(digest, "cutover/d/freeze")
        small.store.values["frozen"] = 1
        small.window(-2 * HOUR, -HOUR)
    result = small.execute(digest)
    assert result.error is not None and "frozen" not in small.store.values
    assert states(result)["cutover/d/freeze"] == "Undone"


def test_what_cannot_be_taken_back_is_told_and_keeps_nothing_else_frozen(small: Small) -> None:
    digest = small.approved()
    small.store.values["stuck"] = 1
    small.store.fail_on = {"dns"}
    result = small.execute(digest)
    assert "frozen" not in small.store.values and small.store.values["fresh"] == 1
    assert type(result.error).__name__ == "UndoFailed" and "connection refused" in str(result.error)
    assert states(result)["cutover/d/refresh"] == "Failed"


def test_a_switch_that_was_never_made_takes_the_cutover_back(small: Small) -> None:
    digest = small.approved()
    small.store.fail_on = {"dns"}  # begun, and refused by the name server
    small.execute(digest)
    assert small.store.values == {"health": 1, "copied": 1}


def test_a_source_that_thawed_before_the_switch_keeps_users_where_they_are(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = small.approved()
    refresh = Stubborn.apply

    def restarts_meanwhile(self: Any, plan: Plan, writer: Writer) -> None:
        refresh(self, plan, writer)
        self.endpoint.store.values.pop("frozen")

    monkeypatch.setattr(Stubborn, "apply", restarts_meanwhile)
    result = small.execute(digest)
    assert result.error is not None and "freeze does not hold any more" in str(result.error)
    assert states(result)["cutover/dns/shop"] == "Refused"
    assert small.store.values == {"health": 1, "copied": 1}, "and the cutover is taken back"


def test_a_run_killed_before_the_switch_was_written_proves_everything_again(small: Small) -> None:
    digest = small.approved()
    small.execute(digest, "databases", "testing")
    for key in ("cutover/d/freeze", "cutover/d/refresh", "cutover/dns/shop"):
        small.killed_before_writing(digest, key)
    small.proved("cutover/d/freeze")
    small.proved("cutover/d/refresh")  # and then somebody wrote to the source
    result = small.execute(digest)
    assert result.error is None and states(result)["cutover/d/refresh"] == "Applied"
    assert small.store.values["fresh"] == small.store.values["dns"] == 1


@pytest.mark.parametrize("dns", [True, False])
def test_what_users_wrote_on_the_new_side_is_left_alone(small: Small, dns: bool) -> None:
    small.dns = dns
    digest = small.approved()
    assert small.execute(digest).error is None
    small.store.values |= {"copied": 5, "fresh": 5}
    again = small.execute(digest)
    assert again.error is None and small.store.values["copied"] == small.store.values["fresh"] == 5
    # Neither does a test that fails later open the source again, nor its record unsettle the rest.
    small.store.values["health"] = 0
    assert small.execute(digest).error is not None and small.execute(digest).error is not None
    assert (small.store.values["frozen"], small.store.values["fresh"]) == (1, 5)


def test_a_rollback_after_the_switch_takes_back_the_cutover_alone(small: Small) -> None:
    small.execute(small.approved())
    result = small.roll_back()
    assert result.error is None and "databases/d/data" in result.document["left"]
    assert small.store.values.keys() & {"frozen", "fresh", "dns"} == set() and small.store.values["copied"]


def test_the_source_is_not_opened_while_the_switch_stands(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = {step.key: step for step in small._cutover()}
    mine = SetValues(key="cutover/d/freeze", item="shop-db", wanted={"frozen": 1}, endpoint=small.endpoint)
    monkeypatch.setattr(
        flows.project, "PHASES", small.phases | {"cutover": lambda _: [*(steps | {mine.key: mine}).values()]}
    )
    small.execute(small.approved())
    result = small.roll_back(items=["shop-db"])
    assert result.error is not None and result.error.exit_status == 3
    assert small.store.values["frozen"] == 1 and result.document.keys() >= LIVE_KEYS


def test_a_rollback_tells_what_it_no_longer_knows(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = small.approved("databases")
    small.execute(digest)
    monkeypatch.setattr(
        flows.project, "PHASES", small.phases | {"databases": lambda _: [], "testing": lambda _: []}
    )
    result = small.roll_back()
    assert result.document["left"] == {"databases/d/data": "no longer in the inventory"}


def test_after_a_rollback_the_same_approval_migrates_again(small: Small) -> None:
    digest = small.approved()
    small.execute(digest, "databases", "testing")
    small.roll_back()
    assert small.store.values == {"health": 1}
    assert small.execute(digest).error is None


def test_a_secret_in_an_error_reaches_no_document(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.secret import Secret

    Secret("hunter2-hunter2")

    def leaking(self: Any, plan: Plan, writer: Writer) -> None:
        raise ApplyFailed("mysql://root:hunter2-hunter2@db: access denied")

    digest = small.approved()
    monkeypatch.setattr(SetValues, "apply", leaking)
    result = small.execute(digest)
    assert "access denied" in str(result.document) and "hunter2" not in str(result.document)
