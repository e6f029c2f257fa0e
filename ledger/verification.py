"""Proving the ledger: is the chain whole, and does the evidence still stand."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, select, text

from core.errors import MigrationError
from ledger import views
from ledger.entry import Entry, genesis_hash
from ledger.evidence import EvidenceStore
from ledger.schema import TRIGGERS, setup
from ledger.store import Store


@dataclass(frozen=True)
class LedgerFault:
    """What is wrong, and with which entry (0: with the ledger as a whole)."""

    seq: int
    what: str

    def __str__(self) -> str:
        return f"entry {self.seq}: {self.what}" if self.seq else self.what


@dataclass(frozen=True)
class Verification:
    """The result; `head` is the hash to note elsewhere, such as in the mail that hands the project over."""

    ok: bool
    entries: int
    head: str
    faults: tuple[LedgerFault, ...] = ()


def verify(store: Store, evidence: EvidenceStore, noted_heads: Collection[str] = ()) -> Verification:
    """Walk the whole chain and look at every evidence file it names.

    `noted_heads` are heads written down earlier, outside: each must still be in the chain. They show what
    nothing inside a ledger can, that somebody with full access rewrote it consistently.
    """
    try:
        with store.read() as connection:
            walk = _Walk(connection, evidence, noted_heads)
            walk.run()
    except MigrationError as error:
        return Verification(False, 0, "", (LedgerFault(0, error.detail),))
    return Verification(not walk.faults, walk.count, walk.head_hash, tuple(walk.faults))


@dataclass
class _Walk:
    connection: Connection
    evidence: EvidenceStore
    noted_heads: Collection[str]
    faults: list[LedgerFault] = field(default_factory=list)
    count: int = 0
    head_hash: str = ""

    def run(self) -> None:
        head = views.head_of(self.connection)
        previous = (0, self._genesis())
        misfits: list[Entry] = []
        gaps: list[int] = []
        named: dict[str, int] = {}
        noted = set(self.noted_heads) - {previous[1]}
        for entry in views.all_entries(self.connection):
            self.count += 1
            gaps.extend(range(previous[0] + 1, min(entry.seq, previous[0] + _MOST_NAMED)))
            if entry.computed_hash() != entry.hash:
                misfits.append(entry)
            elif entry.seq == previous[0] + 1 and entry.prev_hash != previous[1]:
                self._fault(
                    entry.seq, f"does not follow entry {previous[0]}: that one was edited or replaced"
                )
            previous = (entry.seq, entry.hash)
            noted.discard(entry.hash)
            for digest in _named_evidence(entry):
                named.setdefault(digest, entry.seq)
        self._place(misfits, gaps)
        self._check_end(previous, head)
        for digest in sorted(noted):
            self._fault(0, f"the head {digest}, noted earlier, is no longer in the chain")
        for digest, seq in named.items():
            if fault := self.evidence.fault(digest):
                self._fault(seq, f"its evidence {digest}: {fault}")
        self._check_guards()
        self.faults.sort(key=lambda fault: fault.seq)

    def _fault(self, seq: int, what: str) -> None:
        self.faults.append(LedgerFault(seq, what))

    def _genesis(self) -> str:
        row = self.connection.execute(select(setup.c.project, setup.c.created_at_utc)).one_or_none()
        if row is None:
            self._fault(0, "the ledger no longer says whose it is (setup)")
            return ""
        return genesis_hash(row.project, row.created_at_utc)

    def _place(self, misfits: list[Entry], gaps: list[int]) -> None:
        """Tell edited records from moved ones: a moved one is intact at another place."""
        places = [entry.seq for entry in misfits[:_MOST_NAMED]] + gaps
        for entry in misfits:
            home = next((seq for seq in places if entry.computed_hash(seq) == entry.hash), None)
            if home is None:
                self._fault(entry.seq, "was edited: its contents no longer give its hash")
            else:
                self._fault(entry.seq, f"was reordered: it is the record written as entry {home}")
        for seq in gaps:
            self._fault(seq, "is missing: it was deleted")

    def _check_end(self, last: tuple[int, str], head: tuple[int, str] | None) -> None:
        if head is None:
            self._fault(0, "the ledger has lost its head: whether its end was cut off cannot be told")
            return
        head_seq, self.head_hash = head
        if last[0] < head_seq:
            self._fault(
                last[0] + 1,
                f"was cut off with everything after it: the ledger ended at entry {head_seq}, "
                f"now it ends at {last[0]}",
            )
        elif last[0] > head_seq:
            self._fault(head_seq + 1, "was not written by Qianyun: the head does not know it")
        elif last[1] != self.head_hash:
            self._fault(last[0], "is not the record that the head names: it was edited or replaced")

    def _check_guards(self) -> None:
        if self.connection.dialect.name == "sqlite":
            query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        else:
            query = (
                "SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D' "
                "AND tgrelid IN ('entries'::regclass, 'setup'::regclass, 'head'::regclass)"
            )
        standing = set(self.connection.execute(text(query)).scalars())
        for name in TRIGGERS:
            if name not in standing:
                self._fault(0, f"the guard {name} was taken out of the database")


def _named_evidence(entry: Entry) -> Iterator[str]:
    try:
        named = json.loads(entry.payload).get("evidence")
    except (ValueError, AttributeError):
        return  # edited beyond reading; reported as edited
    if isinstance(named, str):
        named = [named]
    if isinstance(named, list):
        yield from (digest for digest in named if digest)


_MOST_NAMED = 1000
