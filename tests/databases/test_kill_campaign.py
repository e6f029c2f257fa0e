"""Tool, source, target and network struck at random moments of copy, indexes, follow and cutover: equal ends.

Both servers are durable, in networks of their own; a client outside writes all the while and keeps a record
of its own. The seed is printed; QIANYUN_KILL_SEED repeats the draws, QIANYUN_KILL_STRIKES sets their number.
"""

import json
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.databases import kill_client
from tests.databases.cabled import Cabled, CabledServer, cabled
from tests.databases.client import ACCOUNT, SCHEMA, account_statements
from tests.databases.servers import MIGRATOR, PASSWORD

VICTIMS = ("tool", "source", "target", "network")
STAGES = ("copy", "index", "follow", "cutover")
LASTS_S = {"copy": 2.5, "index": 0.5, "follow": 3.0, "cutover": 0.3}
"""About how long a stage lasts, of the cutover each step: a strike falls at a random moment of this time."""
CUTOVER = ("readiness", "freeze", "drain", "comparison", "triggers", "return", "reverse", "events")
_LAST = ("cutover/shop/reverse", "cutover/shop/events")
STRIKES = 100
A_ROUND = {"copy": 2, "index": 2, "follow": 2, "cutover": 2}
_DOWN_S, _CUT_S = 6.0, 8.0
_LONG_CUTS = 0.12
"""Share of strikes at the network that last until the tool has given up by itself."""
_NOTICES_S = 200.0
_ROUND_S = 900.0
_KINDS = re.compile(r"[\d.]+ s$|source and target|source|target|^connections to | $")
Hits: TypeAlias = Counter[tuple[str, str]]
"""How often a victim was struck in a stage."""
_ENDS = {0: "done", 1: "failed", 4: "not taken back", -signal.SIGKILL: "killed"}
_READ_ONLY = "SET GLOBAL read_only = 1;  # at the source"


@dataclass(frozen=True)
class Strike:
    victim: str
    stage: str
    """What was going on when it fell."""
    aimed_at: str
    how: str
    step: str
    at: str
    """The tool's last words."""


@dataclass
class Told:
    """What the tool says, as it says it."""

    process: "subprocess.Popen[str]"
    log: Path
    lines: "queue.SimpleQueue[str]" = field(default_factory=queue.SimpleQueue)
    last: str = "started"
    step: str = ""
    indexing: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.log.open("a") as log:
            for line in self.process.stdout:
                print(f"{time.monotonic():.3f}", line, end="", file=log, flush=True)
                self._take(line.rstrip("\n"))

    def _take(self, line: str) -> None:
        self.last = line
        word, _, rest = line.partition(" ")
        if word in ("STEP", "STREAM"):
            self.step = rest if word == "STEP" else "stream"
            self.indexing.clear()
        elif word == "WRITE" and (found := re.search(r": make the indexes of \w+\.(\w+)", rest)):
            self.indexing.add(found[1])
        elif word == "WRITE" and (found := re.search(r": note that \w+\.(\w+) has its indexes", rest)):
            self.indexing.discard(found[1])
        elif word in ("FAILED", "STALE", "Traceback"):
            self.failures.append(line)

    @property
    def stage(self) -> str:
        if self.step == "databases/shop/data":
            return "index" if self.indexing else "copy"
        if self.step in ("stream", "databases/shop/follow"):
            return "follow"
        return "cutover" if self.step.startswith("cutover/") else "between"

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None


