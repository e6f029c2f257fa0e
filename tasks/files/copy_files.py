"""Copying a share to a disk or a bucket, and once more after the freeze."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial

from core.access import Reader, Writer
from core.checks import Check
from core.errors import ApplyFailed, Refused, UndoFailed
from core.facts import ABSENT, Fact, Known
from core.plan import Change, Duration, Plan, Value
from core.step import Reversal, Step
from tasks.files.listing import Listing, Survey, leftovers, some, survey
from tasks.files.ports import CopyState, Moved, Source, SourceReader, Target, TargetReader, TargetWriter
from tasks.files.verifying import checks

BYTES_PER_S = 40_000_000
FILES_PER_S = 250


@dataclass(frozen=True)
class TargetFacts:
    """What is at the target and what it still lacks."""

    begun: bool
    copied: bool
    last_copied: bool
    ready: bool
    """Levelled for the cutover; then what is left is told by the source alone."""
    to_copy_files: int
    to_copy_bytes: int
    to_settle: int
    """Folders, links, modes and owners that are not as at the source."""
    clashes: tuple[str, ...]
    """Somebody else's entries that a first copy would overwrite; cut at 20."""
    clashes_count: int
    free_bytes: int | None


@dataclass(frozen=True)
class CopyFacts:
    share: Fact[Survey]
    target: Fact[TargetFacts]


