"""migration-list.yaml (scope), preconditions.yaml (with evidence), tests.yaml (what must answer)."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from inventory.base import Day, HostPort, Mail, Name, Noun, Url, Words


class Item(Noun):
    """One line of the migration list: only what stands here with in_scope may be touched."""

    name: Name = Field(description="Name of the source application, database or file share")
    kind: Literal["application", "database", "file_share"]
    in_scope: bool
    target: tuple[Name, ...] = Field(
        default=(),
        description="application: a server; database: a target database; file_share: buckets and directories",
    )
    method: Literal["copy", "follow", "dms", "exclude"] = "copy"
    wave: int = Field(default=1, ge=1)
    reason: str = Field(default="", description="Why it is out of scope, where it is")


PRECONDITIONS = (
    "project-lead",
    "system-facts",
    "backup-verified",
    "window-announced",
    "change-requested",
    "account-funded",
    "licences",
    "third-parties",
)
PreconditionKind: TypeAlias = Literal[
    "project-lead",
    "system-facts",
    "backup-verified",
    "window-announced",
    "change-requested",
    "account-funded",
    "licences",
    "third-parties",
]


class Precondition(Noun):
    """One of the agreement's preconditions with its evidence."""

    kind: PreconditionKind
    state: Literal["met", "not-met", "waived", "not-applicable"]
    evidence: str = Field(description="What proves it: record number, restore test, statement", min_length=1)
    confirmed_by: Mail
    confirmed_on: Day
    expires_on: Day | None = None


class HttpCheck(Noun):
    kind: Literal["http"]
    name: Name
    item: Name
    before: Url = Field(description="URL on the source side")
    after: Url = Field(description="URL on the target side")
    host_header: str = ""
    status: int = Field(default=200, ge=100, le=599)
    contains: str = ""
    same_body: bool = Field(default=False, description="The target's body must equal the source's")
    priority: Literal["P0", "P1"] = "P0"


class TcpCheck(Noun):
    kind: Literal["tcp"]
    name: Name
    item: Name
    before: HostPort = Field(description="host:port on the source side")
    after: HostPort = Field(description="host:port on the target side")
    priority: Literal["P0", "P1"] = "P0"


class SqlCheck(Noun):
    """A query answered alike by the source and the target database of `item`."""

    kind: Literal["sql"]
    name: Name
    item: Name
    query: Words
    priority: Literal["P0", "P1"] = "P0"


TestCheck: TypeAlias = Annotated[HttpCheck | TcpCheck | SqlCheck, Field(discriminator="kind")]
