"""A mailbox behind a real SMTP server, and an outbox and a folder of deliverables on disk."""

import json
import shutil
import socket
import tempfile
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import Envelope, Session

from core.access import Reader, Writer
from core.step import Step
from tasks.mail import DELIVERABLE_HEADER, DeliverablesFolder, MailRelay, SendDeliverables
from tests.contract.case import Case

ACCEPTANCE, COPY = "acceptance@example.cn", "lead@example.cn"
ANNEXES = ("proposal", "implementation-plan", "configuration-index")
LETTER = "acceptance-letter"


class Mailbox:
    """What arrived: (recipients, message); `refusals` answers a recipient with an error instead."""

    def __init__(self) -> None:
        self.arrived: list[tuple[tuple[str, ...], bytes]] = []
        self.refusals: dict[str, str] = {}
        self.data_reply = "250 OK"

    async def handle_RCPT(
        self, server: Server, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Server, session: Session, envelope: Envelope) -> str:
        if self.data_reply.startswith("250"):
            assert isinstance(envelope.original_content, bytes)
            self.arrived.append((tuple(envelope.rcpt_tos), envelope.original_content))
        return self.data_reply


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class MailWorld:
    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="qianyun-mail-"))
        self.mailbox = Mailbox()
        self._server = Controller(self.mailbox, hostname="127.0.0.1", port=free_port())
        self._server.start()
        self.relay = MailRelay(
            host="127.0.0.1",
            port=self._server.port,
            sender="migration@example.com",
            outbox=self.home / "outbox",
            timeout_s=10.0,
        )
        self.folder = DeliverablesFolder(self.home / "deliverables")

    def write_deliverables(self, version: int = 1) -> None:
        writer = self._writer()
        folder = writer.open(self.folder)
        message = EmailMessage(policy=SMTP)
        message["Message-ID"] = f"<acceptance-v{version}@example.com>"
        message["Subject"] = "交付验收书"
        for kind in ANNEXES:
            stored = folder.store(kind, version, "bin", f"{kind} {version}".encode(), "basis")
            message[DELIVERABLE_HEADER] = f"{kind}; {stored.version}; {stored.sha256}"
        message.set_content("附件四项。\n.a line that begins with a dot\n", cte="quoted-printable")
        folder.store(LETTER, version, "eml", bytes(message), "basis")
        writer.close()

    def _writer(self) -> Writer:
        return Writer(Reader(), lambda text: None)

    def send_step(self) -> SendDeliverables:
        return SendDeliverables(
            key="acceptance/mail",
            needs=tuple(f"acceptance/document/{kind}" for kind in (*ANNEXES, LETTER)),
            relay=self.relay,
            folder=self.folder,
            recipients=(ACCEPTANCE, COPY),
            letter=LETTER,
            annexes=ANNEXES,
        )

    def snapshot(self) -> object:
        """Mail programs show a Message-ID once, so a message sent twice (a crash after 250) counts once."""
        outbox = self.relay.outbox
        kept = {p.name: p.read_bytes() for p in outbox.glob("*.eml")} if outbox.exists() else {}
        accepted = {
            (path.name, who)
            for path in (outbox.glob("*.json") if outbox.exists() else ())
            for attempt in json.loads(path.read_text())
            for who in attempt["accepted"]
        }
        parser = BytesParser(policy=SMTP)
        boxes = {
            (who, str(parser.parsebytes(message)["Message-ID"]), message)
            for recipients, message in self.mailbox.arrived
            for who in recipients
        }
        return kept, accepted, boxes

    def make_unreadable(self) -> None:
        # A file in the place of the folder refuses root, too.
        shutil.rmtree(self.relay.outbox, ignore_errors=True)
        self.relay.outbox.write_text("no folder")

    def disturb(self) -> None:
        for path in self.relay.outbox.glob("*.eml"):
            path.write_bytes(path.read_bytes() + b"altered afterwards")

    def close(self) -> None:
        self._server.stop()
        shutil.rmtree(self.home, ignore_errors=True)


def _send() -> tuple[Step[Any], MailWorld]:
    world = MailWorld()
    world.write_deliverables()
    return world.send_step(), world


CASES = [Case("mail-send-deliverables", _send)]
