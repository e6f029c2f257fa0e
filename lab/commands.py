"""Running the machine's own commands, with their words kept for the error."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabFailed


def run(
    command: Sequence[str],
    *,
    given: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 120,
) -> str:
    """Run a command to its end and return its standard output.

    Raises: LabFailed with the last lines it said, if it fails or takes too long.
    """
    try:
        done = subprocess.run(
            command, input=given, env=env, timeout=timeout_s, check=True, capture_output=True, text=True
        )
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or "").strip()[-2000:]
        raise LabFailed(f"{' '.join(command[:8])} ended with {error.returncode}: {said}") from error
    except subprocess.TimeoutExpired as error:
        raise LabFailed(f"{' '.join(command[:8])} took more than {timeout_s:g} s", transient=True) from error
    return done.stdout


def tail(log: Path, lines: int = 15) -> str:
    """Give the last lines of a log, or say that there is none."""
    if not log.exists():
        return f"(no {log})"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
