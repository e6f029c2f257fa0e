"""One deliverable as a file: a new version whenever what it is rendered from has changed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from core.access import Reader, Writer
from core.checks import Check, Status
from core.errors import ApplyFailed
from core.facts import ABSENT, Fact, Known
from core.plan import AfterApply, Change, Duration, Plan
from core.step import Reversal, Step
from tasks.mail.folder import DeliverablesFolder, Stored


@dataclass(frozen=True)
class DocumentFacts:
    """The newest version that lies there intact, and the digest of what a version made now would rest on.

    `spent` is the highest version number already used, intact or not.
    """

    latest: Fact[Stored]
    spent: int
    basis: str


@dataclass(frozen=True, kw_only=True)
class RenderDocument(Step[DocumentFacts]):
    """Render a document of kind `kind` into the folder of deliverables.

    `render` makes the document with the version number it is given; `basis` is the digest of all it is
    made from. Both read records of this project only, never the systems that are migrated.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    kind: str
    extension: str
    folder: DeliverablesFolder
    render: Callable[[int], bytes] = field(compare=False)
    basis: Callable[[], str] = field(compare=False)

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "the version written is removed; earlier versions stay")

    def inspect(self, reader: Reader) -> DocumentFacts:
        folder = reader.open(self.folder)
        latest = folder.latest(self.kind)
        if latest is None:
            return DocumentFacts(ABSENT, 0, self.basis())
        content = folder.content(latest)
        intact = content is not None and hashlib.sha256(content).hexdigest() == latest.sha256
        return DocumentFacts(Known(latest) if intact else ABSENT, latest.version, self.basis())

    def plan(self, facts: DocumentFacts) -> Plan:
        if isinstance(facts.latest, Known) and facts.latest.value.basis == facts.basis:
            name = facts.latest.value.name
            return Plan(nothing_because=f"{name} was made from the same records and is intact")
        # The content rests on the records of the very run that is being planned.
        after = {
            "version": facts.spent + 1,
            "sha256": AfterApply(self.key, "sha256"),
            "basis": AfterApply(self.key, "basis"),
        }
        change = Change("create", f"document {self.kind}", after=after)
        return Plan((change,), duration=Duration(1.0, 5.0))

    def apply(self, plan: Plan, writer: Writer) -> None:
        basis = self.basis()
        folder = writer.open(self.folder)
        for change in plan.changes:
            version = change.after["version"]
            content = self.render(version)
            try:
                folder.store(self.kind, version, self.extension, content, basis)
            except OSError as error:
                raise ApplyFailed(
                    f"{self.kind} version {version} into {self.folder.address}: {error.strerror}",
                    why="Nothing counts as delivered until its sidecar is written; earlier versions stand.",
                    next_command=f"df -h {self.folder.address}",
                ) from error

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        folder = reader.open(self.folder)
        latest = folder.latest(self.kind)
        if latest is None:
            return (Check(f"document {self.kind}", Status.FAIL, "a version with its sidecar", "none"),)
        content = folder.content(latest)
        actual = hashlib.sha256(content).hexdigest() if content is not None else "no file"
        return (
            Check.equal(f"sha256 of {latest.name}", latest.sha256, actual),
            Check.equal(f"basis of {latest.name}", self.basis(), latest.basis),
        )

    def undo(self, plan: Plan, writer: Writer) -> None:
        for change in plan.changes:
            writer.open(self.folder).remove(self.kind, change.after["version"], self.extension)
