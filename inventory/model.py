"""The whole inventory of one project, and the questions asked of it."""

from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import Field

from core.errors import Refused
from inventory.base import Noun
from inventory.migration import Item, Precondition, TestCheck
from inventory.project import Project
from inventory.sources import Application, Database, FileShare, Host, Sources
from inventory.targets import Server, TargetDatabase, Targets


class Inventory(Noun):
    """A project folder, loaded and free of faults."""

    folder: Path = Field(exclude=True)
    project: Project
    sources: Sources
    targets: Targets
    migration_list: tuple[Item, ...]
    preconditions: tuple[Precondition, ...] = ()
    tests: tuple[TestCheck, ...] = ()

    def in_scope(self, kind: str) -> tuple[Item, ...]:
        return tuple(i for i in self.migration_list if i.kind == kind and i.in_scope)

    def require_in_scope(self, item: str) -> None:
        """The scope guard.

        Raises: errors.Refused where `item` is not on the migration list as in scope.
        Source: service.md, scope (2.2).
        """
        if any(i.name == item and i.in_scope for i in self.migration_list):
            return
        raise Refused(
            f"{item!r} is not on the migration list as in scope",
            why="The agreement covers listed applications and data only; it was not even looked at.",
            next_command=f"qianyun check {self.folder}",
        )

    def host(self, name: str) -> Host:
        return _named(self.sources.hosts, name)

    def application(self, name: str) -> Application:
        return _named(self.sources.applications, name)

    def database(self, name: str) -> Database:
        return _named(self.sources.databases, name)

    def file_share(self, name: str) -> FileShare:
        return _named(self.sources.file_shares, name)

    def server(self, name: str) -> Server:
        return _named(self.targets.servers, name)

    def target_database(self, name: str) -> TargetDatabase:
        return _named(self.targets.databases, name)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def _named(things: tuple[N, ...], name: str) -> N:
    # Loading has refused dangling references, so a miss here is our own mistake: StopIteration is right.
    return next(thing for thing in things if thing.name == name)
