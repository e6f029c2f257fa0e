"""Progress of long work as one Prefect artifact a step, with what is left in words."""

import contextvars
import re
import time
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

QUIET_S = 2.0
"""Work shorter than this shows no bar, and a bar moves at most this often."""


class ProgressArtifact:
    """Called by a step with how far it is; talks to Prefect rarely."""

    def __init__(self, key: str) -> None:
        self._key = "progress-" + re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")
        self._name = key
        self._started = self._last = time.monotonic()
        self._artifact: UUID | None = None
        # Steps may report from threads of their own, which know nothing of the Prefect run.
        self._context = contextvars.copy_context()

    def __call__(self, done: int, total: int, unit: str) -> None:
        now = time.monotonic()
        if now - self._last < QUIET_S and done < total:
            return
        if self._artifact is None and done >= total:
            return
        self._last = now
        percent = float(round(100 * done / total)) if total else 0.0
        text = f"{self._name}: {done:,} of {total:,} {unit}, {self._left(now, done, total)}"
        self._context.copy().run(self._show, percent, text)

    def _show(self, percent: float, text: str) -> None:
        if self._artifact is None:
            created = create_progress_artifact(percent, key=self._key, description=text)
            self._artifact = created if isinstance(created, UUID) else None
        else:
            update_progress_artifact(self._artifact, percent, description=text)

    def _left(self, now: float, done: int, total: int) -> str:
        if not done:
            return "starting"
        left_s = (now - self._started) * (total - done) / done
        return f"about {left_s:.0f} s left"
