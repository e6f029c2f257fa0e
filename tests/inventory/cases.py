"""Broken inventories as data: each case is a small patch over the demo and the faults it must give.

Shape of a case file in tests/cases/inventories: `about`; `edits`, each with `file` and one of
`find`+`put` (the text stands there exactly once), `append`, `hex` (the whole content) or `remove: true`;
`faults`, each with `file`, `path`, `says` (part of the message) and `at` (a text that stands there once
and begins on the faulty line) or `line`.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from inventory.practice import DEMO

CASES = Path(__file__).parents[1] / "cases" / "inventories"


@dataclass(frozen=True)
class Expected:
    file: str
    line: int
    path: str
    says: str


def all_cases() -> list[Path]:
    return sorted(CASES.glob("*.yaml"))


def build(case: Path, folder: Path) -> list[Expected]:
    """Write the broken project into `folder` and return the faults it must give."""
    data: dict[str, Any] = yaml.safe_load(case.read_text(encoding="utf-8"))
    shutil.copytree(DEMO, folder, dirs_exist_ok=True)
    for edit in data["edits"]:
        _edit(folder / edit["file"], edit)
    return [
        Expected(fault["file"], _line(folder, fault), fault["path"], fault["says"])
        for fault in data["faults"]
    ]


def _edit(file: Path, edit: dict[str, Any]) -> None:
    if edit.get("remove"):
        file.unlink()
    elif "hex" in edit:
        file.write_bytes(bytes.fromhex(edit["hex"]))
    elif "append" in edit:
        file.write_text(file.read_text(encoding="utf-8") + edit["append"], encoding="utf-8")
    else:
        text = file.read_text(encoding="utf-8")
        assert text.count(edit["find"]) == 1, f"{edit['find']!r} stands {text.count(edit['find'])} times"
        file.write_text(text.replace(edit["find"], edit["put"]), encoding="utf-8")


def _line(folder: Path, fault: dict[str, Any]) -> int:
    if "line" in fault:
        return int(fault["line"])
    text: str = (folder / fault["file"]).read_text(encoding="utf-8")
    assert text.count(fault["at"]) == 1, f"{fault['at']!r} stands {text.count(fault['at'])} times"
    start = text.index(fault["at"])
    return text.count("\n", 0, start) + 1
