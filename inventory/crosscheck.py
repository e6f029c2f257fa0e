"""Everything that must hold between the files of an inventory."""

from collections.abc import Iterator

from inventory.draft import Draft, Finding
from inventory.rules import (
    agreement,
    flows,
    names,
    networks,
    paths,
    preconditions,
    references,
    replication,
    scope,
)

RULES = (
    *names.RULES,
    *references.RULES,
    *networks.RULES,
    *flows.RULES,
    *scope.RULES,
    *replication.RULES,
    *paths.RULES,
    *agreement.RULES,
    *preconditions.RULES,
)


def cross_check(draft: Draft) -> Iterator[Finding]:
    """What every rule finds; a rule is silent about parts that could not be read."""
    for rule in RULES:
        yield from rule(draft)
