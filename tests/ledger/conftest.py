"""A fresh ledger for each test, in either engine."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.book import Ledger
from tests.ledger.places import Place, binaries, create_database, postgresql_server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    bin_folder = binaries()
    if bin_folder is None:
        pytest.skip("PostgreSQL is not installed (Debian package: postgresql)")
    with postgresql_server(bin_folder) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    home = tmp_path / "var"
    if request.param == "sqlite":
        return Place(home, None)
    return Place(home, create_database(request.getfixturevalue("postgresql"), f"ledger_{next(_numbers)}"))


@pytest.fixture
def file_place(tmp_path: Path) -> Place:
    return Place(tmp_path / "var", None)


@pytest.fixture
def ledger(place: Place) -> Iterator[Ledger]:
    with place.open() as ledger:
        yield ledger
