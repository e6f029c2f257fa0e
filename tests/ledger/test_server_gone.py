"""PostgreSQL goes away and comes back: said in words, and the ledger goes on."""

import sqlite3
from pathlib import Path

import psycopg
import pytest

from core.errors import ApplyFailed
from tests.ledger.places import Place, create_database
from tests.ledger.sample import apply, ended


@pytest.fixture
def server_place(postgresql: str, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    url = create_database(postgresql, request.node.name)
    return Place(tmp_path / "var", url)


def cut_connections(place: Place) -> None:
    with psycopg.connect(str(place.url), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_lost_connection_is_made_again(server_place: Place) -> None:
    with server_place.open() as ledger:
        run_id = ledger.start_run("live", requested_by="a@b.cn")
        for number in range(3):
            apply(ledger, run_id, f"files/{number}", "d" * 64)
            cut_connections(server_place)
        ended(ledger, run_id, "files/last", "Unchanged")
        assert len(ledger.steps(run_id)) == 4
        assert ledger.verify().ok and ledger.verify().entries == 8


def test_a_lock_held_too_long_is_transient(server_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.engine.BUSY_TIMEOUT_S", 1)
    with server_place.open() as ledger, psycopg.connect(str(server_place.url)) as other:
        other.execute("SELECT * FROM head FOR UPDATE")
        with pytest.raises(ApplyFailed, match="lock timeout") as failure:
            ledger.start_run("live", requested_by="a@b.cn")
        assert failure.value.transient
        other.rollback()
        assert ledger.start_run("live", requested_by="a@b.cn") == "run-1"


def test_a_busy_file_is_transient(file_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.engine.BUSY_TIMEOUT_S", 0.2)
    with file_place.open() as ledger:
        other = sqlite3.connect(ledger.address, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ApplyFailed, match="locked") as failure:
            ledger.start_run("live", requested_by="a@b.cn")
        assert failure.value.transient
        other.execute("ROLLBACK")
        other.close()
        assert ledger.start_run("live", requested_by="a@b.cn") == "run-1"
