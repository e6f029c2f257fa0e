"""An application's files, moved from host to host without landing on our disk."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check, Status
from core.errors import ApplyFailed, Refused, Unreadable
from core.facts import Known
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from inventory.sources import Substitution
from tasks.hosts.keep import Keepsake
from tasks.hosts.ports import HostEndpoint, HostReader
from tasks.hosts.undoing import undoing
from tasks.software.trees import Wanted, batches, compare, digest, substituted, want

_TOO_BROAD = re.compile(
    r"/[^/]*|/etc/(ssh|init\.d|systemd|apt|pam\.d)|/usr/(bin|lib|local|sbin|share)|/var/(lib|log|www|cache|spool)"
    r"|/var/lib/(dpkg|apt)"
)
_BYTES_PER_S = 30e6


@dataclass(frozen=True)
class Content:
    """What belongs to an application: absolute paths, who owns them on the target, texts to be replaced."""

    paths: tuple[str, ...]
    owner: str
    substitutions: tuple[Substitution, ...] = ()

    def here(self) -> tuple[Substitution, ...]:
        """The substitutions in files of these paths (the site's own file has others)."""
        return tuple(s for s in self.substitutions if any(_inside(s.file, path) for path in self.paths))


@dataclass(frozen=True)
class PathFacts:
    """One of the paths: how much it is on the source, and how much of it the target lacks."""

    entries: int
    size_bytes: int
    skipped: int
    differing: int
    source_digest: str


@dataclass(frozen=True)
class ContentFacts:
    paths: Mapping[str, PathFacts]


@dataclass(frozen=True, kw_only=True)
class MoveContent(Step[ContentFacts]):
    """Wants an application's files on the target as they are on the source: content, mode, time, links.

    Extended attributes and ACLs do not move. Sockets, pipes and devices are left out and counted.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    server: str
    content: Content
    source: HostEndpoint
    target: HostEndpoint

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", f"puts back what was there, kept in {Keepsake(self.key).folder}")

    def inspect(self, reader: Reader) -> ContentFacts:
        self._require_narrow()
        source, target = reader.open(self.source), reader.open(self.target)
        facts: dict[str, PathFacts] = {}
        for wanted in self._wanted(source, target):
            actual = target.tree(wanted.path)
            difference = compare(wanted, actual.value if isinstance(actual, Known) else {})
            facts[wanted.path] = PathFacts(
                entries=len(wanted.tree),
                size_bytes=wanted.size_bytes,
                skipped=len(wanted.skipped),
                differing=difference.count,
                source_digest=digest(wanted.tree),
            )
        return ContentFacts(facts)

    def plan(self, facts: ContentFacts) -> Plan:
        changes = tuple(self._change(path, found) for path, found in facts.paths.items() if found.differing)
        if not changes:
            return Plan(nothing_because=f"the files of {self.item} on {self.server} equal the source's")
        seconds = sum(found.size_bytes for found in facts.paths.values()) / _BYTES_PER_S
        return Plan(changes, duration=Duration(2 + seconds, 10 + 3 * seconds))

    def _change(self, path: str, found: PathFacts) -> Change:
        return Change(
            "copy",
            f"{path} to {self.server}",
            # What stands there is known only once the software is installed, so it is kept on the host.
            {"kept_in": Keepsake(self.key).folder},
            {
                "from": self.source.address,
                "owner": self.content.owner,
                "substitutions": [
                    {"file": s.file, "find": s.find, "replace": s.replace}
                    for s in self.content.here()
                    if _inside(s.file, path)
                ],
            },
            {
                "entries": found.entries,
                "size_bytes": found.size_bytes,
                "differing": found.differing,
                "skipped": found.skipped,
                "source_sha256": found.source_digest,
            },
        )

    def apply(self, plan: Plan, writer: Writer) -> None:
        source, look = writer.reader.open(self.source), writer.reader.open(self.target)
        host = writer.open(self.target)
        if not isinstance(look.account(self.content.owner), Known):
            raise ApplyFailed(
                f"{self.server} has no account {self.content.owner!r} to own the files of {self.item}",
                why="Nothing was copied. Name it in the server's accounts, or the package that brings it.",
            )
        trees = self._wanted(source, look)
        Keepsake(self.key).keep(look, host, self.content.paths)
        total, done = sum(wanted.size_bytes for wanted in trees), 0
        for wanted in trees:
            path = wanted.path
            actual = look.tree(path)
            difference = compare(wanted, actual.value if isinstance(actual, Known) else {})
            if difference.remove:
                doomed = [f"{path}/{name}" if name else path for name in difference.remove]
                host.remove(doomed, f"{len(doomed)} entries below {path} which the source does not have")
            if not isinstance(look.file(posixpath.dirname(path)), Known):
                host.make_dir(posixpath.dirname(path))
            for owner, group, names, size in batches(wanted, difference.copy):
                stream = source.pack(path, names, owner, group)
                try:
                    host.unpack(path, stream, f"{len(names)} entries below {path}")
                except Unreadable as error:
                    raise ApplyFailed(
                        f"{path}: {error.detail}",
                        why="What was copied is kept; running again copies only what still differs.",
                        transient=True,
                    ) from error
                done += size
                writer.progress(done, total, "bytes")
            for name in difference.put:
                entry = wanted.tree[name]
                host.put_file(
                    f"{path}/{name}" if name else path,
                    wanted.texts[name],
                    mode=entry.mode,
                    owner=entry.owner,
                    group=entry.group,
                    mtime_s=entry.mtime_s,
                )

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        return self.checks(reader)

    def checks(self, reader: Reader) -> tuple[Check, ...]:
        """Whether both hosts hold the same, path by path."""
        source, target = reader.open(self.source), reader.open(self.target)
        checks = []
        for wanted in self._wanted(source, target):
            actual = target.tree(wanted.path)
            if not isinstance(actual, Known):
                checks.append(Check(f"content of {wanted.path}", Status.FAIL, "present", "absent"))
                continue
            planned, there = digest(wanted.tree), digest(actual.value)
            checks.append(Check.equal(f"content of {wanted.path}", planned, there))
        return tuple(checks)

    def undo(self, plan: Plan, writer: Writer) -> None:
        look, keepsake = writer.reader.open(self.target), Keepsake(self.key)
        with undoing(self.key):
            host = writer.open(self.target)
            keepsake.give_back(look, host)
            keepsake.drop(look, host)

    def _wanted(self, source: HostReader, target: HostReader) -> list[Wanted]:
        account = target.account(self.content.owner)
        group = account.value.group if isinstance(account, Known) else self.content.owner
        texts = substituted(source, self.item, self.content.here())
        trees = []
        for path in self.content.paths:
            wanted = want(source, path, texts, self.content.owner, group)
            if wanted is None:
                raise Refused(
                    f"{self.item}: {path} is not on the source {self.source.address}",
                    why="An application without part of its files would be a broken one.",
                    next_command=f"ssh {self.source.address.partition(':')[0]} ls -ld {path}",
                )
            trees.append(wanted)
        return trees

    def _require_narrow(self) -> None:
        for path in self.content.paths:
            plain = posixpath.normpath(path)
            if plain != path or not plain.startswith("/") or _TOO_BROAD.fullmatch(plain):
                raise Refused(
                    f"{self.item}: {path!r} is no folder or file of one application",
                    why="What the target has there and the source does not is removed: name paths below it.",
                )


def _inside(file: str, path: str) -> bool:
    return file == path or file.startswith(f"{path}/")
