"""The steps of a database that is followed, on the same two servers."""

from typing import Any

from core.step import Step
from tasks.databases.steps import FollowSource, Move
from tests.contract.case import Case, World
from tests.databases.following import after, before, over
from tests.worlds.mysql import ACCOUNTS, MOVED_ON, OBJECTS, SCHEMA, STATEMENTS, MysqlWorld, done, fresh

MARKS = f"qianyun_copy_{SCHEMA}"
TRIGGER = (
    f"USE {SCHEMA}",
    "CREATE OR REPLACE DEFINER=migrator@'%' TRIGGER orders_ai AFTER INSERT ON orders FOR EACH ROW"
    " INSERT INTO audit (what) VALUES (NEW.id)",
)
NEW_SIDE = (
    f"INSERT INTO {SCHEMA}.orders (customer, region, price, placed) VALUES ('c1', 1, 77, '2025-01-01')",
    f"UPDATE {SCHEMA}.orders SET status = 'paid' WHERE id = 3",
    f"DELETE FROM {SCHEMA}.orders WHERE id = 4",
    f"INSERT INTO {SCHEMA}.log VALUES ('new side', 1)",
)


def copied(*statements: str) -> tuple[MysqlWorld, Move]:
    """Phase databases is over, except that nothing was followed yet."""
    world, move = fresh(*STATEMENTS, *statements)
    steps = before(move)
    done(*(steps[name] for name in ("schema", "data", "objects")))
    return world, move


def followed(*statements: str) -> tuple[MysqlWorld, Move]:
    world, move = copied(*statements)
    done(before(move)["follow"])
    world.source.run(*MOVED_ON)
    return world, move


def until(world: MysqlWorld, move: Move, name: str) -> Step[Any]:
    """Everything of the cutover before the step `name` is done; gives that step."""
    for key, step in {**over(move), **after(move)}.items():
        if key == name:
            return step
        done(step)
    raise KeyError(name)


def _follow() -> tuple[Step[Any], World]:
    world, move = copied()
    world.source.run(*MOVED_ON)
    world.damage = lambda: world.target.run(f"DROP DATABASE {MARKS}")
    return FollowSource(key="databases/shop/follow", item="shop", move=move, most_lag_bytes=0), world


def _compared() -> tuple[Step[Any], World]:
    world, move = followed(*OBJECTS, *TRIGGER, *ACCOUNTS)
    done(before(move)["accounts"])
    world.damage = lambda: world.target.run(f"UPDATE {SCHEMA}.orders SET price = price + 1 WHERE id = 3")
    done(FollowSource(key="databases/shop/follow", move=move, most_lag_bytes=0))
    return before(move)["comparison"], world


def _ready() -> tuple[Step[Any], World]:
    world, move = followed()
    world.damage = lambda: world.target.run(f"DROP DATABASE {MARKS}")
    return over(move)["readiness"], world


def _frozen() -> tuple[Step[Any], World]:
    world, move = followed()
    step = until(world, move, "freeze")
    world.damage = lambda: world.source.run("SET GLOBAL read_only = 0")
    return step, world


def _drained() -> tuple[Step[Any], World]:
    world, move = followed()
    done(over(move)["readiness"])
    world.source.run(f"UPDATE {SCHEMA}.orders SET price = 5 WHERE id = 5", "SET GLOBAL read_only = 1")
    world.damage = lambda: world.source.run("SET GLOBAL read_only = 0")
    return over(move)["drain"], world


def _dirty() -> tuple[Step[Any], World]:
    world, move = followed()
    done(over(move)["readiness"])
    world.source.run(f"UPDATE {SCHEMA}.orders SET price = 5 WHERE id = 5", "SET GLOBAL read_only = 1")
    done(over(move)["drain"])
    world.damage = lambda: world.target.run(f"UPDATE {SCHEMA}.orders SET price = 6 WHERE id = 5")
    return over(move)["dirty"], world


def _triggers() -> tuple[Step[Any], World]:
    world, move = followed(*OBJECTS, *TRIGGER)
    world.damage = lambda: world.target.run(f"DROP TRIGGER {SCHEMA}.orders_ai")
    return until(world, move, "triggers"), world


def _returning() -> tuple[Step[Any], World]:
    world, move = followed(*OBJECTS, *TRIGGER)
    world.damage = lambda: world.source.run(f"DROP DATABASE {MARKS}")
    return until(world, move, "return"), world


def _reversed() -> tuple[Step[Any], World]:
    world, move = followed(*OBJECTS, *TRIGGER)
    step = until(world, move, "reverse")
    world.target.run(*NEW_SIDE)
    world.damage = lambda: world.source.run("SET GLOBAL read_only = 0")
    return step, world


def _events() -> tuple[Step[Any], World]:
    world, move = followed(*OBJECTS, *TRIGGER)
    world.damage = lambda: world.source.run(f"ALTER EVENT {SCHEMA}.nightly ENABLE")
    return until(world, move, "events"), world


CASES = [
    Case("mysql follow", _follow),
    Case("mysql comparison while following", _compared),
    Case("mysql readiness", _ready),
    Case("mysql freeze of a followed source", _frozen),
    Case("mysql drain", _drained),
    Case("mysql comparison of what changed", _dirty),
    Case("mysql triggers", _triggers),
    Case("mysql return", _returning),
    Case("mysql reverse", _reversed),
    Case("mysql events", _events),
]