class Round:
    """One migration from nothing to the new side and level on both, under strikes."""

    def __init__(self, ends: Cabled, folder: Path, chance: random.Random, long_cuts: float) -> None:
        self.ends, self.folder, self.chance, self.long_cuts = ends, folder, chance, long_cuts
        self.strikes: list[Strike] = []
        self.runs: Counter[str] = Counter()
        self.failures: list[str] = []
        self.reopened = 0
        """How often a cutover was taken back, and the source taken to by its client again."""
        self.refrozen = 0
        self.end = time.monotonic() + _ROUND_S

    def prepare(self) -> None:
        for server in (self.ends.source, self.ends.target):
            _as_operator(server, "SET GLOBAL read_only = 0")
            server.run(
                *(f"DROP DATABASE `{s}`" for s in server.schemas()), f"DROP USER IF EXISTS {ACCOUNT}@'%'"
            )
        self.ends.source.run(*account_statements(), *kill_client.TABLES)
        self.folder.mkdir()
        places = [(s.address, s.port) for s in (self.ends.source, self.ends.target)]
        (self.folder / "ends.json").write_text(json.dumps(places))

    def run(self, wanted: list[tuple[str, str]]) -> None:
        """`wanted`: victims by stage, in the order of the stages."""
        self.prepare()
        assert self._tool("rehearse").wait(60) == 0
        with self._client() as client:
            self._await_writes(0)
            left = list(wanted)
            while True:
                tool = self._told("migrate")
                self._strike_while(tool, left)
                if self._over(tool, client):
                    break
            assert client.poll() is not None
        self._same_end()

    def _strike_while(self, tool: Told, left: list[tuple[str, str]]) -> None:
        while not tool.ended and left and not self._switched_and_streaming(tool):
            victim, stage = left[0]
            if not self._await_stage(tool, stage) or (stage == "cutover" and not self._await_step(tool)):
                if tool.ended:
                    return
                left.pop(0)
                continue
            # The last steps take hundredths of a second.
            most_s = LASTS_S[stage] if tool.step not in _LAST else 0.02
            time.sleep(self.chance.uniform(0.0, most_s))
            if tool.ended:
                return
            left.pop(0)
            self._strike(tool, victim, stage)

    def _await_stage(self, tool: Told, wanted: str) -> bool:
        """Whether the tool came to it; False once it is beyond, or has ended."""
        while not tool.ended:
            self._bound()
            stage = tool.stage
            if stage == wanted:
                return True
            if stage in STAGES and STAGES.index(stage) > STAGES.index(wanted):
                return False
            time.sleep(0.005)
        return False

    def _await_step(self, tool: Told) -> bool:
        """Any step of the cutover, or what comes next after it; each is as likely, however short it is."""
        wanted = [f"cutover/shop/{name}" for name in CUTOVER[self.chance.randrange(len(CUTOVER)) :]]
        while not tool.ended and not self._switched_and_streaming(tool):
            self._bound()
            if tool.step in wanted:
                return True
            time.sleep(0.002)
        return False

    def _switched_and_streaming(self, tool: Told) -> bool:
        return tool.last == "STREAM back" or (self.folder / "stop").exists()

    def _strike(self, tool: Told, victim: str, aimed_at: str) -> None:
        at, stage, step = tool.last, tool.stage, tool.step.rpartition("/")[2]
        how = getattr(self, f"_strike_{victim}")(tool)
        self.strikes.append(Strike(victim, stage, aimed_at, how, step, at))

    def _strike_tool(self, tool: Told) -> str:
        tool.process.send_signal(signal.SIGKILL)
        tool.process.wait()
        return "SIGKILL"

    def _strike_source(self, tool: Told) -> str:
        return self._restart(self.ends.source)

    def _strike_target(self, tool: Told) -> str:
        return self._restart(self.ends.target)

    def _restart(self, server: CabledServer) -> str:
        down_s = self.chance.choice((0.0, self.chance.uniform(0.0, _DOWN_S)))
        server.restart(signal.SIGKILL, down_s)
        return f"SIGKILL, back after {down_s:.1f} s"

    def _strike_network(self, tool: Told) -> str:
        both = [self.ends.source, self.ends.target]
        struck = self.chance.choice((both[:1], both[1:], both))
        names = " and ".join(server.host for server in struck)
        way = self.chance.random()
        if way < 1 / 3:
            for server in struck:
                server.reset_connections()
            return f"connections to {names} reset"
        cut_s = self.chance.uniform(0.5, _CUT_S)
        for server in struck:
            server.cut()
        try:
            if way > 1 - self.long_cuts:
                began = time.monotonic()
                tool.process.wait(_NOTICES_S)
                return f"{names} cut until the tool gave up, after {time.monotonic() - began:.0f} s"
            time.sleep(cut_s)
            return f"{names} cut for {cut_s:.1f} s"
        finally:
            for server in struck:
                server.mend()

    def _over(self, tool: Told, client: "subprocess.Popen[bytes]") -> bool:
        """Waits for the tool's end, or its way back, and does what a person would do then."""
        stopped = False
        while not tool.ended:
            self._bound()
            if tool.last == "STREAM back" and not stopped:
                self._await_writes(1)
                (self.folder / "client-stop").touch()
                client.wait(30)
                (self.folder / "stop").touch()
                stopped = True
            time.sleep(0.01)
        tool.thread.join()
        status = tool.process.returncode
        self.runs[_ENDS.get(status, str(status))] += 1
        self.failures += tool.failures
        assert not any(
            "not foreseen" in f or "StalePlan" in f or f.startswith(("STALE", "Trace")) for f in tool.failures
        ), tool.failures
        if status == 0:
            return True
        if (self.folder / "switched").exists():
            if any(_READ_ONLY in failure for failure in tool.failures):
                _as_operator(self.ends.source, "SET GLOBAL read_only = 1")
                self.refrozen += 1
        else:
            self._reopened(tool)
        return False

    def _reopened(self, tool: Told) -> None:
        """A cutover that failed is taken back by the run itself, else by the next command; writes go on."""
        if not (tool.step.startswith("cutover/") or tool.last == "TAKEN BACK"):
            return
        killed = tool.process.returncode == -signal.SIGKILL
        if killed and self.chance.random() < 0.5:
            return
        if tool.last != "TAKEN BACK":
            for _ in range(4):
                back = self._told("rollback")
                back.process.wait(_NOTICES_S)
                back.thread.join()
                self.failures += back.failures
                if back.process.returncode == 0:
                    break
            assert back.process.returncode == 0, back.failures
        self._await_writes(0)
        self.reopened += 1

    def _await_writes(self, side: int) -> None:
        before, end = kill_client.accepted_by(self.folder, side), time.monotonic() + 20
        while kill_client.accepted_by(self.folder, side) < before + 10:
            assert time.monotonic() < end, f"nothing is written to side {side}"
            time.sleep(0.05)

    def _same_end(self) -> None:
        """By plain connections: both sides hold the same, and what the client was told is there once."""
        sides = []
        record = kill_client.record_of(self.folder)
        for server in (self.ends.source, self.ends.target):
            with server.connect(database=SCHEMA) as connection:
                sides.append(kill_client.content(connection))
            rows = {name: server.run(f"USE {SCHEMA}", query) for name, query in kill_client.QUERIES.items()}
            assert kill_client.faults(record, rows)[:10] == [], server.host
        assert sides[0] == sides[1]
        assert sides[0].keys() >= {
            f"{t}: rows" for t in ("stock", "bag", "sales", "tills", "log", "receipts", "sold")
        }
        assert self.ends.source.run("SELECT @@global.read_only") == [(1,)]
        assert self.ends.target.run("SELECT @@global.read_only") == [(0,)]
        triggers = f"SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{SCHEMA}'"
        assert [s.run(triggers)[0][0] for s in (self.ends.source, self.ends.target)] == [0, 2]

    def _bound(self) -> None:
        assert time.monotonic() < self.end, f"the round does not end: {self.strikes[-1:]}"

    def _tool(self, command: str) -> "subprocess.Popen[str]":
        words = [sys.executable, "-m", "tests.databases.kill_tool", str(self.folder), command]
        with (self.folder / "tool-errors").open("a") as errors:
            return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=Path.cwd())

    def _told(self, command: str) -> Told:
        return Told(self._tool(command), self.folder / "tool-log")

    @contextmanager
    def _client(self) -> Iterator["subprocess.Popen[bytes]"]:
        words = [sys.executable, "-m", "tests.databases.kill_client", str(self.folder)]
        (self.folder / "client-record").touch()
        process = subprocess.Popen(words)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _as_operator(server: CabledServer, statement: str) -> None:
    server.run(statement, user=MIGRATOR, password=PASSWORD)


