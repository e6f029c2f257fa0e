"""The SMTP relay and the outbox: every message as it was handed over, with the conversation about it.

The outbox is the record of what a server accepted: without a recorded 250 a message counts as not sent.
"""

import hashlib
import json
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from core.access import Endpoint, Journal
from core.errors import Unreadable
from tasks.mail.folder import readable, write_file

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Attempt:
    """One handing-over: who was accepted and who refused, and the conversation line by line."""

    at_utc: str
    relay: str
    sender: str
    accepted: tuple[str, ...]
    refused: Mapping[str, str]
    conversation: tuple[str, ...]

    @property
    def transient(self) -> bool:
        """Whether every refusal was of the kind that may pass (4xx, or a broken connection)."""
        return bool(self.refused) and not any(reply.startswith("5") for reply in self.refused.values())


class OutboxReader:
    def __init__(self, path: Path) -> None:
        self._path = path

    def message(self, sha256: str) -> bytes | None:
        path = self._path / f"{sha256}.eml"
        with readable(path):
            return path.read_bytes() if self._path.exists() and path.exists() else None

    def attempts(self, sha256: str) -> tuple[Attempt, ...]:
        """Every recorded handing-over of this message, the oldest first."""
        path = self._path / f"{sha256}.json"
        with readable(path):
            if not self._path.exists():
                return ()
            # Listing, not exists(): a folder that became a file would look like an empty outbox.
            names = {p.name for p in self._path.iterdir()}
            text = path.read_text(encoding="utf-8") if path.name in names else "[]"
        try:
            entries = json.loads(text)
            return tuple(
                Attempt(**{**e, "accepted": tuple(e["accepted"]), "conversation": tuple(e["conversation"])})
                for e in entries
            )
        except (ValueError, TypeError, KeyError) as error:
            raise Unreadable(
                f"{path}: not a transcript of the outbox",
                why="Whether the message was accepted can no longer be told, so it is not sent again either.",
            ) from error

    def close(self) -> None:
        return None


class OutboxWriter:
    def __init__(self, relay: "MailRelay", journal: Journal) -> None:
        self._relay = relay
        self._journal = journal

    def send(self, message: bytes, recipients: tuple[str, ...]) -> Attempt:
        """Keep the message, hand it over, and record the conversation, whatever came of it.

        A crash between the server's 250 and the record sends the message again with the same
        Message-ID: what is sent twice can be told apart, what was never sent cannot be made good.
        """
        outbox, sha256 = self._relay.outbox, hashlib.sha256(message).hexdigest()
        self._journal(f"write outbox/{sha256}.eml")
        write_file(outbox / f"{sha256}.eml", message)
        self._journal(f"send {sha256} from {self._relay.sender} to {', '.join(recipients)}")
        attempt = _hand_over(self._relay, message, recipients)
        earlier = OutboxReader(outbox).attempts(sha256)
        self._journal(f"record the transcript of {sha256}")
        text = json.dumps([asdict(a) for a in (*earlier, attempt)], ensure_ascii=False, indent=1)
        write_file(outbox / f"{sha256}.json", text.encode())
        return attempt

    def close(self) -> None:
        return None


@dataclass(frozen=True)
class MailRelay(Endpoint[OutboxReader, OutboxWriter]):
    """Sends through `host`; looks at `outbox` alone: reading needs no connection."""

    host: str
    port: int
    sender: str
    outbox: Path
    starttls: bool = False
    timeout_s: float = field(default=TIMEOUT_S, compare=False)

    @property
    def address(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    def open_reader(self) -> OutboxReader:
        return OutboxReader(self.outbox)

    def open_writer(self, journal: Journal) -> OutboxWriter:
        return OutboxWriter(self, journal)


class _Conversation(smtplib.SMTP):
    """An SMTP client that keeps what was said; the message itself only by size and digest."""

    def __init__(self, timeout_s: float) -> None:
        self.lines: list[str] = []
        super().__init__(timeout=timeout_s)

    def putcmd(self, cmd: str, args: str = "") -> None:
        self.lines.append(f"C: {cmd} {args}".rstrip())
        super().putcmd(cmd, args)

    def getreply(self) -> tuple[int, bytes]:
        code, text = super().getreply()
        self.lines.append(f"S: {code} {text.decode('utf-8', 'replace')}")
        return code, text

    def data(self, msg: object) -> tuple[int, bytes]:
        assert isinstance(msg, bytes)
        self.lines.append(f"C: [{len(msg)} bytes, sha256 {hashlib.sha256(msg).hexdigest()}]")
        return super().data(msg)


def _hand_over(relay: MailRelay, message: bytes, recipients: tuple[str, ...]) -> Attempt:
    smtp = _Conversation(relay.timeout_s)
    refused: dict[str, str] = {}
    try:
        smtp.connect(relay.host, relay.port)
        if relay.starttls:
            smtp.starttls(context=ssl.create_default_context())
        answers = smtp.sendmail(relay.sender, list(recipients), message)
        # sendmail returns normally when some recipients were refused: that is no success.
        refused = {who: _reply(answer) for who, answer in answers.items()}
    except smtplib.SMTPRecipientsRefused as error:
        refused = {who: _reply(answer) for who, answer in error.recipients.items()}
    except smtplib.SMTPResponseException as error:
        refused = dict.fromkeys(recipients, _reply((error.smtp_code, error.smtp_error)))
    except (smtplib.SMTPException, OSError) as error:
        refused = dict.fromkeys(recipients, f"no answer: {error}")
    finally:
        smtp.close()
    accepted = tuple(who for who in recipients if who not in refused)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Attempt(at, relay.address, relay.sender, accepted, refused, tuple(smtp.lines))


def _reply(answer: tuple[int, bytes | str]) -> str:
    code, text = answer
    return f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"
