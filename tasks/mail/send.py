"""The four deliverables to the contracted mailbox, in one message: the acceptance letter with its annexes."""

import email.policy
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.parser import BytesParser

from core.access import Reader, Writer
from core.checks import Check, Status
from core.errors import ApplyFailed
from core.facts import ABSENT, Fact, Known
from core.plan import AfterApply, Change, Duration, Plan
from core.step import Reversal, Step
from tasks.mail.folder import DeliverablesFolder, FolderReader, Stored
from tasks.mail.relay import MailRelay, OutboxReader

DELIVERABLE_HEADER = "X-Qianyun-Deliverable"
"""One header of the letter for each annex: "kind; version; sha256 of the document in the folder"."""

_NEXT = "qianyun migrate --phase acceptance --plan DIGEST"


@dataclass(frozen=True)
class MailFacts:
    """The newest version of each document, and who has the newest letter already.

    Nobody has it where a newer one is about to be made.
    """

    documents: Mapping[str, Fact[Stored]]
    accepted: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SendDeliverables(Step[MailFacts]):
    """Send the letter as it lies in the folder, byte for byte, to `recipients`.

    `recipients` begins with the mailbox named in the contract: its acceptance starts the clock. `basis`
    is the digest of what a letter made now would rest on, as in its RenderDocument.
    """

    key: str
    needs: tuple[str, ...]
    item: str = ""
    relay: MailRelay
    folder: DeliverablesFolder
    recipients: tuple[str, ...]
    letter: str
    annexes: tuple[str, ...]
    basis: Callable[[], str] | None = field(default=None, compare=False)

    @property
    def reversal(self) -> Reversal:
        return Reversal(
            "one-way",
            "a message cannot be called back from the customer's mailbox; a correction is a new round, "
            "sent after the documents were rendered again",
        )

    def inspect(self, reader: Reader) -> MailFacts:
        folder, outbox = reader.open(self.folder), reader.open(self.relay)
        documents: dict[str, Fact[Stored]] = {}
        for kind in (*self.annexes, self.letter):
            stored = folder.latest(kind)
            documents[kind] = ABSENT if stored is None else Known(stored)
        letter = documents[self.letter]
        # An empty digest names no message, yet looking for it tells whether the outbox can be read.
        accepted = _accepted_by(outbox, letter.value.sha256 if isinstance(letter, Known) else "")
        if self.basis is not None and isinstance(letter, Known) and letter.value.basis != self.basis():
            # Its next version goes to everybody; a plan for those without this one would be stale then.
            accepted = set()
        return MailFacts(documents, tuple(who for who in self.recipients if who in accepted))

    def plan(self, facts: MailFacts) -> Plan:
        waiting = [who for who in self.recipients if who not in facts.accepted]
        if not waiting:
            return Plan(nothing_because=f"the letter was accepted for {', '.join(facts.accepted)}")
        after = {
            "annexes": list(self.annexes),
            "letter_sha256": AfterApply(f"acceptance/document/{self.letter}", "sha256"),
        }
        versions = {
            kind: f"version {fact.value.version}, sha256 {fact.value.sha256}"
            for kind, fact in facts.documents.items()
            if isinstance(fact, Known)
        }
        changes = tuple(
            Change("run", f"mail {self.letter} to {who}", after=after, measures=versions) for who in waiting
        )
        return Plan(changes, duration=Duration(5.0, 60.0))

    def apply(self, plan: Plan, writer: Writer) -> None:
        letter = self._complete_letter(writer.reader.open(self.folder))
        accepted = _accepted_by(writer.reader.open(self.relay), hashlib.sha256(letter).hexdigest())
        waiting = tuple(who for who in self.recipients if who not in accepted)
        if not waiting:
            return
        attempt = writer.open(self.relay).send(letter, waiting)
        if attempt.refused:
            refusals = "; ".join(f"{who}: {reply}" for who, reply in attempt.refused.items())
            raise ApplyFailed(
                f"mail through {self.relay.address}: refused for {refusals}; "
                f"accepted for {', '.join(attempt.accepted) or 'nobody'}",
                why="No acceptance clock runs until every recipient's server accepted the letter.",
                next_command=_NEXT,
                transient=attempt.transient,
            )

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        folder, outbox = reader.open(self.folder), reader.open(self.relay)
        stored = folder.latest(self.letter)
        if stored is None:
            return (Check(f"letter {self.letter}", Status.FAIL, "a rendered letter", "none"),)
        sent = outbox.message(stored.sha256)
        digest = "not in the outbox" if sent is None else hashlib.sha256(sent).hexdigest()
        accepted = _accepted_by(outbox, stored.sha256)
        return (
            Check.equal("sha256 of the message sent", stored.sha256, digest),
            *(
                Check.equal(f"server's answer for {who}", "250", "250" if who in accepted else "none")
                for who in self.recipients
            ),
            *self._annex_checks(folder, sent or b""),
        )

    def undo(self, plan: Plan, writer: Writer) -> None:
        # One-way: there is nothing on our side whose removal would take anything back.
        return None

    def _complete_letter(self, folder: FolderReader) -> bytes:
        stored = folder.latest(self.letter)
        letter = None if stored is None else folder.content(stored)
        if stored is None or letter is None:
            raise ApplyFailed(
                f"there is no {self.letter} in {self.folder.address}",
                why="It is rendered by the step before this one.",
                next_command=_NEXT,
            )
        wrong = [
            f"{check.name}: in the folder {check.planned}, in the letter {check.actual}"
            for check in (
                Check.equal(f"sha256 of {stored.name}", stored.sha256, hashlib.sha256(letter).hexdigest()),
                *self._annex_checks(folder, letter),
            )
            if check.status is not Status.PASS
        ]
        if wrong:
            raise ApplyFailed(
                "; ".join(wrong),
                why="The clock needs all four deliverables, and the very versions that the letter names.",
                next_command=_NEXT,
            )
        return letter

    def _annex_checks(self, folder: FolderReader, letter: bytes) -> tuple[Check, ...]:
        headers = BytesParser(policy=email.policy.default).parsebytes(letter, headersonly=True)
        # Long headers are folded, and unfolding leaves the blank.
        named = {" ".join(str(header).split()) for header in headers.get_all(DELIVERABLE_HEADER, ())}
        checks = []
        for kind in self.annexes:
            stored = folder.latest(kind)
            planned = "a document" if stored is None else f"{kind}; {stored.version}; {stored.sha256}"
            actual = next((text for text in named if text.startswith(f"{kind}; ")), "not named")
            checks.append(Check.equal(f"annex {kind}", planned, actual))
        return tuple(checks)


def receipt(outbox: OutboxReader, letter_sha256: str, mailbox: str) -> datetime | None:
    """When a server first answered 250 for this mailbox; None where none did.

    It is the receipt only where the server belongs to the customer: another relay's 250 proves sending.
    """
    times = [a.at_utc for a in outbox.attempts(letter_sha256) if mailbox in a.accepted]
    return min(map(datetime.fromisoformat, times), default=None)


def _accepted_by(outbox: OutboxReader, sha256: str) -> set[str]:
    return {who for attempt in outbox.attempts(sha256) for who in attempt.accepted}
