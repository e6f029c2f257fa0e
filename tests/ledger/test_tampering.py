"""Whoever changes the ledger behind our back is found out: cases as data, in either engine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from core.errors import LedgerMismatch
from ledger.engine import ledger_url, make_engine
from ledger.entry import Entry
from ledger.schema import TRIGGERS
from tests.ledger.places import Place
from tests.ledger.sample import apply, migration_plan, rehearse

Tamper = Callable[[Connection], Any]


def sql(*statements: str) -> Tamper:
    return lambda connection: [connection.execute(text(statement)) for statement in statements]


def swap(connection: Connection) -> None:
    sql(
        "UPDATE entries SET seq = 1003 WHERE seq = 3",
        "UPDATE entries SET seq = 3 WHERE seq = 5",
        "UPDATE entries SET seq = 5 WHERE seq = 1003",
    )(connection)


def replace_with_right_hash(connection: Connection, seq: int = 4) -> str:
    row = connection.execute(text(f"SELECT * FROM entries WHERE seq = {seq}")).one()
    forged = Entry(
        **{**row._mapping, "payload": row.payload.replace("PASS", "FAIL").replace("{", '{"x":1,', 1)}
    )
    values = {"payload": forged.payload, "hash": forged.computed_hash(), "seq": seq}
    connection.execute(text("UPDATE entries SET payload = :payload, hash = :hash WHERE seq = :seq"), values)
    return forged.computed_hash()


def rewrite_the_end_and_the_head(connection: Connection) -> None:
    new = replace_with_right_hash(connection, 7)
    connection.execute(text("UPDATE head SET hash = :new"), {"new": new})


def cut_the_end_and_the_head(connection: Connection) -> None:
    sql(
        "DELETE FROM entries WHERE seq > 5",
        "UPDATE head SET seq = 5, hash = (SELECT hash FROM entries WHERE seq = 5)",
    )(connection)


def append_a_forgery(connection: Connection) -> None:
    sql(
        "INSERT INTO entries SELECT 8, at_utc, kind, run_id, step, subject, payload, hash, hash FROM entries "
        "WHERE seq = 7"
    )(connection)


@dataclass(frozen=True)
class Case:
    name: str
    tamper: Tamper
    faults: tuple[str, ...]
    opens: bool = True


CASES = [
    Case("payload edited", sql("UPDATE entries SET payload = '{}' WHERE seq = 3"), ("entry 3: was edited",)),
    Case("text not JSON", sql("UPDATE entries SET payload = 'x' WHERE seq = 3"), ("entry 3: was edited",)),
    Case(
        "time edited",
        sql("UPDATE entries SET at_utc = '2020-01-01T00:00:00.000000Z' WHERE seq = 4"),
        ("entry 4: was edited",),
    ),
    Case(
        "state edited", sql("UPDATE entries SET subject = 'Failed' WHERE seq = 2"), ("entry 2: was edited",)
    ),
    Case("rehashed", replace_with_right_hash, ("entry 5: does not follow entry 4: that one was edited",)),
    Case("first deleted", sql("DELETE FROM entries WHERE seq = 1"), ("entry 1: is missing",)),
    Case("middle deleted", sql("DELETE FROM entries WHERE seq = 4"), ("entry 4: is missing",)),
    Case("last deleted", sql("DELETE FROM entries WHERE seq = 7"), ("entry 7: was cut off",), opens=False),
    Case("tail truncated", sql("DELETE FROM entries WHERE seq > 2"), ("entry 3: was cut off",), opens=False),
    Case("all deleted", sql("DELETE FROM entries"), ("entry 1: was cut off",), opens=False),
    Case(
        "two reordered",
        swap,
        ("entry 3: was reordered: it is the record written as entry 5", "entry 5: was reordered"),
    ),
    Case("forgery appended", append_a_forgery, ("entry 8:", "entry 8: was not written by"), opens=False),
    Case(
        "project edited",
        sql("UPDATE setup SET created_at_utc = '2020-01-01T00:00:00.000000Z'"),
        ("entry 1: does not follow entry 0",),
    ),
    Case("setup deleted", sql("DELETE FROM setup"), ("does not say which project",), opens=False),
    Case("head deleted", sql("DELETE FROM head"), ("the ledger has lost its head",), opens=False),
]
KNOWN_ONLY_FROM_OUTSIDE = [
    Case(
        "end and head rewritten", rewrite_the_end_and_the_head, ("noted earlier, is no longer in the chain",)
    ),
    Case("end and head cut", cut_the_end_and_the_head, ("noted earlier, is no longer in the chain",)),
]


def fill(place: Place) -> str:
    """Seven entries; gives the head."""
    with place.open() as ledger:
        digest = rehearse(ledger, migration_plan("databases/shop/data"))
        run_id = ledger.start_run("live", requested_by="wang@provider.cn", digest=digest)
        apply(ledger, run_id, "databases/shop/data", digest)
        verification = ledger.verify()
        assert verification.ok and verification.entries == 7
        return verification.head


def tamper(place: Place, change: Tamper) -> None:
    """As somebody with full access to the database does it: guards off, change, guards on."""
    engine = make_engine(ledger_url(place.home, place.url))
    with engine.begin() as connection:
        if place.is_postgresql:
            connection.execute(text("SET session_replication_role = replica"))
            change(connection)
        else:
            rows = connection.execute(
                text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            ).all()
            for row in rows:
                connection.execute(text(f"DROP TRIGGER {row.name}"))
            change(connection)
            for row in rows:
                connection.exec_driver_sql(row.sql)
    engine.dispose()


def faults(place: Place, *noted: str) -> list[str]:
    try:
        reader = place.peek()
    except LedgerMismatch as error:
        return [str(error)]
    with reader:
        verification = reader.verify(noted)
        assert verification.ok is (not verification.faults)
        return [str(fault) for fault in verification.faults]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_found_out(place: Place, case: Case) -> None:
    fill(place)
    tamper(place, case.tamper)
    found = faults(place)
    for expected in case.faults:
        assert any(expected in fault for fault in found), found
    if case.opens:
        place.open().close()
    else:
        with pytest.raises(LedgerMismatch):
            place.open()


@pytest.mark.parametrize("case", KNOWN_ONLY_FROM_OUTSIDE, ids=lambda case: case.name)
def test_a_noted_head_finds_out_even_a_consistent_forgery(place: Place, case: Case) -> None:
    head = fill(place)
    assert faults(place, head) == []
    tamper(place, case.tamper)
    assert case.name == "end and head cut" or faults(place) == []
    assert any(case.faults[0] in fault for fault in faults(place, head))


@pytest.mark.parametrize("damage", ["altered", "emptied", "removed"])
def test_evidence_is_part_of_it(place: Place, damage: str) -> None:
    fill(place)
    with place.peek() as reader:
        digest = reader.steps("run-2")[0].evidence
    file = place.home / "evidence" / digest[:2] / f"{digest}.json"
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(b"" if damage == "emptied" else file.read_bytes().replace(b"PASS", b"FAIL"))
    (fault,) = faults(place)
    expected = "is missing" if damage == "removed" else "was altered"
    assert fault.startswith("entry 7: its evidence") and expected in fault


GUARDED = [
    "UPDATE entries SET payload = '{}'",
    "DELETE FROM entries WHERE seq = 7",
    "UPDATE setup SET project = 'other'",
    "DELETE FROM setup",
    "UPDATE head SET seq = 3",
    "DELETE FROM head",
]
ONLY_SQLITE = [
    "INSERT OR REPLACE INTO entries SELECT 3, at_utc, kind, run_id, step, subject, '{}', prev_hash, hash "
    "FROM entries WHERE seq = 3",
    "INSERT OR REPLACE INTO setup VALUES (1, 'other', 1, '')",
    "INSERT OR REPLACE INTO head VALUES (1, 3, '')",
]
ONLY_POSTGRESQL = ["TRUNCATE entries", "TRUNCATE setup", "TRUNCATE head"]


def test_the_database_itself_refuses(place: Place) -> None:
    fill(place)
    engine = make_engine(ledger_url(place.home, place.url))
    for statement in GUARDED + (ONLY_POSTGRESQL if place.is_postgresql else ONLY_SQLITE):
        with (
            pytest.raises(DBAPIError, match=r"append-only|a ledger|the ledger|the head"),
            engine.begin() as connection,
        ):
            connection.execute(text(statement))
    engine.dispose()
    assert faults(place) == []


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_guard_taken_out_is_named(place: Place, name: str) -> None:
    fill(place)
    engine = make_engine(ledger_url(place.home, place.url))
    table = f" ON {name.split('_')[0]}" if place.is_postgresql else ""
    with engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER {name}{table}"))
    engine.dispose()
    assert faults(place) == [f"the guard {name} was taken out of the database"]
