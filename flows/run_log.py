"""What the log of a Prefect run is told by work that has no steps: comparing and following."""

import time
from typing import Any

from prefect import get_run_logger

from flows.progress import ProgressArtifact
from flows.show_comparison import estimate_words

_LINES_S = 30.0
"""How often a run that only goes on says so."""


class ComparisonLog:
    """The estimate as a line, how far it is as a bar."""

    def __init__(self, database: str) -> None:
        self.progress = ProgressArtifact(f"compare {database}")

    def estimate(self, found: dict[str, Any]) -> None:
        get_run_logger().info("%s", estimate_words(found))


class FollowLog:
    """Called every second with how far behind it is."""

    def __init__(self) -> None:
        self._last = -_LINES_S

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now - self._last >= _LINES_S:
            self._last = now
            get_run_logger().info("%s", text)
