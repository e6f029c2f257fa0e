"""Why a document would be sent back, found before it is rendered."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.errors import ApplyFailed
from inventory.model import Inventory
from runbooks.record import Record, StepLine

FIX_FORWARD_S = 1800.0
"""Kept free in the window for mending forward before the way back must begin."""
LEAST_ROLLBACK_S = 900.0
"""However fast the steps are, people need time to decide, go back and look again."""

_PLACEHOLDER = re.compile(
    r"<[^<>]*>|\{\{|\}\}|\bTODO\b|\bTBD\b|\bDIGEST\b|\bPROJECT\b|\bX{3,}\b|…|\.\.\.|待定"
)


@dataclass(frozen=True)
class Shortcoming:
    """One reason for which a document would be sent back; `rejects`: it must not be made like this."""

    document: str
    place: str
    message: str
    rejects: bool = True

    def __str__(self) -> str:
        return f"{self.document}: {self.place}: {self.message}"


def require_fit(shortcomings: Iterable[Shortcoming]) -> None:
    """Raises: errors.ApplyFailed naming everything that rejects."""
    fatal = [str(shortcoming) for shortcoming in shortcomings if shortcoming.rejects]
    if fatal:
        raise ApplyFailed(
            "\n".join(["the document would be sent back", *(f"  {text}" for text in fatal)]),
            why="A document that breaks its own rules does not meet the acceptance condition.",
            next_command="qianyun status",
        )


def is_placeholder(command: str) -> bool:
    return not command.strip() or bool(_PLACEHOLDER.search(command))


def outside_scope(document: str, inventory: Inventory, record: Record) -> Iterator[Shortcoming]:
    listed = {item.name for item in inventory.migration_list if item.in_scope}
    for step in record.steps:
        if step.item and step.item not in listed:
            yield Shortcoming(document, step.key, f"{step.item} 不在迁移列表范围内")


def overlapping_networks(document: str, inventory: Inventory) -> Iterator[Shortcoming]:
    network = inventory.targets.network
    subnets = [(f"子网 {s.name}", s.cidr) for s in network.subnets]
    outer = [(f"源网络 {n.name}", n.cidr) for n in inventory.sources.networks]
    vpc = (f"VPC {network.name}", network.cidr)
    pairs: list[tuple[tuple[str, Any], tuple[str, Any]]] = [(vpc, other) for other in outer]
    pairs += [(a, b) for n, a in enumerate(subnets) for b in subnets[n + 1 :]]
    for (name, cidr), (other_name, other_cidr) in pairs:
        if cidr.version == other_cidr.version and cidr.overlaps(other_cidr):
            yield Shortcoming(document, name, f"{cidr} 与 {other_name} {other_cidr} 重叠")


@dataclass(frozen=True)
class WindowSum:
    """How the reserved window is spent, and the last moment at which going back still fits in it.

    Source: deliverables.md, 1.2 (forward + verification + fix-forward margin + rollback).
    """

    start: datetime
    end: datetime
    forward_s: float
    verification_s: float
    rollback_s: float

    @property
    def needed_s(self) -> float:
        return self.forward_s + self.verification_s + FIX_FORWARD_S + self.rollback_s

    @property
    def length_s(self) -> float:
        return (self.end - self.start).total_seconds()

    @property
    def decide_by(self) -> datetime:
        latest = self.end - timedelta(seconds=self.rollback_s)
        return latest.replace(second=0, microsecond=0) - timedelta(minutes=latest.minute % 5)


def window_sum(inventory: Inventory, record: Record) -> WindowSum:
    """The sum over the cutover's longest chain; the way back is taken to need as long as the way there."""
    schedule = cutover_schedule(record)
    forward = max((end for key, (_, end) in schedule.items() if not _is_check(key)), default=0.0)
    whole = max((end for _, end in schedule.values()), default=0.0)
    window = inventory.project.window
    rollback = max(forward, LEAST_ROLLBACK_S)
    return WindowSum(window.start, window.end, forward, whole - forward, rollback)


def cutover_schedule(record: Record) -> dict[str, tuple[float, float]]:
    """When each cutover step starts and ends at the latest expected, in seconds after the window opens."""
    steps: dict[str, StepLine] = {step.key: step for step in record.phase("cutover")}
    schedule: dict[str, tuple[float, float]] = {}
    for key, step in steps.items():
        start = max((schedule[need][1] for need in step.needs if need in schedule), default=0.0)
        schedule[key] = (start, start + step.p90_s)
    return schedule


def _is_check(key: str) -> bool:
    return key.startswith("cutover/check/")
