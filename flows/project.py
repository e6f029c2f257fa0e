"""The whole project as one graph: every phase's steps, and the two barriers between them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from core.errors import Fault, InventoryInvalid
from core.graph import Graph
from core.step import Step
from flows.applications import applications
from flows.cutover import cutover
from flows.databases import databases
from flows.discovery import discovery
from flows.environment import environment
from flows.files import files
from flows.network import network
from flows.security import security
from flows.testing import testing
from inventory.model import Inventory
from inventory.phases import PHASE_NAMES

Phase = Callable[[Inventory], list[Step[Any]]]

PHASES: Mapping[str, Phase] = {
    "discovery": discovery,
    "network": network,
    "environment": environment,
    "applications": applications,
    "databases": databases,
    "files": files,
    "security": security,
    "testing": testing,
    "cutover": cutover,
}
"""The service catalogue in its order; acceptance comes last and is built with the project's records."""


def project_graph(inventory: Inventory, acceptance: list[Step[Any]]) -> Graph:
    """All steps of a project.

    Cutover starts when everything before it is done and proved, acceptance when cutover is.
    """
    steps = [step for name, phase in PHASES.items() if name != "cutover" for step in phase(inventory)]
    for group in (PHASES["cutover"](inventory), acceptance):
        steps.extend(_after_all(steps, group))
    return Graph(steps)


def selected(graph: Graph, phases: Collection[str]) -> set[str]:
    """The keys of these phases; of all phases where none is named.

    Raises: errors.InventoryInvalid for an unknown phase.
    """
    for phase in phases:
        if phase not in PHASE_NAMES:
            known = ", ".join(PHASE_NAMES)
            raise InventoryInvalid([Fault(phase, 0, "", f"no such phase; there are: {known}")])
    return {step.key for step in graph if not phases or step.phase in phases}


def _after_all(earlier: list[Step[Any]], group: list[Step[Any]]) -> list[Step[Any]]:
    """The group's first steps wait for every earlier step that nothing else waits for."""
    needed = {need for step in earlier for need in step.needs}
    last = tuple(step.key for step in earlier if step.key not in needed)
    own = {step.key for step in group}
    return [
        step if own.intersection(step.needs) else replace(step, needs=(*step.needs, *last))  # type: ignore[type-var]
        for step in group
    ]
