"""The files of a project folder and the model of each."""

from pydantic import Field

from inventory.base import Noun
from inventory.migration import Item, Precondition, TestCheck
from inventory.project import Project
from inventory.sources import Sources
from inventory.targets import Targets


class MigrationList(Noun):
    """migration-list.yaml: only what is in scope here may be touched."""

    items: tuple[Item, ...] = Field(min_length=1)


class Preconditions(Noun):
    """preconditions.yaml: each precondition of the agreement once, with its evidence."""

    preconditions: tuple[Precondition, ...]


class Tests(Noun):
    """tests.yaml: what must answer before and after the move."""

    tests: tuple[TestCheck, ...]


PROJECT, SOURCES, TARGETS = "project.yaml", "sources.yaml", "targets.yaml"
MIGRATION_LIST, PRECONDITIONS, TESTS = "migration-list.yaml", "preconditions.yaml", "tests.yaml"

FILES: dict[str, type[Noun]] = {
    PROJECT: Project,
    SOURCES: Sources,
    TARGETS: Targets,
    MIGRATION_LIST: MigrationList,
    PRECONDITIONS: Preconditions,
    TESTS: Tests,
}
