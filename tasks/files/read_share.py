"""Reading a share: how much it is, and what in it needs a decision before it moves."""

from dataclasses import dataclass

from core.access import Reader
from core.checks import Check, Status
from core.facts import ABSENT, Fact, Known
from core.step import ReadingStep
from tasks.files.listing import Survey, survey
from tasks.files.ports import Source


@dataclass(frozen=True)
class ShareFacts:
    share: Fact[Survey]


@dataclass(frozen=True, kw_only=True)
class ReadShare(ReadingStep[ShareFacts]):
    """Count a share's files, bytes and oddities."""

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    source: Source

    def inspect(self, reader: Reader) -> ShareFacts:
        listing = reader.open(self.source).listing()
        return ShareFacts(ABSENT if listing is None else Known(survey(listing)))

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        share = self.inspect(reader).share
        if not isinstance(share, Known):
            return (Check(f"{self.source.address} is there", Status.FAIL, "a folder", "nothing"),)
        found = share.value
        counted = (
            f"{found.files} files, {found.size_bytes} bytes, {found.folders} folders, {found.links} links"
        )
        left_out = f"{found.special_count} without content" + _named(found.special)
        return (
            Check(f"{self.source.address} was read", Status.PASS, "all entries", counted),
            Check("entries that cannot move (sockets, pipes, devices)", Status.PASS, "named", left_out),
        )


def _named(names: tuple[str, ...]) -> str:
    return f": {', '.join(names)}" if names else ""
