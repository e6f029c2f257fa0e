"""Replicate and EndReplication: the target's own replication carries the rows, where it reaches the source.

Our relay reads the source's log all the same: it notices what cannot be carried over, and notes which rows
changed, so that they are proved one by one. Only who applies the rows is another.
"""

import time
from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check
from core.errors import ApplyFailed, MigrationError, Refused, UndoFailed, Unreadable
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from tasks.databases.dirty import sides
from tasks.databases.follow import DRAINED
from tasks.databases.model import Marks, Origin, Replication
from tasks.databases.move import Move
from tasks.databases.port import WritePort
from tasks.databases.relay import Side, relay

_AGAIN_S = 6.0
"""Servers try to connect again every two seconds."""


@dataclass(frozen=True)
class ReplicationFacts:
    reasons: tuple[str, ...]
    """Against it, each with what mends it."""
    stage: str
    ours: bool
    """Whether it carries the rows, by our marks."""
    there: Replication | None
    """What the target's server tells of it."""


@dataclass(frozen=True, kw_only=True)
class Replicate(Step[ReplicationFacts]):
    """Where the inventory says that the target reaches the source, its own replication follows from the copy.

    Where it says so no longer, that replication is taken away, and our relay goes on from there.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move

    @property
    def reversal(self) -> Reversal:
        how = "stops it and takes it away; the newer rows stay, with the position that they are at"
        return Reversal("compensating", how)

    def inspect(self, reader: Reader) -> ReplicationFacts:
        source, target = sides(self.move, reader)
        marks = target.port.marks(target.schema) or Marks()
        wish, reasons = self.move.replicate_from, tuple[str, ...]()
        if wish and marks.stage != DRAINED:
            reasons = target.port.not_replicable(target.schema, wish, source.port, source.schema)
            reasons += _left_behind(self.move)
        there = target.port.replication(target.schema) if marks.replicated else None
        return ReplicationFacts(reasons, marks.stage, marks.replicated, there)

    def plan(self, facts: ReplicationFacts) -> Plan:
        wish, there = self.move.replicate_from, facts.there
        if facts.stage == DRAINED:
            return Plan(nothing_because=f"{self.move.to_label} holds the last change of its frozen source")
        before = {"source": there.address, "user": there.user, "stopped": there.stopped} if there else None
        if wish is None:
            if not facts.ours:
                return Plan(nothing_because="our relay carries the rows")
            return Plan((Change("delete", _object(self.move), before),), duration=Duration(0.5, 5.0))
        self._refuse(facts.reasons)
        if there and not there.stopped and (there.address, there.user) == (wish.address, wish.user):
            return Plan(nothing_because=f"{self.move.to_label} replicates from {wish.address} itself")
        change = Change("change" if facts.ours else "create", _object(self.move), before, _wished(wish))
        return Plan((change,), duration=Duration(1.0, 20.0))

    def apply(self, plan: Plan, writer: Writer) -> None:
        source, target = sides(self.move, writer.reader)
        write = writer.open(self.move.target)
        if self.move.replicate_from is None:
            take_away(source, target, write)
        else:
            begin(source, target, write, self.move.replicate_from)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts, wish = self.inspect(reader), self.move.replicate_from
        name = f"{self.move.to_label}: replicates"
        if facts.stage == DRAINED:
            return (Check.equal(f"{self.move.to_label}: stage", DRAINED, facts.stage),)
        if wish is None:
            return (Check.equal(name, "by our relay", "itself" if facts.ours else "by our relay"),)
        there = self._once_connected(reader) if facts.ours else None
        from_where = f"from {there.address} as {there.user}" if there else "not by itself"
        return (
            Check.equal(name, f"from {wish.address} as {wish.user}", from_where),
            Check.equal(f"{name}: connected", "yes", _told(there)),
            Check.equal(f"{name}: only {self.move.target_schema}", True, bool(there and there.filtered)),
        )

    def _once_connected(self, reader: Reader) -> Replication | None:
        """A source that was restarted is connected to again after some seconds."""
        port, end = self.move.open_target(reader), time.monotonic() + _AGAIN_S
        while True:
            there = port.replication(self.move.target_schema)
            if there is None or there.connected or there.stopped or time.monotonic() > end:
                return there
            time.sleep(0.2)

    def undo(self, plan: Plan, writer: Writer) -> None:
        source, target = sides(self.move, writer.reader)
        if (target.port.marks(target.schema) or Marks()).replicated:
            take_away(source, target, writer.open(self.move.target))

    def _refuse(self, reasons: tuple[str, ...]) -> None:
        if reasons:
            raise Refused(
                f"{self.move.to_label} cannot replicate {self.move.from_label} itself:\n  "
                + "\n  ".join(reasons),
                why="What must not arrive would, or what must would not.",
                next_command="qianyun rehearse  # once that is mended, or without replicate_from",
            )


@dataclass(frozen=True)
class EndFacts:
    frozen: bool
    stage: str
    ours: bool


@dataclass(frozen=True, kw_only=True)
class EndReplication(Step[EndFacts]):
    """Under the freeze, when the last change has arrived: from here on nothing comes from the old side.

    Its undo sets the replication up again from there. Where that fails our relay goes on, and the next
    rehearsal plans to set it up.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "sets it up again from where the log was drained")

    def inspect(self, reader: Reader) -> EndFacts:
        source, target = sides(self.move, reader)
        marks = target.port.marks(target.schema) or Marks()
        return EndFacts(source.port.is_frozen(), marks.stage, marks.replicated)

    def plan(self, facts: EndFacts) -> Plan:
        if facts.stage == DRAINED and not facts.ours:
            return Plan(nothing_because=f"{self.move.to_label} no longer replicates from the old side")
        wish = self.move.replicate_from
        change = Change("delete", _object(self.move), _wished(wish) if wish else None)
        return Plan((change,), duration=Duration(0.1, 1.0))

    def apply(self, plan: Plan, writer: Writer) -> None:
        source, target = sides(self.move, writer.reader)
        stage = (target.port.marks(target.schema) or Marks()).stage
        if stage != DRAINED or not source.port.is_frozen():
            raise Refused(
                f"{self.move.to_label}: its source is not frozen, or not drained (stage {stage or 'none'})",
                why="What is written there yet would never arrive.",
            )
        write = writer.open(self.move.target)
        if target.port.replication(target.schema):
            # Once more: our position is where the replication stands, neither behind nor before it.
            relay(source, target, write, source.port.position())
            write.await_replication(target.schema, source.port.replication_place())
        write.end_replication(target.schema)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        how = "still replicating" if facts.ours else "ended" if facts.stage == DRAINED else "not drained"
        return (Check.equal(f"{self.move.to_label}: replication from the old side", "ended", how),)

    def undo(self, plan: Plan, writer: Writer) -> None:
        source, target = sides(self.move, writer.reader)
        marks = target.port.marks(target.schema)
        if marks is None or not marks.position or self.move.replicate_from is None:
            return
        if source.port.marks(source.schema) is not None:
            raise UndoFailed(
                f"{self.move.from_label}: the marks of the way back still stand beside it",
                why="Marks on the target bear the same name: taken away there, they would be here as well.",
                next_command="qianyun rollback PROJECT --phase cutover",
            )
        write = writer.open(self.move.target)
        if not marks.replicated:
            # Beyond whatever was written at the source for the way back, and taken away again.
            relay(source, target, write, source.port.position())
        try:
            begin(source, target, write, self.move.replicate_from)
        except (ApplyFailed, Unreadable):
            # Opening the source again must not depend on it; our relay follows as well.
            if (target.port.marks(target.schema) or Marks()).replicated:
                raise


