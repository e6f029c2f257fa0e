"""Phase 10, acceptance: the four deliverables rendered and sent.

The steps need more than the inventory: what the ledger holds, and the clock at the moment of sending.
Both are given as callables, so that rendering sees the records as they are then, not as they were when
the graph was built.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from core.access import Pool, Reader
from core.errors import ApplyFailed
from core.facts import to_json
from core.plan import sha256_json
from core.step import ReadingStep, Step
from inventory.calendar import load_calendar
from inventory.model import Inventory
from inventory.secrets import SecretSource
from runbooks import acceptance_letter, configuration_index, implementation_plan, proposal
from runbooks.acceptance_letter import Annex
from runbooks.checks import Shortcoming, require_fit
from runbooks.package import encrypt
from runbooks.record import Edition, Reading, Record, basis
from tasks.mail import DeliverablesFolder, MailRelay, RenderDocument, SendDeliverables


class Deliverable(Protocol):
    """What every module of a document offers."""

    def title(self, inventory: Inventory) -> str: ...

    def shortcomings(self, inventory: Inventory, record: Record) -> list[Shortcoming]: ...

    def render(self, inventory: Inventory, record: Record, edition: Edition) -> bytes: ...


ANNEXES = {"proposal": "pptx", "implementation-plan": "docx", "configuration-index": "xlsx"}
LETTER = acceptance_letter.NAME
_MODULES: Mapping[str, Deliverable] = {
    "proposal": proposal,
    "implementation-plan": implementation_plan,
    "configuration-index": configuration_index,
}


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the documents are made from; everything callable is asked when a document is made.

    `readings` looks at the new side, which takes a while: only for making, never for comparing.
    """

    inventory: Inventory
    record: Callable[[], Record]
    readings: Callable[[], tuple[Reading, ...]]
    round_number: Callable[[], int]
    now: Callable[[], datetime]
    folder: DeliverablesFolder
    index_password: SecretSource | None = None

    def basis(self) -> str:
        return basis(self.inventory, self.record())

    def full_record(self) -> Record:
        return replace(self.record(), readings=self.readings())

    def annex(self, kind: str, version: int) -> bytes:
        record, module = self.full_record(), _MODULES[kind]
        require_fit(module.shortcomings(self.inventory, record))
        return module.render(self.inventory, record, Edition(version=version))

    def letter_basis(self) -> str:
        folder = self.folder.open_reader()
        stored = [folder.latest(kind) for kind in ANNEXES]
        # An objection is answered by a letter of its own, even where no document had to change.
        return sha256_json([self.basis(), self.round_number(), [s.sha256 if s else "" for s in stored]])

    def letter(self, version: int) -> bytes:
        record, annexes = self.full_record(), [self._attached(kind) for kind in ANNEXES]
        require_fit(acceptance_letter.shortcomings(self.inventory, record, annexes))
        calendar = load_calendar(self.inventory.folder)
        edition = Edition(version=version)
        return acceptance_letter.render(self.inventory, record, edition, annexes, self.now(), calendar)

    def _attached(self, kind: str) -> Annex:
        folder = self.folder.open_reader()
        stored = folder.latest(kind)
        content = folder.content(stored) if stored else None
        if stored is None or content is None:
            raise ApplyFailed(
                f"{kind} is not in {self.folder.address}",
                why="The letter names the SHA-256 of every document it carries.",
                next_command="qianyun migrate --phase acceptance --plan DIGEST",
            )
        if kind == configuration_index.NAME and self.index_password is not None:
            content = encrypt(content, self.index_password.resolve())
        return Annex(
            kind=kind,
            title=_MODULES[kind].title(self.inventory),
            version=stored.version,
            extension=ANNEXES[kind],
            sha256=stored.sha256,
            content=content,
        )


def acceptance_steps(
    inventory: Inventory,
    *,
    record: Callable[[], Record],
    readings: Callable[[], tuple[Reading, ...]],
    round_number: Callable[[], int],
    now: Callable[[], datetime],
    home: Path,
    index_password: SecretSource | None = None,
) -> list[Step[Any]]:
    """Three documents, then the letter that carries them, then its sending."""
    folder = DeliverablesFolder(home / "deliverables")
    desk = Desk(
        inventory=inventory,
        record=record,
        readings=readings,
        round_number=round_number,
        now=now,
        folder=folder,
        index_password=index_password,
    )
    documents: list[Step[Any]] = [
        RenderDocument(
            key=f"acceptance/document/{kind}",
            kind=kind,
            extension=extension,
            folder=folder,
            render=_renderer(desk, kind),
            basis=desk.basis,
        )
        for kind, extension in ANNEXES.items()
    ]
    keys = tuple(step.key for step in documents)
    letter = RenderDocument(
        key=f"acceptance/document/{LETTER}",
        needs=keys,
        kind=LETTER,
        extension="eml",
        folder=folder,
        render=desk.letter,
        basis=desk.letter_basis,
    )
    mail = inventory.project.mail
    send = SendDeliverables(
        key="acceptance/mail",
        needs=(*keys, letter.key),
        relay=MailRelay(
            host=mail.host,
            port=mail.port,
            sender=mail.sender,
            starttls=mail.starttls,
            outbox=home / "outbox",
        ),
        folder=folder,
        recipients=acceptance_letter.recipients(inventory),
        letter=LETTER,
        annexes=tuple(ANNEXES),
        basis=desk.letter_basis,
    )
    return [*documents, letter, send]


def read_back(
    steps: Iterable[Step[Any]], now: Callable[[], datetime], evidence: Callable[[dict[str, Any]], str]
) -> tuple[Reading, ...]:
    """Look at the new side once more, after cutover: what the configuration index is made of.

    `evidence` stores a document as proof and gives its id. Steps that only read and the acceptance
    itself have nothing standing to look at.
    """
    pool, readings = Pool(), []
    try:
        for step in steps:
            if isinstance(step, ReadingStep) or step.phase == "acceptance":
                continue
            reader = Reader(pool)
            facts = to_json(step.inspect(reader))
            reader.close(healthy=True)
            taken_at = now()
            proof = evidence({"step": step.key, "taken_at": taken_at.isoformat(), "facts": facts})
            readings.append(Reading(step=step.key, taken_at=taken_at, evidence=proof, facts=facts))
    finally:
        pool.close()
    return tuple(readings)


def _renderer(desk: Desk, kind: str) -> Callable[[int], bytes]:
    return lambda version: desk.annex(kind, version)
