"""`qianyun compare`: verdict, exit status, one JSON document, keys and never values."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from core.access import Reader, Writer
from flows import cli
from inventory.practice import materialise
from tasks.databases.comparison import Pace
from tasks.databases.dirty import returning
from tasks.databases.relay import relay
from tasks.databases.steps import Move
from tests.databases.following import after, carried, over
from tests.flows.test_conduct import HOUR
from tests.worlds.mysql import OBJECTS, SCHEMA, STATEMENTS, MysqlWorld, fresh
from tests.worlds.mysql_follow import NEW_SIDE, TRIGGER, followed

PRIVATE = "王 7"
"""A value in the column 姓名 of the row that is damaged."""


@dataclass(frozen=True)
class Case:
    name: str
    target: tuple[str, ...]
    status: int
    verdict: str
    says: str


CUSTOMERS = f"{SCHEMA}.`客户 \"a``b'c`"
CASES = [
    Case("equal", (), 0, "EQUAL", ""),
    Case(
        "a value", (f"UPDATE {CUSTOMERS} SET `姓名` = 'x' WHERE `no #1` = 'c7'",), 1, "DIFFERENT", "no #1=c7"
    ),
    Case("a row less", (f"DELETE FROM {SCHEMA}.orders WHERE id = 3",), 1, "DIFFERENT", "id=3 missing"),
    Case(
        "a row more", (f"INSERT INTO {SCHEMA}.audit VALUES (9, 'x')",), 1, "DIFFERENT", "id=9 not at the so"
    ),
    Case("no key", (f"DELETE FROM {SCHEMA}.log WHERE n = 1 LIMIT 1",), 1, "DIFFERENT", "missing"),
    Case("an index", (f"ALTER TABLE {SCHEMA}.orders DROP KEY placed",), 1, "DIFFERENT", "KEY `placed`"),
    Case("a table", (f"DROP TABLE {SCHEMA}.log",), 1, "DIFFERENT", "table log: definition"),
    Case("an option", (f"ALTER DATABASE {SCHEMA} COLLATE utf8mb4_bin",), 1, "DIFFERENT", "utf8mb4_bin"),
]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[MysqlWorld]:
    made, move = fresh(*STATEMENTS)
    made.target.run(*STATEMENTS)
    monkeypatch.setattr("flows.compare.move_of", lambda inventory, item: move)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("QIANYUN_HOME", str(tmp_path / "home"))
    (tmp_path / "kept").mkdir()
    now = datetime.now(UTC)
    where = tmp_path / "p"
    return str(materialise(where, window_start=now - HOUR, window_end=now + HOUR, secrets=tmp_path / "kept"))


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.main, ["compare", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict_and_status(world: MysqlWorld, folder: str, case: Case) -> None:
    world.target.run("SET SESSION foreign_key_checks = 0", *case.target, "SET SESSION foreign_key_checks = 1")
    before = world.snapshot()
    status, out, error = run(folder, "shop-db", "--wait", "0", "--json")
    document = json.loads(out)
    assert (status, document["verdict"]) == (case.status, case.verdict)
    assert case.says in json.dumps(document, ensure_ascii=False).replace('\\"', '"')
    assert PRIVATE not in out + error and "rows" in error, "keys only; the estimate went to stderr"
    assert world.snapshot() == before, "it only looks"


def test_what_people_see(world: MysqlWorld, folder: str) -> None:
    world.target.run(f"DELETE FROM {SCHEMA}.orders WHERE id IN (3, 4)")
    status, out, _ = run(folder, "shop-db", "--table", "orders", "--wait", "0")
    assert status == 1 and "2 missing: id=3 missing; id=4 missing" in out and "DIFFERENT" in out
    assert "log" not in out, "only the table asked for"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("share",), "no database"),
        (("nothing",), "not on the migration list"),
        (("shop-db", "--table", "x"), "x:"),
    ],
)
def test_refused(world: MysqlWorld, folder: str, arguments: tuple[str, ...], says: str) -> None:
    status, out, error = run(folder, *arguments, "--json")
    assert status == 3 and says in error and json.loads(out)["error"]["class"] == "Refused"


def test_no_writer_is_ever_built(world: MysqlWorld, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a comparison never writes")

    monkeypatch.setattr("tasks.databases.mysql.endpoint.MysqlServer.open_writer", refuse)
    monkeypatch.setattr("core.access.Writer.__init__", refuse)
    assert run(folder, "shop-db")[0] == 0


@pytest.fixture
def switched(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[MysqlWorld, Move]]:
    """Users are on the target, and wrote there what the source has not got yet."""
    made, move = followed(*OBJECTS, *TRIGGER)
    carried([*over(move).values(), *after(move).values()])
    made.target.run(*NEW_SIDE)
    monkeypatch.setattr("flows.compare.move_of", lambda inventory, item: move)
    yield made, move
    made.close()


def as_followed(folder: str) -> str:
    listed = Path(folder, "migration-list.yaml")
    text = listed.read_text()
    listed.write_text(text.replace("kind: database\n", "kind: database\n    method: follow\n"))
    return folder


def brought_back(move: Move) -> None:
    reader = Reader()
    writer = Writer(reader, lambda text: None)
    try:
        target, source = returning(move, reader)
        relay(target, source, writer.open(move.source), target.port.position())
    finally:
        writer.close()
        reader.close()


def test_after_the_switch_the_source_is_compared_with_the_target(
    switched: tuple[MysqlWorld, Move], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, move = switched
    with monkeypatch.context() as patient:
        patient.setattr("tasks.databases.comparison.Pace", partial(Pace, patience_s=0.2))
        status, out, error = run(as_followed(folder), "shop-db", "--wait", "0", "--json")
    behind = json.loads(out)
    assert (behind["leads"], behind["verdict"], status) == ("target", "CHANGING", 1), "it is on its way back"
    assert "changed at the target meanwhile" in error
    brought_back(move)
    level = json.loads(run(folder, "shop-db", "--wait", "0", "--json")[1])
    assert (level["verdict"], level["left_out"]) == ("EQUAL", ["trigger"])
    assert level["compared"] == f"{move.to_label} with {move.from_label}"
    world.source.run(
        f"DELETE FROM {SCHEMA}.orders WHERE id = 5", f"INSERT INTO {SCHEMA}.audit VALUES (77, 'x')"
    )
    status, out, error = run(folder, "shop-db", "--wait", "0", "--json")
    wrong = {row["name"]: row for row in json.loads(out)["tables"] if row["verdict"] == "DIFFERENT"}
    assert status == 1 and set(wrong) == {"orders", "audit"}
    assert (wrong["orders"]["keys"], wrong["orders"]["not_at_source"]) == (["id=5 not at the source"], 1)
    assert (wrong["audit"]["keys"], wrong["audit"]["missing"]) == (["id=77 missing"], 1)
    assert wrong["orders"]["rows_at_target"] == wrong["orders"]["rows_at_source"] + 1
    assert "The source does not hold what the target holds" in error
    assert "The target leads since the switch" in run(folder, "shop-db", "--wait", "0")[1]
