"""Deliverables as files and as mail: rendering them into a folder, sending them to the contracted mailbox."""

from tasks.mail.folder import DeliverablesFolder, Stored
from tasks.mail.relay import Attempt, MailRelay
from tasks.mail.render import RenderDocument
from tasks.mail.send import DELIVERABLE_HEADER, SendDeliverables, receipt

__all__ = [
    "DELIVERABLE_HEADER",
    "Attempt",
    "DeliverablesFolder",
    "MailRelay",
    "RenderDocument",
    "SendDeliverables",
    "Stored",
    "receipt",
]
