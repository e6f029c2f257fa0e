"""The page of errors says what the code does."""

import inspect
import re
from pathlib import Path

import pytest

from core import errors
from core.errors import MigrationError

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
CLASSES = {
    name: found
    for name, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, MigrationError)
}


def rows() -> dict[str, list[str]]:
    """The cells of the page's table by class."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row for row in cells}


def test_every_class_is_on_the_page_and_no_other() -> None:
    assert rows().keys() == CLASSES.keys()


@pytest.mark.parametrize("name", CLASSES)
def test_summary_exit_status_and_next_command(name: str) -> None:
    _, summary, meaning, touched, status, next_command = rows()[name]
    assert summary == CLASSES[name].summary
    assert status == str(CLASSES[name].exit_status)
    assert meaning and touched
    assert re.search("`[a-z]+ ?[^`]*`", next_command)
