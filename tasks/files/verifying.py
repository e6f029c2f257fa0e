"""Proof that a share stands at its target: names, sizes, times, modes, and every byte."""

from collections.abc import Collection

from core.checks import Check, Status
from tasks.files.listing import Listing, some
from tasks.files.ports import SourceReader, TargetReader


def checks(source: SourceReader, target: TargetReader, copy: str, *, last: bool) -> tuple[Check, ...]:
    """Compare source and target as they are now; what changed at the source since the copy is told apart."""
    listing, found, state = source.listing(), target.listing(), target.state(copy)
    if listing is None:
        return (Check("the source is there", Status.FAIL, "a folder", "nothing"),)
    moment = None if state is None else state.last_at if last else state.copied_at
    if found is None or state is None or moment is None:
        begun = "not begun" if state is None else "begun, not finished"
        return (Check("the copy is complete", Status.FAIL, "complete", begun if found else "no target"),)
    if state.last_at is not None and not last:
        # From the last copy on the target is in use: it is compared by the step that made that copy.
        return (Check("the copy is complete", Status.PASS, "complete", "superseded by the last copy"),)
    due = listing.until(moment)
    unequal, unread = target.unequal(source, due)
    if unequal or unread:
        # What was written while we read it is no difference of the copy.
        due = (source.listing() or Listing({})).until(moment)
        unequal, unread = ([n for n in names if n in due.entries] for names in (unequal, unread))
    differ = target.differing(source, due, found)
    size = Listing(due.of("file")).bytes
    since = [name for name in listing.entries if name not in due.entries]
    return (
        none_of("entries missing at the target", differ.missing),
        none_of("entries of another kind", differ.kind),
        none_of("files of another size", differ.size),
        none_of(f"files of other content ({len(due.of('file'))} compared, {size} bytes)", unequal),
        none_of("files whose content could not be compared", unread, Status.UNKNOWN),
        none_of("links that point elsewhere", differ.target),
        none_of("other modification times", differ.modified),
        none_of("other modes or owners", differ.access),
        _since(since, last),
        Check("left out, as planned", Status.PASS, "named", _count(listing.of("special"))),
        *_strangers(target, listing, found, copy, last),
    )


def none_of(what: str, names: Collection[str], otherwise: Status = Status.FAIL) -> Check:
    """That there are no such names; at most 20 are told."""
    return Check(what, otherwise if names else Status.PASS, "none", _count(names))


def _since(names: Collection[str], last: bool) -> Check:
    if last:
        return none_of("written at the source after the last copy", names)
    told = "brought over by the last copy"
    return Check("changed at the source since the copy began", Status.PASS, told, _count(names))


def _strangers(
    target: TargetReader, listing: Listing, found: Listing, copy: str, last: bool
) -> tuple[Check, ...]:
    strangers = target.strangers(listing, found)
    ours = target.ours(copy, strangers) if strangers else set()
    foreign = Check("not from us, left alone", Status.PASS, "named", _count(set(strangers) - ours))
    return (foreign, none_of("gone from the source, still at the target", ours)) if last else (foreign,)


def _count(names: Collection[str]) -> str:
    return f"{len(names)}: {', '.join(some(names))}" if names else "none"
