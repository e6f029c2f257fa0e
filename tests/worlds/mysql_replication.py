"""The steps of a target that replicates by itself, on the same two servers."""

from typing import Any

from core.step import Step
from tasks.databases.steps import Move
from tests.contract.case import Case, World
from tests.databases.following import before, over
from tests.databases.replicating import ReplicatingWorld, replicating, stopped
from tests.worlds.mysql import MOVED_ON, SCHEMA, done
from tests.worlds.mysql_follow import copied


def copied_to_replicate(*statements: str) -> tuple[ReplicatingWorld, Move]:
    """Phase databases up to the comparison."""
    plain, move = copied(*statements)
    world = ReplicatingWorld(plain.source, plain.target)
    world.damage = lambda: stopped(world.target)
    return world, replicating(world.source, move)


def replicated(*statements: str) -> tuple[ReplicatingWorld, Move]:
    """It replicates, and the source has moved on."""
    world, move = copied_to_replicate(*statements)
    steps = before(move)
    done(steps["replication"], steps["follow"])
    world.source.run(*MOVED_ON)
    return world, move


def _replicate() -> tuple[Step[Any], World]:
    world, move = copied_to_replicate()
    return before(move)["replication"], world


def _ended() -> tuple[Step[Any], World]:
    world, move = replicated()
    steps = over(move)
    done(*(steps[name] for name in ("readiness", "freeze", "drain")))
    again = f"INSERT INTO qianyun_copy_{SCHEMA}.position VALUES (2, '')"
    world.damage = lambda: world.target.run(again)
    return steps["ended"], world


CASES = [
    Case("mysql replication", _replicate),
    Case("mysql end of replication", _ended),
]
