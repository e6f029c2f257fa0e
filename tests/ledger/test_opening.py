"""Opening: whose ledger, which format, and clear words where it cannot be."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import ledger.migrations
from core.errors import LedgerMismatch, MigrationError, Refused, Unreadable
from ledger.book import Ledger
from ledger.engine import ledger_url, make_engine
from ledger.schema import REVISION, VERSION_TABLE, metadata
from tests.ledger.places import Place
from tests.ledger.sample import migration_plan, rehearse


def test_another_projects_ledger_is_refused(place: Place) -> None:
    place.open("demo").close()
    with pytest.raises(
        LedgerMismatch, match="belongs to project 'demo', the inventory to 'other'"
    ) as refusal:
        place.open("other")
    assert refusal.value.exit_status == 3
    assert str(refusal.value).splitlines()[-1] == "    export QIANYUN_HOME=./var-other"
    place.open("demo").close()


def test_what_was_written_is_there_when_opened_again(place: Place) -> None:
    with place.open() as one:
        digest = rehearse(one, migration_plan())
    with place.open() as two:
        assert two.plan_of(digest) == migration_plan().to_json()
        rehearse(two, migration_plan())
        assert two.verify().ok and len(two.runs()) == 2


def test_nothing_to_peek_at(place: Place) -> None:
    with pytest.raises(Unreadable, match="there is no ledger at"):
        place.peek()
    assert not (place.home / "ledger.db").exists(), "looking makes nothing"


def test_a_newer_format_is_refused(place: Place) -> None:
    place.open().close()
    _set_revision(place, "9999")
    for way in (place.open, place.peek):
        with pytest.raises(LedgerMismatch, match="has format 9999"):
            way()


def test_an_older_format_is_not_changed_by_looking(place: Place) -> None:
    place.open().close()
    _set_revision(place, "0000")
    with pytest.raises(LedgerMismatch, match="has the older format 0000"):
        place.peek()


def _set_revision(place: Place, revision: str) -> None:
    engine = make_engine(ledger_url(place.home, place.url))
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))
    engine.dispose()


def test_the_newest_migration_is_the_one_the_software_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(ledger.migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_the_migrations_make_the_tables_the_software_sees(place: Place) -> None:
    place.open().close()
    engine = make_engine(ledger_url(place.home, place.url))
    with engine.connect() as connection:
        options = {
            "version_table": VERSION_TABLE,
            "compare_type": True,
            "include_object": lambda thing, name, kind, *_: kind != "index",
        }
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    engine.dispose()


BAD_URLS = [
    ("mysql://root@db/ledger", Refused, "cannot be kept in mysql://root@db/ledger"),
    ("sqlite://", Refused, "cannot be kept in"),
    ("not a url", Refused, "is not a URL"),
    ("postgresql://a:hidden-pw@127.0.0.1:1/x", Unreadable, "refused"),
]


@pytest.mark.parametrize(("url", "error", "named"), BAD_URLS)
def test_addresses_that_cannot_be(
    file_place: Place, url: str, error: type[MigrationError], named: str
) -> None:
    with pytest.raises(error, match=named) as refusal:
        Ledger.open(file_place.home, url, "demo")
    assert "hidden-pw" not in str(refusal.value)
    assert refusal.value.transient is (error is Unreadable)


def test_a_file_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "100% 数据" / "台账.db"
    with Ledger.open(tmp_path / "var", f"sqlite:///{elsewhere}", "demo") as ledger:
        rehearse(ledger, migration_plan())
        assert ledger.address == str(elsewhere)
    assert elsewhere.is_file()
    assert (tmp_path / "var" / "evidence").is_dir()


def test_a_file_that_is_no_ledger(file_place: Place) -> None:
    file_place.home.mkdir()
    file = file_place.home / "ledger.db"
    file.write_text("not a database, " * 100)
    for way in (file_place.open, file_place.peek):
        with pytest.raises(Unreadable, match="not a database"):
            way()
    file.unlink()
    sqlite3.connect(file).execute("CREATE TABLE foreign_table (x)").connection.close()
    with pytest.raises(Unreadable, match="there is no ledger"):
        file_place.peek()
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",), "looking changes nothing"
    connection.close()


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unreadable, match="the ledger's folder"):
        Ledger.open(tmp_path / "file" / "var", None, "demo")


def test_opening_again_is_quick(place: Place) -> None:
    place.open().close()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        place.open().close()
        times.append(time.perf_counter() - start)
    assert min(times) < 0.1, times


def test_opening_an_up_to_date_ledger_does_not_load_alembic(file_place: Place) -> None:
    file_place.open().close()
    program = (
        "import sys; from pathlib import Path; from ledger.book import Ledger; "
        f"Ledger.open(Path({str(file_place.home)!r}), None, 'demo').close(); "
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