@dataclass(frozen=True, kw_only=True)
class CopyFiles(Step[CopyFacts]):
    """Every file of a share at its target, with its time; never removes or overwrites what is not ours.

    `copy` is the key that the copy is written down under at the target. With `last` it is brought up to
    date once more, whatever was copied before: what vanished at the source goes at the target too.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    source: Source
    target: Target
    copy: str
    last: bool = False
    limit_bytes_s: int = 0
    """Throttle for the customer's lines; 0 for none."""

    @property
    def reversal(self) -> Reversal:
        if self.last:
            how = (
                "the target keeps the newer copy, and the next cutover copies again; the source is untouched"
            )
            return Reversal("compensating", how)
        return Reversal("reversible", "what was copied is removed, and nothing else; the source is untouched")

    def inspect(self, reader: Reader) -> CopyFacts:
        source, target = reader.open(self.source), reader.open(self.target)
        listing = source.listing()
        if listing is None:
            return CopyFacts(ABSENT, ABSENT)
        share = Known(survey(listing, target.immovable(listing)))
        state = target.state(self.copy)
        clashes: list[str] = []
        if self.last and state is not None and state.ready_at is not None:
            # Users wait for the last copy: the list of the target is asked for when it is needed.
            since = {n: e for n, e in listing.entries.items() if e.changed_at > state.ready_at}
            files = list(Listing(since).of("file"))
            rest = len(since) - len(files)
        else:
            found = target.listing()
            if found is None:
                return CopyFacts(share, ABSENT)
            clashes = [] if state else target.clashes(source, listing, found)
            due = self._due(listing, state)
            files, rest = target.outstanding(due, found)
            files += _suspects(due, state, files)
        return CopyFacts(
            share,
            Known(
                TargetFacts(
                    begun=state is not None,
                    copied=state is not None and state.copied_at is not None,
                    last_copied=state is not None and state.last_at is not None,
                    ready=state is not None and state.ready_at is not None,
                    to_copy_files=len(files),
                    to_copy_bytes=sum(listing.entries[name].size for name in files),
                    to_settle=rest,
                    clashes=some(clashes),
                    clashes_count=len(clashes),
                    free_bytes=target.free_bytes(),
                )
            ),
        )

    def _due(self, listing: Listing, state: CopyState | None) -> Listing:
        """What must stand at the target by now: what changed after a copy is left to the last one, and
        after the last one the target is in use and its own."""
        if state is not None and state.last_at is not None:
            return Listing({})
        if self.last or state is None or state.copied_at is None:
            return listing
        return listing.until(state.copied_at)

    def required(self, facts: CopyFacts) -> tuple[Survey, TargetFacts | None]:
        """What was found. Raises: errors.Refused where it cannot be copied."""
        if not isinstance(facts.share, Known):
            raise Refused(
                f"{self.source.address} is not there",
                why="A share that vanished must not pass for an empty one.",
                next_command="qianyun check",
            )
        share = facts.share.value
        target = facts.target.value if isinstance(facts.target, Known) else None
        self._refuse(share, target)
        return share, target

    def plan(self, facts: CopyFacts) -> Plan:
        share, target = self.required(facts)
        if target is not None and self._is_done(target):
            when = "the last copy was made at cutover" if target.last_copied else "the share is copied"
            return Plan(nothing_because=f"{when}; what changes later is left to the last copy")
        files = target.to_copy_files if target else share.files
        size = target.to_copy_bytes if target else share.size_bytes
        p50 = 3.0
        # Until the share is ready, what the last copy would find to do is the readiness's to do.
        if not self.last or (target is not None and target.ready):
            p50 += size / (self.limit_bytes_s or BYTES_PER_S) + files / FILES_PER_S
        change = Change(
            "copy",
            f"share {self.source.address} to {self.target.address}",
            after=self._wished,
            measures={
                "files": share.files,
                "bytes": share.size_bytes,
                "to_copy_files": files,
                "to_copy_bytes": size,
                "links": share.links,
                "empty_folders": share.empty_folders,
                "hard_linked_files": share.hard_linked_files,
                "left_out": list(share.special),
                "left_out_count": share.special_count,
                "odd_names": list(share.odd_names),
            },
        )
        return Plan((change,), duration=Duration(round(p50, 1), round(3 * p50, 1)))

    @property
    def _wished(self) -> dict[str, Value]:
        """What the target will hold and what not: said before approval, never silently decided."""
        again = {"removed at the source since": "removed here, if we brought it"} if self.last else {}
        return {**self.target.holds, **again}

    def _refuse(self, share: Survey, target: TargetFacts | None) -> None:
        if share.immovable:
            raise Refused(
                f"{self.target.address} cannot hold: {'; '.join(share.immovable)}",
                why="Left out silently they would be lost: rename them, or give another target.",
                next_command="qianyun rehearse",
            )
        if target is not None and target.clashes:
            raise Refused(
                f"{self.target.address} holds {target.clashes_count} other entries of the same names: "
                f"{', '.join(target.clashes)}",
                why="They are not from us, and copying would overwrite them.",
                next_command="qianyun rehearse",
            )

    def _is_done(self, target: TargetFacts) -> bool:
        if target.last_copied:
            return True
        return not self.last and target.copied and not (target.to_copy_files or target.to_settle)

    def apply(self, plan: Plan, writer: Writer) -> None:
        listing, _ = self.bring_level(writer)
        moment = listing.latest_change
        state = CopyState(moment, moment, moment if self.last else None)
        writer.open(self.target).finish(self.copy, state)

    def bring_level(self, writer: Writer) -> tuple[Listing, list[str]]:
        """Make the target what the source is, as it was listed; gives that list and the files that moved."""
        source, target = writer.reader.open(self.source), writer.reader.open(self.target)
        listing = self._listed(source)
        there = target.listing()
        found = there or Listing({})
        state = target.state(self.copy)
        names, _ = target.outstanding(listing, found)
        names += target.touched(source, _suspects(listing, state, names), found)
        self._require_room(target, listing, names)
        writing = writer.open(self.target)
        writing.begin(self.copy, listing, there)
        strangers = target.strangers(listing, found)
        # Before the last copy only unfinished files go: what vanished at the source may be a mistake.
        gone = strangers if self.last else leftovers(strangers)
        removes = bool(gone) and bool(target.ours(self.copy, gone))
        if removes:
            writing.remove(self.copy, gone, "what the source no longer has")
        if names:
            self._transfer(writer, writing, listing, names)
        writing.settle(self.copy, listing, found, moved=there is None or removes or bool(names))
        return listing, names

    def _transfer(
        self, writer: Writer, writing: TargetWriter, listing: Listing, names: Collection[str]
    ) -> None:
        source, target = writer.reader.open(self.source), writer.reader.open(self.target)
        moved: Moved = partial(writer.progress, unit="bytes")
        try:
            writing.transfer(self.copy, source.remote, names, self.limit_bytes_s, moved)
        except ApplyFailed:
            left, _ = target.outstanding(listing, target.listing() or Listing({}))
            self._require_room(target, listing, left)
            if self.last or not self._moves(source, listing, left):
                raise

    def _moves(self, source: SourceReader, listing: Listing, left: Collection[str]) -> bool:
        """Whether all that did not arrive was being written to: a later copy brings that."""
        now = self._listed(source).entries
        return bool(left) and all(now.get(name) != listing.entries[name] for name in left)

    def _listed(self, source: SourceReader) -> Listing:
        listing = source.listing()
        if listing is None:
            raise ApplyFailed(
                f"{self.source.address} is not there any more",
                why="It was there when this was planned. Nothing was changed.",
                next_command="qianyun rehearse",
            )
        return listing

    def _require_room(self, target: TargetReader, listing: Listing, names: list[str]) -> None:
        needed = sum(listing.entries[name].size for name in names)
        free = target.free_bytes()
        if free is not None and needed > free:
            raise ApplyFailed(
                f"{self.target.address}: {len(names)} files need {needed} bytes, {free} are free",
                why="What arrived whole stays; with more room, running again copies the rest.",
                next_command="qianyun migrate --plan DIGEST",
            )

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        known = reader.proved.get(self.copy, frozenset()) if self.last else frozenset()
        return checks(
            reader.open(self.source), reader.open(self.target), self.copy, last=self.last, known=known
        )

    def undo(self, plan: Plan, writer: Writer) -> None:
        if plan.is_empty:
            return
        state = writer.reader.open(self.target).state(self.copy)
        writing = writer.open(self.target)
        try:
            if not self.last:
                writing.take_back(self.copy)
            elif state is not None:
                writing.finish(self.copy, replace(state, last_at=None))
        except ApplyFailed as error:
            raise UndoFailed(
                f"{error.detail}; part of the copy still stands",
                why=error.why,
                next_command="qianyun rollback",
                transient=error.transient,
            ) from error


def _suspects(listing: Listing, state: CopyState | None, known: list[str]) -> list[str]:
    """Files that changed at the source since what is at the target was copied, other than the known ones."""
    if state is None:
        return []
    since = state.begun_at if state.copied_at is None else state.copied_at
    others = set(listing.of("file")) - set(known)
    return sorted(name for name in others if listing.entries[name].changed_at > since)
