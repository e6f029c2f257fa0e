"""LevelFiles: while users still write, everything that would otherwise take time under the freeze."""

from dataclasses import dataclass, replace

from core.access import Reader, Writer
from core.checks import Check
from core.errors import ApplyFailed, UndoFailed
from core.plan import Change, Duration, Plan
from core.step import Reversal
from tasks.files.copy_files import BYTES_PER_S, FILES_PER_S, CopyFacts, CopyFiles
from tasks.files.listing import Listing
from tasks.files.ports import CopyState
from tasks.files.verifying import prove

_FEW_S = 0.5
"""Copying that may be left for the freeze."""
_MOST_S = 30.0
"""The same where files are written all the time, and copying again does not make it less."""
_MOST_ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class LevelFiles(CopyFiles):
    """Copies what changed since the copy, until little is left, and proves every byte of what is at rest.

    The last copy of the same run, under the freeze, then reads only what changed since. `copy` is the same
    key as that copy's.
    """

    @property
    def reversal(self) -> Reversal:
        return Reversal("compensating", "its mark is taken back; the target keeps the newer copy")

    def _due(self, listing: Listing, state: CopyState | None) -> Listing:
        return Listing({}) if state is not None and state.last_at is not None else listing

    def plan(self, facts: CopyFacts) -> Plan:
        share, target = self.required(facts)
        if target is not None and target.last_copied:
            return Plan(nothing_because="the last copy was made at cutover")
        files, size = (
            (target.to_copy_files, target.to_copy_bytes) if target else (share.files, share.size_bytes)
        )
        if target is not None and target.ready and _copying_s(files, size) <= _FEW_S:
            return Plan(nothing_because="the share is ready for its last copy")
        change = Change(
            "copy",
            f"what changed since in {self.source.address} to {self.target.address}, and all of it proved",
            after={"ready for": "the last copy"},
            measures={"to_copy_files": files, "to_copy_bytes": size, "bytes_to_prove": share.size_bytes},
        )
        p50 = 3 + (size / (self.limit_bytes_s or BYTES_PER_S)) + (files + share.files / 10) / FILES_PER_S
        return Plan((change,), duration=Duration(round(p50, 1), round(3 * p50, 1)))

    def apply(self, plan: Plan, writer: Writer) -> None:
        before = 0.0
        for _ in range(_MOST_ROUNDS):
            listing, names = self.bring_level(writer)
            moment = listing.latest_change
            moved = Listing({name: listing.entries[name] for name in names})
            took = _copying_s(len(names), moved.bytes)
            is_level = took <= _FEW_S or 0 < before <= took <= _MOST_S
            ready_at = moment if is_level else None
            writer.open(self.target).finish(self.copy, CopyState(moment, moment, None, ready_at))
            if is_level:
                return
            before = took
        raise ApplyFailed(
            f"{self.source.address}: {len(names)} files of {moved.bytes} bytes had changed again"
            f" after {_MOST_ROUNDS} copies",
            why="All of it would have to be copied under the freeze; nothing was frozen.",
            next_command="qianyun cutover --plan DIGEST  # while less is written to the share",
            transient=True,
        )

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        source, target = reader.open(self.source), reader.open(self.target)
        found = prove(source, target, self.copy, last=False, remember=True)
        reader.proved[self.copy] = found.proved
        state = target.state(self.copy)
        ready = state is not None and (state.ready_at is not None or state.last_at is not None)
        return (*found.checks, Check.equal("the share is ready for its last copy", True, ready))

    def undo(self, plan: Plan, writer: Writer) -> None:
        state = writer.reader.open(self.target).state(self.copy)
        try:
            if state is not None and state.ready_at is not None:
                writer.open(self.target).finish(self.copy, replace(state, ready_at=None))
        except ApplyFailed as error:
            raise UndoFailed(
                f"{error.detail}; the share still counts as ready",
                why=error.why,
                next_command="qianyun rollback --phase cutover",
                transient=error.transient,
            ) from error


def _copying_s(files: int, size_bytes: int) -> float:
    return files / FILES_PER_S + size_bytes / BYTES_PER_S
