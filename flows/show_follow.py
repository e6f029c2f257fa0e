"""What people see of `qianyun follow`: one line that says how far behind, and how it ended."""

import time
from typing import Any

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType

_START_OF_LINE = Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2))
_LINES_S = 10.0
"""Where no terminal can write over its line, how often a new one is added."""


class StatusLine:
    """Speaks on stderr, so that stdout holds the result alone."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._last = -_LINES_S

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if self._console.is_terminal:
            self._console.control(_START_OF_LINE)
            self._console.print(text, end="", overflow="ellipsis", no_wrap=True)
        elif now - self._last >= _LINES_S:
            self._last = now
            self._console.print(text, soft_wrap=True)


def followed(document: dict[str, Any]) -> None:
    console = Console(highlight=False)
    for row in document["databases"]:
        side = "back to the source" if row["back"] else "to the target"
        behind = "?" if row["lag_bytes"] is None else f"{row['lag_bytes']:,}"
        console.print(f"\n{row['database']}: {row['rows']:,} rows {side}, {behind} bytes behind")
    console.print(f"{document['run_id']}: {document['state']}", style="bold")
