"""The customer's mailbox: an SMTP server that keeps every message as it came.

Runs as the first process of the host `mail`. Per message one raw .eml and one .json with the envelope.
A recipient whose local part starts with `bounce` is refused with 550, one that starts with `later` with
450, so that tests see what the sender does then.
"""

import asyncio
import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

SIZE_LIMIT_BYTES = 50 * 1024 * 1024


class Keeper:
    """Takes messages in and files them under a running number."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept or refuse one recipient."""
        if address.lower().startswith("bounce"):
            return f"550 5.1.1 {address} is unknown here"
        if address.lower().startswith("later"):
            return "450 4.2.1 the mailbox is busy, try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """File one message: the envelope last, so that whoever sees it finds the message too."""
        number = 1 + len(list(self.folder.glob("*.eml")))
        stem = self.folder / f"{number:06}"
        content = envelope.original_content or b""
        stem.with_suffix(".eml").write_bytes(content)
        facts = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "size_bytes": len(content),
            "received_at_utc": datetime.now(UTC).isoformat(),
        }
        draft = stem.with_suffix(".new")
        draft.write_text(json.dumps(facts, ensure_ascii=False, indent=1))
        draft.rename(stem.with_suffix(".json"))
        return f"250 kept as {stem.name}"


async def serve(folder: Path, port: int = 25) -> None:
    """Serve until the host ends."""
    keeper, loop, done = Keeper(folder), asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, done.set)

    def session() -> SMTP:
        return SMTP(keeper, hostname="mail.lab", enable_SMTPUTF8=True, data_size_limit=SIZE_LIMIT_BYTES)

    server = await loop.create_server(session, host="0.0.0.0", port=port)
    await done.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(os.environ["LAB_MAILBOX"])))
