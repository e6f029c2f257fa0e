"""Proof that a share stands at its target: names, sizes, times, modes, and every byte."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from core.checks import Check, Status
from tasks.files.listing import Differences, Listing, fingerprint, some
from tasks.files.ports import SourceReader, TargetReader

SETTLED_S = 60.0
"""A program that has a file mapped into its memory may write to it without a new ctime until the kernel has
written the page away: by default after 35 s at the latest (proc(5), dirty_expire_centisecs). What changed so
recently is not taken for at rest."""


@dataclass(frozen=True)
class Proof:
    checks: tuple[Check, ...]
    proved: frozenset[bytes] = frozenset()
    """Fingerprints of what was equal and at rest."""


def checks(
    source: SourceReader, target: TargetReader, copy: str, *, last: bool, known: Collection[bytes] = ()
) -> tuple[Check, ...]:
    """The checks of `prove`."""
    return prove(source, target, copy, last=last, known=known).checks


def prove(
    source: SourceReader,
    target: TargetReader,
    copy: str,
    *,
    last: bool,
    known: Collection[bytes] = (),
    remember: bool = False,
) -> Proof:
    """Compare source and target as they are now; what changed at the source since the copy is told apart.

    What is `known` was proved before in the same run and is at both sides what it was then, by size, times,
    inode (or checksum) and by when it changed last, which no program can set: it is not read again. What is
    proved here can be known later if it is to be remembered.
    """
    asked_at = source.now() if remember else 0.0
    listing, found, state = source.listing(), target.listing(), target.state(copy)
    if listing is None:
        return Proof((Check("the source is there", Status.FAIL, "a folder", "nothing"),))
    moment = None if state is None else state.last_at if last else state.copied_at
    if found is None or state is None or moment is None:
        begun = "not begun" if state is None else "begun, not finished"
        incomplete = Check("the copy is complete", Status.FAIL, "complete", begun if found else "no target")
        return Proof((incomplete,))
    if state.last_at is not None and not last:
        # From the last copy on the target is in use: it is compared by the step that made that copy.
        return Proof((Check("the copy is complete", Status.PASS, "complete", "superseded by the last copy"),))
    held = listing.until(moment)
    prints = _fingerprints(target, held, found) if known or remember else {}
    due = _unless(known, held, prints)
    unequal, unread = target.unequal(source, due, found)
    if unequal or unread:
        # What was written while we read it is no difference of the copy.
        held = (source.listing() or Listing({})).until(moment)
        unequal, unread = ([n for n in names if n in held.entries] for names in (unequal, unread))
        due = _unless(known, held, prints)
    differ = target.differing(source, due, found)
    since = [name for name in listing.entries if name not in held.entries]
    wrong = {*unequal, *unread, *differ.all}
    equal = {
        prints[name]
        for name, entry in due.entries.items()
        if name in prints
        and not wrong & {name, target.key(name, entry)}
        and entry.changed_at < asked_at - SETTLED_S
    }
    return Proof(
        (
            *_equality(due, unequal, unread, differ, len(held.entries) - len(due.entries)),
            _since(since, last),
            Check("left out, as planned", Status.PASS, "named", _count(listing.of("special"))),
            *_strangers(target, listing, found, copy, last),
        ),
        frozenset(equal),
    )


def _fingerprints(target: TargetReader, held: Listing, found: Listing) -> dict[str, bytes]:
    """Of the entries that are at both sides. Taken before anything is read: what is read later is then what
    an equal fingerprint stands for."""
    there = found.entries
    keys = ((name, entry, target.key(name, entry)) for name, entry in held.entries.items())
    return {name: fingerprint(name, entry, there[key]) for name, entry, key in keys if key in there}


def _unless(known: Collection[bytes], held: Listing, prints: Mapping[str, bytes]) -> Listing:
    return Listing({name: e for name, e in held.entries.items() if prints.get(name) not in known})


def _equality(
    due: Listing, unequal: list[str], unread: list[str], differ: Differences, known: int
) -> tuple[Check, ...]:
    size = Listing(due.of("file")).bytes
    compared = f"{len(due.of('file'))} compared, {size} bytes"
    if known:
        compared += f"; {known} entries proved before in this run and untouched since at both sides"
    return (
        none_of("entries missing at the target", differ.missing),
        none_of("entries of another kind", differ.kind),
        none_of("files of another size", differ.size),
        none_of(f"files of other content ({compared})", unequal),
        none_of("files whose content could not be compared", unread, Status.UNKNOWN),
        none_of("links that point elsewhere", differ.target),
        none_of("other modification times", differ.modified),
        none_of("other modes or owners", differ.access),
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
