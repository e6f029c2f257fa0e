"""project.yaml: parties, people, contract, window, residency."""

from typing import Literal

from pydantic import Field

from inventory.base import Address, Day, Mail, Moment, Name, Noun, SecretRef, Words


class Party(Noun):
    name: Words = Field(description="Legal name, as in the contract")
    name_zh: str = Field(default="", description="Chinese legal name, where it differs")


class Contact(Noun):
    """A person, with no more data than the work needs."""

    name: Words
    party: Literal["customer", "provider"]
    role: Literal["project-lead", "engineer", "operator", "tester", "security", "third-party"]
    mail: Mail
    phone: str = ""
    may_approve: bool = Field(default=False, description="May approve change requests and confirm acceptance")


class Contract(Noun):
    number: Words
    signed_on: Day
    ends_on: Day


class Window(Noun):
    """The reserved and announced cutover window."""

    start: Moment
    end: Moment
    timezone: str = "Asia/Shanghai"
    announced_on: Day


class Residency(Noun):
    """Where data may be: an explicit list of regions, no prefixes."""

    allowed_regions: tuple[str, ...] = Field(min_length=1)


class MailRelay(Noun):
    """The SMTP relay that carries deliverables, and the mailbox named in the contract."""

    host: Address
    port: int = Field(default=25, ge=1, le=65535)
    sender: Mail
    starttls: bool = False
    acceptance_mailbox: Mail = Field(description="The customer's mailbox for acceptance, as contracted")


class Project(Noun):
    id: Name
    name: Words
    name_zh: str = ""
    customer: Party
    provider: Party
    contacts: tuple[Contact, ...] = Field(min_length=1)
    contract: Contract
    window: Window
    residency: Residency
    mail: MailRelay
    index_password: SecretRef | None = Field(
        default=None,
        description="Password of the index as it is sent: 16 ASCII characters or more",
    )
    calendar: Literal["mainland-china"] = "mainland-china"

    def contact(self, mail: str) -> Contact | None:
        return next((c for c in self.contacts if c.mail.lower() == mail.lower()), None)

    @property
    def customer_lead(self) -> Contact:
        """The customer's project lead (checked at loading: exactly one)."""
        return next(c for c in self.contacts if c.party == "customer" and c.role == "project-lead")
