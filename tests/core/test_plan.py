"""The digest covers the logical plan only, and drift is named."""

import pytest

from core.plan import AfterApply, Change, Duration, MigrationPlan, Plan
from core.secret import Secret

VPC = Change("create", "vpc 10.0.0.0/16", None, {"cidr": "10.0.0.0/16"})
SUBNET = Change("create", "subnet a", None, {"vpc": AfterApply("network/vpc", "id"), "cidr": "10.0.1.0/24"})
SUBNET_NOW = Change("create", "subnet a", None, {"vpc": "vpc-1", "cidr": "10.0.1.0/24"})
NOTHING = Plan(nothing_because="it is as wanted")


def plan_of(**steps: Plan) -> MigrationPlan:
    return MigrationPlan(steps)


def test_sizes_and_durations_do_not_void_an_approval() -> None:
    small = Plan((Change("copy", "table `a`", measures={"rows": 1}),), duration=Duration(1, 2))
    grown = Plan((Change("copy", "table `a`", measures={"rows": 9_000_000}),), duration=Duration(50, 90))
    assert plan_of(x=small).digest == plan_of(x=grown).digest


@pytest.mark.parametrize(
    "other",
    [
        Change("change", "vpc 10.0.0.0/16", None, {"cidr": "10.0.0.0/16"}),
        Change("create", "vpc 10.0.0.0/8", None, {"cidr": "10.0.0.0/16"}),
        Change("create", "vpc 10.0.0.0/16", "x", {"cidr": "10.0.0.0/16"}),
        Change("create", "vpc 10.0.0.0/16", None, {"cidr": "10.0.0.0/17"}),
    ],
)
def test_everything_logical_is_digested(other: Change) -> None:
    assert plan_of(x=Plan((VPC,))).digest != plan_of(x=Plan((other,))).digest


def test_the_digest_does_not_depend_on_the_order_of_steps() -> None:
    a, b = Plan((VPC,)), Plan((SUBNET,))
    assert MigrationPlan({"a": a, "b": b}).digest == MigrationPlan({"b": b, "a": a}).digest


def test_the_digest_survives_the_ledger() -> None:
    plan = plan_of(vpc=Plan((VPC,), duration=Duration(1, 2)), subnet=Plan((SUBNET,)), x=NOTHING)
    assert MigrationPlan.from_json(plan.to_json()).digest == plan.digest


def test_a_plan_without_changes_explains_itself() -> None:
    with pytest.raises(ValueError, match="nothing_because"):
        Plan()


def test_a_secret_has_no_place_in_a_plan() -> None:
    with pytest.raises(TypeError):
        _ = plan_of(x=Plan((Change("create", "account", None, Secret("hunter22")),))).digest


DRIFT = [
    ("same", {"a": Plan((VPC,))}, {"a": Plan((VPC,))}, (), []),
    ("known after apply", {"a": Plan((SUBNET,))}, {"a": Plan((SUBNET_NOW,))}, (), []),
    ("new step", {}, {"a": Plan((VPC,))}, (), ["a: was not in the approved plan"]),
    ("step gone", {"a": Plan((VPC,))}, {}, (), ["a: was approved and is no longer planned"]),
    ("already done by somebody", {"a": Plan((VPC,))}, {"a": NOTHING}, (), ["no longer plans"]),
    ("already done by us", {"a": Plan((VPC,))}, {"a": NOTHING}, ("a",), []),
    ("another change", {"a": NOTHING}, {"a": Plan((VPC,))}, (), ["now plans: create vpc"]),
    ("another change though begun", {"a": NOTHING}, {"a": Plan((VPC,))}, ("a",), ["now plans: create vpc"]),
    (
        "half done by us",
        {"a": Plan((Change("create", "x", None, 2),))},
        {"a": Plan((Change("change", "x", 1, 2),))},
        ("a",),
        [],
    ),
    (
        "half done by somebody",
        {"a": Plan((Change("create", "x", None, 2),))},
        {"a": Plan((Change("change", "x", 1, 2),))},
        (),
        ["now plans: change x: 1 -> 2", "no longer plans: create x"],
    ),
]


@pytest.mark.parametrize(("name", "approved", "now", "begun", "expected"), DRIFT, ids=[d[0] for d in DRIFT])
def test_drift(
    name: str, approved: dict[str, Plan], now: dict[str, Plan], begun: tuple[str, ...], expected: list[str]
) -> None:
    lines = MigrationPlan(approved).drift(MigrationPlan(now), frozenset(begun))
    assert len(lines) == len(expected)
    assert all(fragment in line for fragment, line in zip(expected, lines, strict=True))
