"""Plans: what a step would do, and the digest people approve.

The digest covers the logical plan only - which steps, which changes, from what to what. Sizes, counts
and durations are `measures`: shown and recorded, never digested, so that a table which grew overnight
does not void an approval.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from core.secret import Secret

Action: TypeAlias = Literal["create", "change", "copy", "delete", "run"]
Value: TypeAlias = Any
"""JSON-like: None, bool, int, float, str, list, tuple, str-keyed mapping, or AfterApply inside them."""


@dataclass(frozen=True)
class AfterApply:
    """A value that exists only once `step` was applied, such as the id of a network to be created."""

    step: str
    field: str


@dataclass(frozen=True)
class Change:
    """One difference between the world and what is wanted.

    `before` holds all that undoing needs; `after` what will be there. Neither holds a secret: give a
    digest of it where a change of the value must be noticed.
    """

    action: Action
    object: str
    before: Value = None
    after: Value = None
    measures: Mapping[str, Value] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """One line for the table that people approve."""
        if self.action == "change":
            return f"{self.action} {self.object}: {_brief(self.before)} -> {_brief(self.after)}"
        tail = f" = {_brief(self.after)}" if self.action == "create" and self.after is not None else ""
        return f"{self.action} {self.object}{tail}"

    def logical(self) -> Value:
        return [self.action, self.object, canonical(self.before), canonical(self.after)]


@dataclass(frozen=True)
class Duration:
    """How long something takes, as the median and the time not exceeded in nine of ten cases; seconds."""

    p50_s: float = 0.0
    p90_s: float = 0.0

    def __add__(self, other: "Duration") -> "Duration":
        return Duration(self.p50_s + other.p50_s, self.p90_s + other.p90_s)


@dataclass(frozen=True)
class Plan:
    """What one step would do. Without changes it explains itself in `nothing_because`."""

    changes: tuple[Change, ...] = ()
    nothing_because: str = ""
    duration: Duration = Duration()

    def __post_init__(self) -> None:
        if not self.changes and not self.nothing_because:
            raise ValueError("a plan without changes must say why (nothing_because)")

    @property
    def is_empty(self) -> bool:
        return not self.changes

    def to_json(self) -> dict[str, Value]:
        return {
            "changes": [
                {
                    "action": change.action,
                    "object": change.object,
                    "before": canonical(change.before),
                    "after": canonical(change.after),
                    "measures": canonical(dict(change.measures)),
                }
                for change in self.changes
            ],
            "nothing_because": self.nothing_because,
            "duration_s": {"p50": self.duration.p50_s, "p90": self.duration.p90_s},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Value]) -> "Plan":
        changes = tuple(
            Change(
                entry["action"],
                entry["object"],
                _revive(entry["before"]),
                _revive(entry["after"]),
                entry.get("measures", {}),
            )
            for entry in data["changes"]
        )
        times = data.get("duration_s", {})
        duration = Duration(times.get("p50", 0.0), times.get("p90", 0.0))
        return cls(changes, data.get("nothing_because", ""), duration)


@dataclass(frozen=True)
class MigrationPlan:
    """The plans of a whole graph, by step key in the order of the graph."""

    steps: Mapping[str, Plan]

    @property
    def digest(self) -> str:
        """sha256 over the logical plan: the same wishes on the same world give the same digest."""
        logical = [[key, [c.logical() for c in self.steps[key].changes]] for key in sorted(self.steps)]
        return sha256_json(logical)

    def to_json(self) -> dict[str, Value]:
        return {key: plan.to_json() for key, plan in self.steps.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Value]) -> "MigrationPlan":
        return cls({key: Plan.from_json(plan) for key, plan in data.items()})

    def drift(self, current: "MigrationPlan", begun: frozenset[str] = frozenset()) -> list[str]:
        """What differs between this approved plan and the plan as it is now, a line each.

        A step in `begun` (our own records say it was started under this approval) may have less left to
        do than was approved, never something else. Values known only after apply match what they became.
        """
        lines: list[str] = []
        for key in sorted(set(self.steps) | set(current.steps)):
            approved, now = self.steps.get(key), current.steps.get(key)
            if approved is None:
                lines.append(f"{key}: was not in the approved plan")
            elif now is None:
                lines.append(f"{key}: was approved and is no longer planned")
            else:
                lines.extend(f"{key}: {line}" for line in step_drift(approved, now, key in begun))
        return lines


def step_drift(approved: Plan, now: Plan, begun: bool) -> Iterator[str]:
    """The lines of `MigrationPlan.drift` for one step."""
    unmatched = list(approved.changes)
    for change in now.changes:
        match = next((a for a in unmatched if _admits(a, change, begun)), None)
        if match is None:
            yield f"now plans: {change.summary}"
        else:
            unmatched.remove(match)
    if not begun:
        for change in unmatched:
            yield f"no longer plans: {change.summary}"


def _admits(approved: Change, now: Change, begun: bool) -> bool:
    if approved.object != now.object or not _matches(approved.after, now.after):
        return False
    # Once begun, the state before is partly our own work: a half-made object is finished by a "change".
    return begun or (approved.action == now.action and _matches(approved.before, now.before))


def _matches(pattern: Value, value: Value) -> bool:
    if isinstance(pattern, AfterApply):
        return True
    if isinstance(pattern, Mapping) and isinstance(value, Mapping):
        return pattern.keys() == value.keys() and all(_matches(pattern[k], value[k]) for k in pattern)
    if isinstance(pattern, (list, tuple)) and isinstance(value, (list, tuple)):
        return len(pattern) == len(value) and all(map(_matches, pattern, value))
    return bool(canonical(pattern) == canonical(value))


def canonical(value: Value) -> Value:
    """The JSON form that is digested: refuses secrets and anything without one meaning.

    Raises: TypeError for a Secret or an unknown type.
    """
    if isinstance(value, AfterApply):
        return {"after_apply": [value.step, value.field]}
    if isinstance(value, Secret):
        raise TypeError("a plan must not hold a Secret")
    if isinstance(value, Mapping):
        return {str(k): canonical(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a plan")


def _revive(value: Value) -> Value:
    if isinstance(value, dict):
        if value.keys() == {"after_apply"}:
            return AfterApply(*value["after_apply"])
        return {k: _revive(v) for k, v in value.items()}
    return [_revive(v) for v in value] if isinstance(value, list) else value


def sha256_json(value: Value) -> str:
    """Hex sha256 of the canonical JSON text (sorted keys, no spaces, UTF-8)."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # File names that are not UTF-8 reach us with surrogates: they must be digested, not raise.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _brief(value: Value, limit: int = 60) -> str:
    if isinstance(value, AfterApply):
        return f"({value.field} of {value.step}, known after apply)"
    text = value if isinstance(value, str) else json.dumps(canonical(value), ensure_ascii=False)
    return text if len(text) <= limit else text[: limit - 1] + "…"