def begin(source: Side, target: Side, write: WritePort, origin: Origin) -> None:
    """Set replication up from the recorded position, or let one of ours go on.

    Raises: errors.Refused before the copy; errors.ApplyFailed with the server's words.
    """
    position = (target.port.marks(target.schema) or Marks()).position
    if not position:
        raise Refused(
            f"{target.label} does not follow {source.label}: no position is recorded there",
            why="The copy has to be finished first; it records from where the log is to be read.",
            next_command="qianyun migrate --phase databases --plan DIGEST",
        )
    write.begin_replication(target.schema, origin, source.port.replication_place(position))


def take_away(source: Side, target: Side, write: WritePort) -> None:
    """Stop it, note what it has brought up to there, and take it away: our relay can go on.

    Where it cannot be noted whole, the position is forgotten: nobody goes on from a wrong one.
    """
    write.halt_replication(target.schema)
    there = target.port.replication(target.schema)
    try:
        if there and there.executed:
            relay(source, target, write, there.executed)
        position = (target.port.marks(target.schema) or Marks()).position
        known = position and not target.port.replicated_beyond(
            target.schema, source.port.replication_place(position)
        )
    except MigrationError as error:
        if error.transient:
            raise
        known = False
    if not known:
        write.set_position(target.schema, "")
    write.end_replication(target.schema)


def _object(move: Move) -> str:
    return f"replication of {move.from_label} by {move.target.address} itself"


def _wished(origin: Origin) -> dict[str, str]:
    how = "encrypted, certificate checked" if origin.ca else "encrypted" if origin.tls else "not encrypted"
    return {"source": origin.address, "user": origin.user, "connection": how}


def _told(there: Replication | None) -> str:
    if there is None:
        return "no"
    return there.trouble or ("yes" if there.connected else "stopped" if there.stopped else "trying")


def _left_behind(move: Move) -> tuple[str, ...]:
    left = [label for label in move.left_out if label.startswith(("table ", "sequence "))]
    if not left:
        return ()
    why = "a filter would be forgotten at a restart; without replicate_from our relay leaves them out"
    return (f"{', '.join(left)} stay behind: {why}",)