def each_once(hits: Hits, chance: random.Random) -> list[tuple[str, str]]:
    return list(zip(chance.sample(VICTIMS, len(VICTIMS)), STAGES, strict=True))


def hit_least(hits: Hits, chance: random.Random) -> list[tuple[str, str]]:
    """Victims by stage, in the order of the stages: the pairs that were hit least."""
    wanted: list[tuple[str, str]] = []
    for stage, strikes in A_ROUND.items():
        drawn = chance.sample(VICTIMS, len(VICTIMS))
        wanted += [(v, stage) for v in sorted(drawn, key=lambda v: hits[v, stage])[:strikes]]
    return wanted


def campaign(
    most: int,
    chance: random.Random,
    aims: Callable[[Hits, random.Random], list[tuple[str, str]]],
    long_cuts: float,
    folder: Path,
) -> list[Round]:
    """Rounds until so many strikes have fallen."""
    rounds: list[Round] = []
    hits: Hits = Counter()
    with cabled() as ends:
        while (fallen := sum(s.stage in STAGES for r in rounds for s in r.strikes)) < most:
            wanted = aims(hits, chance)[: most - fallen]
            place = folder / f"round-{len(rounds) + 1}"
            round_ = Round(ends, place, chance, long_cuts)
            rounds.append(round_)
            try:
                round_.run(wanted)
            except BaseException:
                _keep(ends, place, round_)
                raise
            hits += Counter((s.victim, s.stage) for s in round_.strikes)
            print(
                f"round {len(rounds)}: {Counter(f'{s.victim} in {s.stage}' for s in round_.strikes)}",
                flush=True,
            )
            print(
                f"  {dict(round_.runs)}, opened again {round_.reopened}, frozen anew {round_.refrozen}",
                flush=True,
            )
            for strike in round_.strikes:
                print(f"  {strike}", flush=True)
            for failure in round_.failures:
                print(f"  {failure[:400]}", flush=True)
            shutil.rmtree(place)
    return rounds


