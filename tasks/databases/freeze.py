"""FreezeSource: from here to the switch nobody writes to the source server."""

from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check
from core.errors import Refused
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from tasks.databases.move import Move
from tasks.databases.port import WriteState

ON = "ON"


@dataclass(frozen=True, kw_only=True)
class FreezeSource(Step[WriteState]):
    """Sets the whole server (not one schema) read-only, having waited for running writers.

    wait_s: how long running transactions may hold it up. Other writers queue meanwhile, so it is short.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move
    wait_s: int = 15

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "sets the read-only settings back to what they were")

    def inspect(self, reader: Reader) -> WriteState:
        return self.move.open_source(reader, "freeze").write_state()

    def plan(self, facts: WriteState) -> Plan:
        if facts.frozen:
            return Plan(nothing_because=f"{self.move.source.address} is read-only already")
        change = Change(
            "change",
            self._writes,
            dict(facts.settings),
            dict.fromkeys(facts.settings, ON),
            {"writing_now": list(facts.writing), "bypassing_now": list(facts.bypassing)},
        )
        return Plan((change,), duration=Duration(0.1, self.wait_s))

    def apply(self, plan: Plan, writer: Writer) -> None:
        found = self.move.open_source(writer.reader, "freeze").write_state()
        if found.bypassing:
            raise Refused(
                f"{self.move.source.address}: {'; '.join(found.bypassing)}",
                why="Their accounts may write to a read-only server, so the freeze would not hold for them.",
                next_command="SHOW PROCESSLIST;  # end these sessions, then cut over again",
            )
        for change in plan.changes:
            writer.open(self.move.source).restrict_writes(change.after, self.wait_s)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        return freeze_checks(self.inspect(reader), self.move.source.address)

    def undo(self, plan: Plan, writer: Writer) -> None:
        for change in plan.changes:
            now = self.move.open_source(writer.reader, "freeze").write_state()
            if dict(now.settings) != change.before:
                writer.open(self.move.source).restrict_writes(change.before, self.wait_s)

    @property
    def _writes(self) -> str:
        return f"writes to {self.move.source.address}"


def freeze_checks(state: WriteState, address: str) -> tuple[Check, ...]:
    """The settings forbid writing, nobody is half-way through a write, and nobody could bypass them."""
    return (
        *(Check.equal(f"{address}: {setting}", ON, value) for setting, value in state.settings.items()),
        Check.equal(f"{address}: open transactions with changes", "none", "; ".join(state.writing) or "none"),
        Check.equal(f"{address}: sessions that bypass it", "none", "; ".join(state.bypassing) or "none"),
    )
