"""Failures of writes while going back are failures of undo."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import ApplyFailed, UndoFailed


@contextmanager
def undoing(key: str) -> Iterator[None]:
    """Raises: errors.UndoFailed for every errors.ApplyFailed inside."""
    try:
        yield
    except ApplyFailed as error:
        raise UndoFailed(
            f"{key}: {error.detail}",
            why=error.why or "What was taken back so far stays taken back; undoing again goes on from there.",
            next_command=error.next_command,
            transient=error.transient,
        ) from error
