"""What people see of a comparison: the estimate, how far it is (both on stderr), and the verdict by table."""

import time
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

STYLES = {"EQUAL": "green", "CHANGING": "yellow", "DIFFERENT": "bold red"}
QUIET_S = 5.0
"""At most one line of progress in this time."""


class Telling:
    """Speaks on stderr, so that stdout holds the result alone."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._started = self._last = time.monotonic()

    def estimate(self, found: dict[str, Any]) -> None:
        self._console.print(estimate_words(found))

    def progress(self, done: int, total: int, unit: str) -> None:
        now = time.monotonic()
        if now - self._last < QUIET_S or not done:
            return
        self._last = now
        left_s = (now - self._started) * (total - done) / done
        self._console.print(f"{done:,} of about {total:,} {unit}, about {left_s:.0f} s left")


def estimate_words(found: dict[str, Any]) -> str:
    return (
        f"{found['tables']} tables, about {found['rows']:,} rows, {found['size_bytes'] / 1e6:,.0f} MB:"
        f" {found['p50_s']:.0f} s in half of all cases, {found['p90_s']:.0f} s in nine of ten"
    )


def comparison(document: dict[str, Any]) -> None:
    """Definitions that differ, one line a table, keys of rows; never values."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=160)
    table = Table(
        "table", "verdict", "at source", "at target", "what differs", box=None, padding=(0, 2, 0, 0)
    )
    for row in document["tables"]:
        style = STYLES[row["verdict"]]
        rows = (f"{row['rows_at_source']:,}", f"{row['rows_at_target']:,}")
        table.add_row(row["name"], Text(row["verdict"], style), *rows, Text(differences(row)))
    console.print(table)
    for wrong in document["definitions"]["wrong"]:
        console.print(Text(f"{wrong['name']}: {wrong['planned']} / {wrong['actual']}", "red"))
    if document["left_out"]:
        why = (
            "the source has none while it follows" if document["leads"] == "target" else "made at the cutover"
        )
        console.print(Text(f"not compared, {why}: {', '.join(document['left_out'])}", "dim"))
    if document["leads"] == "target":
        console.print(Text("The target leads since the switch: the source is compared with it.", "dim"))
    console.print(
        Text.assemble(
            f"\n{document['compared']}: ",
            (document["verdict"], STYLES[document["verdict"]]),
            f" ({document['took_s']:.1f} s)",
        )
    )


def differences(row: dict[str, Any]) -> str:
    """Counts by kind and keys of one table's rows, for people."""
    kinds = {"missing": "missing", "not_at_source": "not at the source", "differs": "differ"}
    counts = [f"{row[kind]:,} {words}" for kind, words in kinds.items() if row[kind]]
    if row["changing"]:
        since = "changed at the source since the copy" if row["as_copied"] else "changing, not proved"
        counts.append(f"{row['changing']:,} {since}")
    more = f"; and {row['keys_not_shown']:,} more" if row["keys_not_shown"] else ""
    keys = f": {'; '.join(row['keys'])}{more}" if row["keys"] else ""
    return ", ".join(counts) + keys
