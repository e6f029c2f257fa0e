"""One record of the ledger: its text, its hash, and the guard that keeps secrets out of both."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeAlias

from core.errors import Refused
from core.secret import redact

Json: TypeAlias = Any
"""None, bool, int, float, str, list or str-keyed dict, nested."""

FORMAT = 1
DIGEST = re.compile(r"[0-9a-f]{64}")


class Kind(StrEnum):
    """What a record is about; the words are stored, so they are never renamed."""

    RUN_STARTED = "run_started"  # subject: rehearsal | live
    RUN_ENDED = "run_ended"  # subject: state
    PLAN = "plan"  # subject: digest of the logical plan
    STEP_BEGUN = "step_begun"  # subject: approved digest; durable before anything is written to the world
    STEP_ENDED = "step_ended"  # subject: state
    UNDO_BEGUN = "undo_begun"
    EVIDENCE = "evidence"  # subject: its name
    APPROVAL = "approval"  # subject: approved digest
    WAIVER = "waiver"  # subject: name of what is waived
    DELIVERABLE = "deliverable"  # subject: its kind
    GATE = "gate"  # subject: the state entered


@dataclass(frozen=True)
class Draft:
    """A record to be appended; `subject` is what it is found by.

    `payload["evidence"]`, where present, is the digest of an evidence file (or a list of them).
    """

    kind: Kind
    payload: Mapping[str, Json] = field(default_factory=dict)
    run_id: str = ""
    step: str = ""
    subject: str = ""


@dataclass(frozen=True)
class Entry:
    """A record as it stands in the ledger; `hash` covers everything else, `prev_hash` included."""

    seq: int
    at_utc: str
    kind: str
    run_id: str
    step: str
    subject: str
    payload: str
    prev_hash: str
    hash: str

    @property
    def data(self) -> dict[str, Json]:
        return dict(json.loads(self.payload))

    def computed_hash(self, seq: int | None = None) -> str:
        """The hash these contents should have, at this or another place in the chain."""
        place = self.seq if seq is None else seq
        return _sha256(
            [
                place,
                self.at_utc,
                self.kind,
                self.run_id,
                self.step,
                self.subject,
                self.payload,
                self.prev_hash,
            ]
        )

    @classmethod
    def following(cls, seq: int, prev_hash: str, draft: Draft) -> "Entry":
        """The next record of the chain; `seq` is its own."""
        unhashed = cls(
            seq=seq,
            at_utc=utc_text(datetime.now(UTC)),
            kind=draft.kind.value,
            # Names from the inventory, which refuses secrets; masked, a step would not be found again.
            run_id=_storable(draft.run_id),
            step=_storable(draft.step),
            subject=_storable(draft.subject),
            payload=json_text(scrubbed(draft.payload)),
            prev_hash=prev_hash,
            hash="",
        )
        return cls(**{**unhashed.__dict__, "hash": unhashed.computed_hash()})


def genesis_hash(project: str, created_at_utc: str) -> str:
    """What the first record follows: it binds the chain to its project."""
    return _sha256(["qianyun-ledger", FORMAT, project, created_at_utc])


def utc_text(at: datetime) -> str:
    """ISO 8601 in UTC with microseconds, sortable as text.

    Raises: ValueError for a time without zone: such a time means nothing across machines.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def json_text(value: Json) -> str:
    """Canonical JSON: sorted keys, no spaces, Chinese as itself.

    File names that are not UTF-8 come as lone surrogates, which no database stores: such a text is
    escaped as a whole and reads back the same.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if not _is_utf8(text):
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text


def scrubbed(value: Json) -> Json:
    """The same value with every known secret masked.

    String by string: in the finished JSON text a secret with quotes would be escaped and slip through.
    """
    return _mapped(value, _masked)


def _masked(text: str) -> str:
    masked = redact(text)
    # A digest may contain a short secret by chance; masked, its evidence would be lost.
    return text if masked != text and DIGEST.fullmatch(text) else masked


def refuse_secrets(value: Json, what: str) -> None:
    """Plans are needed to the letter (undo acts on them), so a secret in one is refused, not masked.

    Raises: errors.Refused
    """

    def check(text: str) -> str:
        if redact(text) != text:
            raise Refused(
                f"{what} contains the value of a secret: {redact(text)!r}",
                why="Plans are kept in the ledger as they are, so a secret must never be part of one. If the "
                "secret is merely equal to an ordinary name, choose a stronger one.",
            )
        return text

    _mapped(value, check)


def _mapped(value: Json, change: Callable[[str], str]) -> Json:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(name)): _mapped(inner, change) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mapped(inner, change) for inner in value]
    return value


def _sha256(parts: list[Json]) -> str:
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _storable(text: str) -> str:
    # NUL and lone surrogates have no place in a PostgreSQL text column.
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
