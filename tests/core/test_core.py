"""Facts, checks, errors, secrets and the graph."""

import pickle
from dataclasses import dataclass

import pytest

from core.access import Pool, Reader
from core.checks import Check, Status, overall
from core.errors import Fault, InventoryInvalid, Refused
from core.facts import ABSENT, Fact, Known, Unreadable, to_json, unreadable_in
from core.graph import Frontier, Graph
from core.secret import Secret, redact
from tests.worlds.toy import SetValues, Store, StoreEndpoint

ENDPOINT = StoreEndpoint(Store())


def step(key: str, *needs: str) -> SetValues:
    return SetValues(key=key, needs=needs, wanted={}, endpoint=ENDPOINT)


def test_unreadable_is_found_however_deep() -> None:
    @dataclass(frozen=True)
    class Facts:
        hosts: dict[str, list[Fact[int]]]

    facts = Facts({"a": [Known(1), ABSENT, Unreadable("no route")]})
    assert [(path, found.reason) for path, found in unreadable_in(facts)] == [("hosts[a][2]", "no route")]
    assert to_json(facts) == {"hosts": {"a": [1, {"absent": True}, {"unreadable": "no route"}]}}


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        ((), Status.UNKNOWN),
        ((Status.PASS,), Status.PASS),
        ((Status.PASS, Status.UNKNOWN), Status.UNKNOWN),
        ((Status.UNKNOWN, Status.ERROR), Status.ERROR),
        ((Status.ERROR, Status.FAIL, Status.PASS), Status.FAIL),
    ],
)
def test_only_pass_everywhere_passes(statuses: tuple[Status, ...], worst: Status) -> None:
    assert overall(Check("x", status) for status in statuses) is worst


def test_a_secret_never_prints() -> None:
    secret = Secret("p@ss'w0rd 密码")
    assert "p@ss" not in f"{secret} {secret!r} {secret:>20}"
    assert redact(f"login with {secret.reveal()} failed") == "login with *** failed"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_an_error_says_what_why_and_what_next() -> None:
    error = Refused("'reports' is not listed", why="Only listed data moves.", next_command="qianyun check x")
    assert str(error).splitlines() == [
        "Refused: 'reports' is not listed",
        "Only listed data moves.",
        "    qianyun check x",
    ]
    faults = InventoryInvalid([Fault("b.yaml", 2, "x", "bad"), Fault("a.yaml", 9, "y", "worse")])
    assert str(faults).index("a.yaml:9: y: worse") < str(faults).index("b.yaml:2: x: bad")


def test_order_respects_needs_and_names_cycles() -> None:
    graph = Graph([step("c", "b"), step("b", "a"), step("a")])
    assert graph.order == ("a", "b", "c")
    assert graph.ancestors(["c"]) == {"a", "b"} and graph.descendants(["a"]) == {"b", "c"}
    with pytest.raises(Refused, match=r"(a -> b -> a|b -> a -> b)"):
        Graph([step("a", "b"), step("b", "a"), step("c")])
    with pytest.raises(Refused, match="'a' needs 'x'"):
        Graph([step("a", "x")])
    with pytest.raises(Refused, match="two steps"):
        Graph([step("a"), step("a")])


def test_going_back_keeps_the_order_even_over_gaps() -> None:
    graph = Graph([step("a"), step("b", "a"), step("c", "b")])
    assert graph.backwards(["a", "c"]).order == ("c", "a")


def test_a_failed_step_blocks_only_what_needs_it() -> None:
    frontier = Frontier(Graph([step("a"), step("b", "a"), step("c", "b"), step("d"), step("e", "d")]))
    assert frontier.take() == ["a", "d"]
    frontier.failed("a")
    frontier.succeeded("d")
    assert frontier.take() == ["e"]
    assert frontier.blocked == {"b": "a", "c": "a"}


def test_the_pool_lends_a_connection_to_one_step_at_a_time() -> None:
    pool = Pool()
    first, second = Reader(pool), Reader(pool)
    lent = first.open(ENDPOINT)
    assert second.open(ENDPOINT) is not lent
    first.close(healthy=True)
    assert Reader(pool).open(ENDPOINT) is lent
    second.close(healthy=False)
    assert Reader(pool).open(ENDPOINT) is not lent


def test_what_is_idle_beside_a_broken_connection_is_not_lent_again() -> None:
    """A server that restarts breaks them all: each would cost a step one of its few attempts."""
    pool = Pool()
    readers = [Reader(pool) for _ in range(3)]
    lent = [reader.open(ENDPOINT) for reader in readers]
    for reader in readers[:2]:
        reader.close(healthy=True)
    readers[2].close(healthy=False)
    assert Reader(pool).open(ENDPOINT) not in lent
