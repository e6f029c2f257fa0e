"""Where a project's ledger, evidence and deliverables live, and which folder PROJECT names."""

import os
from pathlib import Path

from core.errors import Fault, InventoryInvalid

LAST_PROJECT = "last-project"


def home() -> Path:
    """$QIANYUN_HOME, by default ./var."""
    return Path(os.environ.get("QIANYUN_HOME", "var")).resolve()


def ledger_url() -> str | None:
    """$QIANYUN_LEDGER_URL: another ledger than the SQLite file under home."""
    return os.environ.get("QIANYUN_LEDGER_URL") or None


def project_folder(named: str) -> Path:
    """The folder PROJECT names: a path, a folder of inventory/, or by default the last one used here.

    Raises: errors.InventoryInvalid where there is no such folder.
    """
    last = home() / LAST_PROJECT
    if not named and last.exists():
        named = last.read_text(encoding="utf-8")
    for candidate in (Path(named), Path("inventory") / named):
        if named and candidate.is_dir():
            return candidate.resolve()
    raise InventoryInvalid(
        [Fault(named or "PROJECT", 0, "", "no such project folder: give a path or a folder of inventory/")],
        next_command="qianyun check inventory/demo",
    )


def remember_project(folder: Path) -> None:
    """Keep which project was worked on last in this home, so that `qianyun status` needs no name."""
    home().mkdir(parents=True, exist_ok=True)
    (home() / LAST_PROJECT).write_text(str(folder), encoding="utf-8")
