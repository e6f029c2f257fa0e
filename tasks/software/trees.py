"""File trees compared: what a moved tree must look like on the target, and how what is there differs."""

import hashlib
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from core.errors import Refused
from core.facts import Known
from inventory.sources import Substitution
from tasks.hosts.ports import FileState, HostReader, Tree

BATCH_ENTRIES = 500
BATCH_BYTES = 64 << 20
_MOVABLE = ("file", "folder", "link")


@dataclass(frozen=True)
class Wanted:
    """A tree as it must be on the target; `texts` are files with substitutions, `skipped` cannot move."""

    path: str
    tree: dict[str, FileState]
    texts: dict[str, bytes]
    skipped: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.tree.values())


@dataclass(frozen=True)
class Difference:
    """What turns the tree that is there into the wanted one: relative paths, in the order to be done."""

    remove: tuple[str, ...]
    copy: tuple[str, ...]
    put: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.remove) + len(self.copy) + len(self.put)


def want(look: HostReader, path: str, texts: Mapping[str, bytes], owner: str, group: str) -> Wanted | None:
    """The source's tree with owners mapped and substituted texts in place; None where there is none.

    What root owns stays root's, all else becomes `owner`'s, so that an application does not gain the
    right to change its own configuration by being moved.
    """
    found = look.tree(path)
    if not isinstance(found, Known):
        return None
    if found.value[""].kind == "link":
        raise Refused(
            f"{path} on the source is a link to {found.value[''].target}",
            why="Only the link would move, not what it leads to: name the folder itself in the inventory.",
        )
    here: dict[str, bytes] = {}
    tree: dict[str, FileState] = {}
    for name, entry in sorted(found.value.items()):
        if entry.kind not in _MOVABLE:
            continue
        mapped = replace(
            entry,
            owner="root" if entry.owner == "root" else owner,
            group="root" if entry.group == "root" else group,
        )
        text = texts.get(posixpath.join(path, name) if name else path)
        if text is not None:
            here[name] = text
            mapped = replace(mapped, size_bytes=len(text), sha256=hashlib.sha256(text).hexdigest())
        tree[name] = mapped
    return Wanted(path, tree, here, tuple(sorted(set(found.value) - set(tree))))


def compare(wanted: Wanted, actual: Tree) -> Difference:
    stale = {n for n, e in actual.items() if n not in wanted.tree or wanted.tree[n].kind != e.kind}
    # Removing a folder removes what is below it: only the topmost are named.
    remove = tuple(n for n in sorted(stale) if not any(parent in stale for parent in _above(n)))
    gone = set(remove)
    differ = [
        name
        for name, entry in wanted.tree.items()
        if name not in actual
        or comparable(entry) != comparable(actual[name])
        or any(parent in gone for parent in (name, *_above(name)))
    ]
    return Difference(
        remove,
        tuple(name for name in differ if name not in wanted.texts),
        tuple(name for name in differ if name in wanted.texts),
    )


def comparable(entry: FileState) -> tuple[str, ...]:
    """What must be equal: of folders not the time, as any write inside changes it; of links only where to."""
    if entry.kind == "link":
        return (entry.kind, entry.target)
    own = (entry.kind, entry.mode.lstrip("0"), entry.owner, entry.group)
    return (*own, entry.sha256, str(entry.mtime_s)) if entry.kind == "file" else own


def digest(tree: Tree) -> str:
    """One sha256 over all that must be equal."""
    seen = hashlib.sha256()
    for name in sorted(tree):
        seen.update(os.fsencode("\0".join((name, *comparable(tree[name]), "\n"))))
    return seen.hexdigest()


def batches(wanted: Wanted, names: Sequence[str]) -> Iterator[tuple[str, str, list[str], int]]:
    """Cut into pieces to be sent at once: owner, group, names, bytes.

    A piece is what a cut connection makes us repeat. One owner each, as a tar stream carries one.
    """
    by_owner: dict[tuple[str, str], list[str]] = {}
    for name in names:
        by_owner.setdefault((wanted.tree[name].owner, wanted.tree[name].group), []).append(name)
    for (owner, group), owned in sorted(by_owner.items()):
        piece: list[str] = []
        size = 0
        for name in owned:
            piece.append(name)
            size += wanted.tree[name].size_bytes
            if len(piece) >= BATCH_ENTRIES or size >= BATCH_BYTES:
                yield owner, group, piece, size
                piece, size = [], 0
        if piece:
            yield owner, group, piece, size


def substituted(look: HostReader, item: str, substitutions: Sequence[Substitution]) -> dict[str, bytes]:
    """The source's files with their substitutions made, by path.

    Raises: errors.Refused where a file is not there or the text to be replaced does not occur in it.
    """
    texts: dict[str, bytes] = {}
    for wish in substitutions:
        if wish.file not in texts:
            found = look.read_file(wish.file)
            if not isinstance(found, Known):
                raise Refused(
                    f"{item}: {wish.file}, in which {wish.find!r} is to be replaced, is not on the source",
                    why="The application would run on the target with settings of the source.",
                )
            texts[wish.file] = found.value
        if wish.find.encode() not in texts[wish.file]:
            raise Refused(
                f"{item}: {wish.find!r}, to be replaced by {wish.replace!r}, does not occur in {wish.file}",
                why="The application would run on the target with settings of the source.",
            )
        texts[wish.file] = texts[wish.file].replace(wish.find.encode(), wish.replace.encode())
    return texts


def _above(name: str) -> Iterator[str]:
    while name:
        name = posixpath.dirname(name)
        yield name
