"""The states of the acceptance gate, and the moves between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ledger.entry import Entry, Json

DELIVERABLES = ("proposal", "implementation-plan", "configuration-index", "acceptance-letter")


class GateState(StrEnum):
    """The words are stored and shown to scripts; they are never renamed."""

    NOT_READY = "not_ready"
    READY = "ready"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    DEEMED_ACCEPTED = "deemed_accepted"
    OBJECTED = "objected"
    REWORK = "rework"


_S = GateState
OPEN_TO_DELIVERY = (_S.NOT_READY, _S.READY, _S.REWORK)
"""Where deliverables may be made and sent: no clock runs on others."""

MOVES: Mapping[str, tuple[tuple[GateState, ...], GateState]] = {
    "make ready": ((_S.NOT_READY, _S.READY, _S.REWORK), _S.READY),
    "withdraw": ((_S.READY,), _S.NOT_READY),
    "submit": ((_S.READY,), _S.SUBMITTED),
    "move the deadline": ((_S.SUBMITTED,), _S.SUBMITTED),
    "bounce": ((_S.SUBMITTED,), _S.READY),
    "accept": ((_S.SUBMITTED,), _S.ACCEPTED),
    "deem accepted": ((_S.SUBMITTED,), _S.DEEMED_ACCEPTED),
    "object": ((_S.SUBMITTED,), _S.OBJECTED),
    "rework": ((_S.OBJECTED,), _S.REWORK),
}
"""Each move: the states it is possible in, and the state it leads to."""


@dataclass(frozen=True)
class GateStatus:
    """Where the gate stands; `round` counts submissions, texts are empty where they do not apply."""

    state: GateState = GateState.NOT_READY
    move: str = ""
    round: int = 0
    at_utc: str = ""
    actor: str = ""
    reason: str = ""
    submitted_at_utc: str = ""
    due_at_utc: str = ""
    due_status: str = ""
    due_explanation: str = ""
    calendar_sha256: str = ""
    message_id: str = ""
    objection: str = ""
    objection_at_utc: str = ""
    items: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()
    evidence: str = ""
    deliverables: Mapping[str, Json] = field(default_factory=dict)

    @classmethod
    def from_entry(cls, entry: Entry) -> "GateStatus":
        data = entry.data
        texts = {"items": tuple(data["items"]), "waived": tuple(data["waived"])}
        return cls(**{**data, **texts, "state": GateState(data["state"]), "at_utc": entry.at_utc})
