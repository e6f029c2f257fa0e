"""Phase 10, acceptance: the desk that gathers records for the documents and moves the gate."""

import threading
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.checks import Check, Status
from core.errors import ApplyFailed
from core.graph import Graph
from core.step import Step
from flows.acceptance_steps import ANNEXES, LETTER, acceptance_steps, read_back
from flows.dossier import record_of
from inventory.calendar import acceptance_deadline, load_calendar
from inventory.model import Inventory
from inventory.secrets import SecretSource
from ledger.book import Ledger
from ledger.gate_state import OPEN_TO_DELIVERY
from runbooks.record import Reading, Record
from tasks.mail import DeliverablesFolder, MailRelay
from tasks.mail.folder import Stored
from tasks.mail.send import receipt

if TYPE_CHECKING:
    from flows.runner import RunReport

DONE = ("Applied", "Unchanged")


class AcceptanceDesk:
    """Knows the project's records; `graph` and `run_id` are set once they exist."""

    def __init__(self, inventory: Inventory, ledger: Ledger, home: Path) -> None:
        self._inventory = inventory
        self._ledger = ledger
        self._home = home
        self._folder = DeliverablesFolder(home / "deliverables")
        self._readings: tuple[Reading, ...] | None = None
        self._reading = threading.Lock()
        self.graph: Graph | None = None
        self.run_id = ""

    def steps(self) -> list[Step[Any]]:
        password = self._inventory.project.index_password
        return acceptance_steps(
            self._inventory,
            record=self.record,
            readings=self.readings,
            round_number=self.round_number,
            now=lambda: datetime.now(UTC),
            home=self._home,
            index_password=SecretSource(password, self._inventory.folder) if password else None,
        )

    def record(self) -> Record:
        """The records as they are now, without a look at the new side."""
        assert self.graph is not None, "the graph is known before any step is looked at"
        return record_of(self._ledger, self.graph)

    def readings(self) -> tuple[Reading, ...]:
        """What stands on the new side: looked at once a run, and kept as evidence."""
        assert self.graph is not None, "the graph is known before any step is looked at"
        with self._reading:
            if self._readings is None:
                self._readings = read_back(self.graph, lambda: datetime.now(UTC), self._ledger.store_evidence)
            return self._readings

    def round_number(self) -> int:
        """The submission that a letter made now is for, or was made for."""
        gate = self._ledger.gate.status()
        return gate.round + 1 if gate.state in OPEN_TO_DELIVERY else gate.round

    def after_run(self, found: "RunReport") -> None:
        """Record the documents this run made or found, and submit the gate once the letter was taken.

        Safe to repeat: a run that was killed between sending and submitting is made good by the next.
        """
        stored = self._stored(found)
        for one in stored.values():
            self._record(one, "final")
        gate = self._ledger.gate.status()
        if not self._is_good(found, "acceptance/mail") or gate.state not in OPEN_TO_DELIVERY:
            return
        letter = self._letter(stored)
        self._ledger.gate.make_ready(actor=self._actor, checks=self._checks(found))
        for one in stored.values():
            self._record(one, "sent")
        self._ledger.gate.submit(
            actor=self._actor,
            submitted_at=letter.received_at,
            message_id=letter.message_id,
            deadline=acceptance_deadline(letter.received_at, load_calendar(self._inventory.folder)),
        )

    @property
    def _actor(self) -> str:
        return self._inventory.project.mail.sender

    def _checks(self, found: "RunReport") -> list[Check]:
        return [
            Check(
                key,
                Status.PASS if outcome.state.good else Status.FAIL,
                "done and proved",
                str(outcome.state),
            )
            for key, outcome in found.outcomes.items()
        ]

    def _is_good(self, found: "RunReport", key: str) -> bool:
        return key in found.outcomes and str(found.outcomes[key].state) in DONE

    def _stored(self, found: "RunReport") -> dict[str, Stored]:
        folder = self._folder.open_reader()
        made = [kind for kind in (*ANNEXES, LETTER) if self._is_good(found, f"acceptance/document/{kind}")]
        return {kind: stored for kind in made if (stored := folder.latest(kind))}

    def _record(self, stored: Stored, status: str) -> None:
        path = self._folder.path / stored.name
        self._ledger.record_deliverable(
            stored.kind, status=status, sha256=stored.sha256, path=str(path), run_id=self.run_id
        )

    def _letter(self, stored: dict[str, Stored]) -> "_Letter":
        mail = self._inventory.project.mail
        relay = MailRelay(
            host=mail.host,
            port=mail.port,
            sender=mail.sender,
            starttls=mail.starttls,
            outbox=self._home / "outbox",
        )
        letter = stored[LETTER]
        received_at = receipt(relay.open_reader(), letter.sha256, mail.acceptance_mailbox)
        content = self._folder.open_reader().content(letter)
        if received_at is None or content is None:
            raise ApplyFailed(
                f"no server has taken {letter.name} for {mail.acceptance_mailbox}",
                why="The clock starts when the customer has the documents, not before.",
                next_command=f"qianyun migrate {self._inventory.folder} --phase acceptance --plan DIGEST",
            )
        return _Letter(str(message_from_bytes(content)["Message-ID"]), received_at)


class _Letter:
    def __init__(self, message_id: str, received_at: datetime) -> None:
        self.message_id = message_id
        self.received_at = received_at
