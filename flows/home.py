"""Where a project's ledger, evidence and deliverables live, and which folder PROJECT names."""

import os
from pathlib import Path

from core.errors import Fault, InventoryInvalid


def home() -> Path:
    """$QIANYUN_HOME, by default ./var."""
    return Path(os.environ.get("QIANYUN_HOME", "var")).resolve()


def ledger_url() -> str | None:
    """$QIANYUN_LEDGER_URL: another ledger than the SQLite file under home."""
    return os.environ.get("QIANYUN_LEDGER_URL") or None


def project_folder(named: str) -> Path:
    """The folder PROJECT names: a path, or a folder of inventory/.

    Raises: errors.InventoryInvalid where there is no such folder.
    """
    for candidate in (Path(named), Path("inventory") / named):
        if candidate.is_dir():
            return candidate.resolve()
    raise InventoryInvalid(
        [Fault(named, 0, "", "no such project folder: give a path or the name of a folder of inventory/")],
        next_command="qianyun check PROJECT",
    )
