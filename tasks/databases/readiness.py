"""GetReady: while users still write, everything that would otherwise take time under the freeze."""

import time
from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check, Status
from core.errors import ApplyFailed, Refused
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from tasks.databases.dirty import prove_and_clear, sides
from tasks.databases.follow import DRAINED, FOLLOWED, READY, refuse_unless_followable
from tasks.databases.move import Move
from tasks.databases.port import WritePort
from tasks.databases.relay import Side, catch_up

_AT_ONCE = 5_000
_FEW = 2_000
"""Dirty rows that may be left for the freeze: some hundredths of a second."""
_LONG_S = 30
"""A transaction open for so long would hold up the freeze."""
_ROUNDS_WITHOUT_PROGRESS = 5


@dataclass(frozen=True)
class ReadinessFacts:
    not_followable: tuple[str, ...]
    stage: str
    lag_bytes: int
    dirty: int
    """At most a few more than may be left."""
    long_transactions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class GetReady(Step[ReadinessFacts]):
    """Catches up until the target is a second behind and few rows are left unproved; writes stay open.

    most_s: how long that may take. most_lag_bytes: what may have gathered again when it is looked at later;
    the freeze catches up once more just before it begins.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move
    most_s: float = 1_800.0
    most_lag_bytes: int = 64 << 20

    @property
    def reversal(self) -> Reversal:
        return Reversal("compensating", "its mark is taken back; the newer rows stay on the target")

    def inspect(self, reader: Reader) -> ReadinessFacts:
        source, target = sides(self.move, reader)
        marks = target.port.marks(target.schema)
        reasons = source.port.not_followable(source.schema)
        if reasons or marks is None or not marks.position:
            return ReadinessFacts(reasons, "", 0, 0, ())
        return ReadinessFacts(
            reasons,
            marks.stage,
            source.port.lag_bytes(marks.position),
            len(target.port.dirty(target.schema, _FEW + 1)),
            () if source.port.is_frozen() else source.port.open_for(_LONG_S),
        )

    def plan(self, facts: ReadinessFacts) -> Plan:
        # Looked at again: a setting changed since the copy would show as lost changes, under the freeze.
        refuse_unless_followable(self.move.from_label, facts.not_followable)
        if facts.stage in (READY, DRAINED):
            return Plan(nothing_because=f"{self.move.to_label} is ready to be cut over")
        change = Change(
            "run",
            f"last changes of {self.move.from_label} applied to {self.move.to_label} and proved",
            None,
            {"ready for": "the freeze"},
            {"lag_bytes": facts.lag_bytes, "dirty_rows": facts.dirty},
        )
        return Plan((change,), duration=Duration(5.0, 60.0))

    def apply(self, plan: Plan, writer: Writer) -> None:
        source, target = sides(self.move, writer.reader)
        write = writer.open(self.move.target)
        get_ready(source, target, write, self.most_s)
        if source.port.open_for(_LONG_S):
            # A copy that died by a cut cable may still be among them: opening ends what is left of it.
            writer.open(self.move.source)
        if long := source.port.open_for(_LONG_S):
            raise Refused(
                f"{self.move.source.address}: {'; '.join(long)}",
                why="A freeze would wait for them, with everybody else's writes standing still.",
                next_command="SHOW PROCESSLIST;  # let them end or end them, then cut over again",
            )
        write.set_stage(target.schema, READY)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        within = Status.PASS if facts.lag_bytes <= self.most_lag_bytes else Status.FAIL
        most = f"at most {self.most_lag_bytes} bytes of log"
        ready = "ready" if facts.stage in (READY, DRAINED) else "not ready"
        return (
            Check.equal(f"{self.move.to_label}: stage", "ready", ready),
            Check(f"{self.move.to_label}: behind", within, most, str(facts.lag_bytes)),
            Check.equal(
                f"{self.move.source.address}: transactions open for {_LONG_S} s",
                "none",
                "; ".join(facts.long_transactions) or "none",
            ),
        )

    def undo(self, plan: Plan, writer: Writer) -> None:
        marks = writer.reader.open(self.move.target).marks(self.move.target_schema)
        if marks is not None and marks.stage in (READY, DRAINED):
            writer.open(self.move.target).set_stage(self.move.target_schema, FOLLOWED)


def get_ready(source: Side, target: Side, write: WritePort, most_s: float) -> None:
    """Catch up and prove in turns. Never both at once: what is cleared must be equal as it stands.

    A few rows may stay unproved: some are always on their way, and the freeze compares what is left.
    Raises: errors.ApplyFailed where it does not come near within `most_s` seconds.
    """
    end, idle = time.monotonic() + most_s, 0
    while True:
        catch_up(source, target, write, most_s)
        proof = prove_and_clear(source, target, write, _AT_ONCE)
        if len(target.port.dirty(target.schema, _FEW + 1)) <= _FEW:
            return
        idle = 0 if proof.equal else idle + 1
        if idle == _ROUNDS_WITHOUT_PROGRESS or time.monotonic() > end:
            named = "; ".join(f"{table}: {key}" for table, key in proof.differing[:5])
            raise ApplyFailed(
                f"{target.label}: more than {_FEW} rows that were changed are not proved equal: {named}",
                why="They would have to be compared under the freeze; nothing was frozen.",
                next_command="qianyun compare PROJECT DATABASE",
            )
