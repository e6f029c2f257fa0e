"""FreezeSource: from here to the switch nobody writes to the source server."""

import time
from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check
from core.errors import ApplyFailed, Refused
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from tasks.databases.dirty import sides
from tasks.databases.model import WriteState
from tasks.databases.move import Move, open_with
from tasks.databases.port import DatabaseServer
from tasks.databases.relay import catch_up

ON = "ON"
_CATCH_UP_S = 60.0


@dataclass(frozen=True, kw_only=True)
class FreezeSource(Step[WriteState]):
    """Sets the whole server (not one schema) read-only, having waited for running writers.

    wait_s: how long transactions that were open at the start may take to end; they are never killed. One
    opened later fails at its COMMIT, as anything that is written from then on. followed: moves from this
    server whose targets follow it; they are brought level just before, so that little is left to drain.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move
    wait_s: int = 15
    followed: tuple[Move, ...] = ()

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
        self.move.open_source(writer.reader, "freeze")
        for move in self.followed:
            catch_up(*sides(move, writer.reader), writer.open(move.target), _CATCH_UP_S)
        for change in plan.changes:
            _freeze(self.move.source, writer, change, self.wait_s)

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


def freeze(server: DatabaseServer, schema: str, writer: Writer, wait_s: int) -> None:
    """Nobody but us writes to the server any more.

    Raises: errors.Refused naming sessions that bypass it; errors.ApplyFailed naming writers that do not end.
    """
    found = open_with(writer.reader, server, schema, "freeze").write_state()
    _freeze(
        server,
        writer,
        Change("change", "", dict(found.settings), dict.fromkeys(found.settings, ON)),
        wait_s,
    )


def _freeze(server: DatabaseServer, writer: Writer, change: Change, wait_s: int) -> None:
    found = writer.reader.open(server).write_state()
    if found.bypassing:
        raise Refused(
            f"{server.address}: {'; '.join(found.bypassing)}",
            why="Their accounts may write to a read-only server, so the freeze would not hold for them.",
            next_command="SHOW PROCESSLIST;  # end these sessions, then cut over again",
        )
    port = writer.open(server)
    _await_end(server, writer, found.writing, wait_s)
    port.restrict_writes(change.after, wait_s)
    # MariaDB does not wait for open transactions when it becomes read-only: it refuses their COMMIT.
    # One that stays idle would write after a thaw, between the copy and what it was copied from.
    try:
        _await_end(server, writer, None, wait_s)
    except ApplyFailed:
        port.restrict_writes(change.before, wait_s)
        raise


def _await_end(
    server: DatabaseServer, writer: Writer, transactions: tuple[str, ...] | None, wait_s: int
) -> None:
    """Wait for these transactions to end, or for any that has changed rows."""
    look = writer.reader.open(server)
    end = time.monotonic() + wait_s
    while left := [t for t in look.write_state().writing if transactions is None or t in transactions]:
        if time.monotonic() > end:
            raise ApplyFailed(
                f"{server.address}: still writing after {wait_s} s: {'; '.join(left)}",
                why="Writing goes on as before; a transaction cut off half-way may be work lost.",
                next_command="SHOW PROCESSLIST;  # let it end or end it, then cut over again",
                transient=True,
            )
        time.sleep(0.1)


def freeze_checks(state: WriteState, address: str) -> tuple[Check, ...]:
    """The settings forbid writing, nobody is half-way through a write, and nobody could bypass them."""
    return (
        *(Check.equal(f"{address}: {setting}", ON, value) for setting, value in state.settings.items()),
        Check.equal(f"{address}: open transactions with changes", "none", "; ".join(state.writing) or "none"),
        Check.equal(f"{address}: sessions that bypass it", "none", "; ".join(state.bypassing) or "none"),
    )