def _keep(ends: Cabled, place: Path, round_: Round) -> None:
    """What a failure is understood by."""
    for strike in round_.strikes:
        print(f"  {strike}", flush=True)
    for failure in round_.failures:
        print(f"  {failure[:600]}", flush=True)
    for server in (ends.source, ends.target):
        shutil.copy(server.data.parent / "log.err", place / f"{server.host}-log")
    print(f"kept: {place}", flush=True)


def chosen_seed() -> int:
    return int(os.environ.get("QIANYUN_KILL_SEED") or random.SystemRandom().randrange(10**6))


@pytest.mark.timeout(240)
def test_struck_once_at_each_victim(tmp_path: Path) -> None:
    """Each victim once, each stage once."""
    seed = chosen_seed()
    print(f"seed {seed}")
    (round_,) = campaign(4, random.Random(seed), each_once, 0.0, tmp_path)
    assert {strike.victim for strike in round_.strikes} == set(VICTIMS)


GOOD: dict[str, list[tuple[Any, ...]]] = {
    "sales": [("0-1", 0, kill_client.said("0-1")), ("1-1", 1, kill_client.said("1-1"))],
    "tills": [(0, 1), (1, 1)],
    "bag": [("note", 0), ("note", 1), (None, 3)],
    "log": [("0-1",), ("1-1",)],
    "receipts": [(1,), (2,)],
}
RECORD = kill_client.Record({"0-1": 0}, {"1-1", "2-1"})
WRONG = [
    ("sales", GOOD["sales"][1:], "0-1 lost"),
    ("sales", [*GOOD["sales"], GOOD["sales"][1]], "1-1 is there 2 times"),
    ("sales", [*GOOD["sales"], ("9-9", 1, kill_client.said("9-9"))], "9-9 was never sent"),
    ("sales", [GOOD["sales"][0], ("1-1", 1, "other")], "1-1: other words"),
    ("tills", [(0, 1), (1, 2)], "till 1 counts 2, 1 sold"),
    ("bag", [("note", 0)], "till 1: 0 notes"),
    ("log", [*GOOD["log"], ("1-1",)], "log: 1-1 2 times"),
    ("receipts", [(1,)], "1 receipts for 2 sales"),
]


@pytest.mark.parametrize(("table", "rows", "said"), WRONG, ids=[wrong[2] for wrong in WRONG])
def test_the_record_tells_what_is_wrong(table: str, rows: list[tuple[Any, ...]], said: str) -> None:
    assert kill_client.faults(RECORD, GOOD) == []
    found = kill_client.faults(RECORD, {**GOOD, table: rows})
    assert any(fault.startswith(said) for fault in found), found


@pytest.mark.soak
@pytest.mark.timeout(5400)
def test_struck_a_hundred_times(tmp_path: Path) -> None:
    seed, most = chosen_seed(), int(os.environ.get("QIANYUN_KILL_STRIKES") or STRIKES)
    print(f"seed {seed}")
    rounds = campaign(most, random.Random(seed), hit_least, _LONG_CUTS, tmp_path)
    hits = Counter((s.victim, s.stage) for r in rounds for s in r.strikes)
    for stage in (*STAGES, "between"):
        print(f"{stage:10}", *(f"{victim} {hits[victim, stage]}" for victim in VICTIMS))
    strikes = [strike for r in rounds for strike in r.strikes]
    print("cutover", Counter(strike.step for strike in strikes if strike.stage == "cutover"))
    print("network", Counter(_KINDS.sub("", strike.how) for strike in strikes if strike.victim == "network"))
    runs = sum((r.runs for r in rounds), Counter[str]())
    reopened, refrozen = sum(r.reopened for r in rounds), sum(r.refrozen for r in rounds)
    print(f"{len(rounds)} equal ends, {dict(runs)}, opened again {reopened}, frozen anew {refrozen}")
    assert sum(hits[victim, stage] for victim in VICTIMS for stage in STAGES) >= most
    assert all(hits[victim, stage] for victim in VICTIMS for stage in STAGES) or most < STRIKES
