"""What can go wrong with the practice estate."""

from core.errors import INVALID, MigrationError


class LabUnavailable(MigrationError):
    """This machine cannot carry the practice estate; nothing was touched."""

    exit_status = INVALID
    summary = "The practice estate cannot run here"


class LabFailed(MigrationError):
    """A command of the practice estate did not do its work."""

    summary = "The practice estate failed"
