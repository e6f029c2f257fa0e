"""The acceptance gate: who moved it where, and why.

Source: the service agreement, section 5: four deliverables; the customer answers within seven working
days of receiving all of them; silence until then is acceptance; an objection stops the clock.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from core.checks import Check, Status
from core.errors import Refused
from ledger import views
from ledger.entry import Draft, Json, Kind, utc_text
from ledger.gate_state import DELIVERABLES, MOVES, GateState, GateStatus
from ledger.records import DeliverableStatus
from ledger.store import Store


class Deadline(Protocol):
    """When silence becomes acceptance, as the working-day calendar computed it."""

    @property
    def due_at_utc(self) -> datetime | None: ...
    @property
    def status(self) -> str: ...  # firm | provisional | unresolved
    @property
    def calendar_sha256(self) -> str: ...
    @property
    def explanation(self) -> str: ...


class Gate:
    """The gate of one project. Every move is a record; an illegal one is refused by name."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def status(self) -> GateStatus:
        with self._store.read() as connection:
            return views.gate_status(connection)

    def make_ready(self, *, actor: str, checks: Iterable[Check], reason: str = "") -> GateStatus:
        """All four deliverables are final and every check passes or is waived by name.

        Raises: errors.Refused, naming all that is missing.
        """
        checks = tuple(checks)

        def build(connection: Connection, now: GateStatus) -> GateStatus:
            waivers = {waiver.name for waiver in views.waivers(connection)}
            open_checks = [check for check in checks if check.status is not Status.PASS]
            missing = _unfinished(connection, DeliverableStatus.FINAL)
            missing += [
                f"check {check.name}: {check.status} (planned {check.planned}, actual {check.actual})"
                for check in open_checks
                if check.name not in waivers
            ]
            if not checks:
                missing.append("checks: none was given, so nothing is known")
            if missing:
                raise _refused(
                    f"the gate is not ready: {'; '.join(missing)}",
                    "Only four finished deliverables and passed checks meet the acceptance condition.",
                    "qianyun deliverables",
                )
            return GateStatus(
                round=now.round,
                waived=tuple(check.name for check in open_checks),
                deliverables=_contents(connection),
            )

        return self._move("make ready", actor, reason, build)

    def withdraw(self, *, actor: str, reason: str) -> GateStatus:
        """Something turned out wrong before it was sent."""
        _need(reason, "a reason")
        return self._move("withdraw", actor, reason, lambda _, now: GateStatus(round=now.round))

    def submit(
        self,
        *,
        actor: str,
        submitted_at: datetime,
        message_id: str,
        deadline: Deadline,
        reason: str = "",
        evidence: str = "",
    ) -> GateStatus:
        """The customer's mail server has taken the four deliverables: the clock runs, a new round begins.

        Raises: errors.Refused where one was not sent, or is not what it was when the gate became ready.
        """
        _need(message_id, "the message id of the mail")

        def build(connection: Connection, now: GateStatus) -> GateStatus:
            unsent = _unfinished(connection, DeliverableStatus.SENT)
            contents = _contents(connection)
            changed = [kind for kind in DELIVERABLES if contents.get(kind) != now.deliverables.get(kind)]
            faults = unsent + [f"{kind}: changed since the gate became ready" for kind in changed]
            faults += [
                f"mail {message_id}: it was submitted in round {earlier.round} already"
                for earlier in views.gate_history(connection)
                if earlier.move == "submit" and earlier.message_id == message_id
            ]
            if faults:
                raise _refused(
                    f"the gate cannot be submitted: {'; '.join(faults)}",
                    "The clock needs all four items delivered, as they were checked.",
                )
            return replace(
                _with_deadline(now, deadline),
                round=now.round + 1,
                submitted_at_utc=utc_text(submitted_at),
                message_id=message_id,
                evidence=evidence,
            )

        return self._move("submit", actor, reason, build)

    def move_deadline(self, deadline: Deadline, *, actor: str, reason: str) -> GateStatus:
        """The calendar changed while the clock runs: later, or firm, but never earlier."""
        _need(reason, "a reason")
        return self._move("move the deadline", actor, reason, lambda _, now: _with_deadline(now, deadline))

    def bounced(self, *, actor: str, reason: str) -> GateStatus:
        """The mail did not arrive after all, so no clock ran; the next submission is a new round."""
        _need(reason, "a reason")
        return self._move(
            "bounce",
            actor,
            reason,
            lambda _, now: GateStatus(round=now.round, waived=now.waived, deliverables=now.deliverables),
        )

    def accept(self, *, actor: str, reason: str, evidence: str = "") -> GateStatus:
        """The customer confirmed in words; `evidence` is the digest of the answer."""
        _need(reason, "a reason (where the customer said so)")
        return self._move("accept", actor, reason, lambda _, now: replace(now, evidence=evidence))

    def deem_accepted(self, *, now: datetime, deadline: Deadline, actor: str) -> GateStatus:
        """No objection by the deadline; `deadline` is computed afresh by the caller.

        Raises: errors.Refused while the deadline is not firm or has not passed.
        """

        def build(_: Connection, status: GateStatus) -> GateStatus:
            latest = _with_deadline(status, deadline)
            if deadline.due_at_utc is None or deadline.status != "firm":
                raise _refused(
                    f"silence cannot be counted: the deadline is {deadline.status} ({deadline.explanation})",
                    "A date that may still move later must not turn silence into acceptance.",
                )
            if utc_text(now) < latest.due_at_utc:
                raise _refused(
                    f"the customer may object until {latest.due_at_utc}, it is {utc_text(now)}",
                    "Silence is acceptance only once the seventh working day is over.",
                )
            return latest

        reason = f"no objection by {deadline.explanation or 'the deadline'}"
        return self._move("deem accepted", actor, reason, build)

    def object(
        self, *, actor: str, text: str, items: Sequence[str], received_at: datetime, evidence: str = ""
    ) -> GateStatus:
        """The customer objects: the clock stops, and the named items are to be reworked."""
        _need(text, "the customer's words")
        _need("".join(items), "a list of the items it names")
        received = utc_text(received_at)

        def build(_: Connection, now: GateStatus) -> GateStatus:
            return replace(
                now, objection=text, objection_at_utc=received, items=tuple(items), evidence=evidence
            )

        return self._move("object", actor, f"objection received at {received}", build)

    def start_rework(self, *, actor: str, reason: str) -> GateStatus:
        _need(reason, "a reason")
        return self._move("rework", actor, reason, lambda _, now: now)

    def _move(
        self, move: str, actor: str, reason: str, build: Callable[[Connection, GateStatus], GateStatus]
    ) -> GateStatus:
        _need(actor, "the person who does it")
        possible_in, to = MOVES[move]

        def drafts(connection: Connection) -> Sequence[Draft]:
            now = views.gate_status(connection)
            if now.state not in possible_in:
                raise _refused(
                    f"the gate is {now.state}: {move!r} is possible when it is {' or '.join(possible_in)}",
                    f"Now possible: {_moves_from(now.state)}.",
                )
            after = replace(build(connection, now), state=to, move=move, actor=actor, reason=reason)
            return [Draft(Kind.GATE, asdict(after), subject=to.value)]

        return GateStatus.from_entry(self._store.append(drafts)[0])


def _moves_from(state: GateState) -> str:
    return ", ".join(move for move, (start, _) in MOVES.items() if state in start) or "nothing, it is over"


def _with_deadline(now: GateStatus, deadline: Deadline) -> GateStatus:
    """The later of the known deadline and this one."""
    due = "" if deadline.due_at_utc is None else utc_text(deadline.due_at_utc)
    return replace(
        now,
        due_at_utc=max(now.due_at_utc, due),
        due_status=deadline.status,
        due_explanation=deadline.explanation,
        calendar_sha256=deadline.calendar_sha256,
    )


def _unfinished(connection: Connection, least: DeliverableStatus) -> list[str]:
    order = list(DeliverableStatus)
    current = views.current_deliverables(connection)
    faults = [f"{kind}: does not exist" for kind in DELIVERABLES if kind not in current]
    return faults + [
        f"{kind}: version {current[kind].version} is {current[kind].status}, not {least}"
        for kind in DELIVERABLES
        if kind in current and order.index(current[kind].status) < order.index(least)
    ]


def _contents(connection: Connection) -> dict[str, Json]:
    current = views.current_deliverables(connection)
    return {
        kind: {"version": one.version, "sha256": one.sha256}
        for kind, one in sorted(current.items())
        if kind in DELIVERABLES
    }


def _need(text: str, what: str) -> None:
    if not text.strip():
        raise _refused(
            f"{what} is missing",
            "Every move of the gate must be answerable to somebody.",
        )


def _refused(detail: str, why: str, next_command: str = "qianyun gate") -> Refused:
    return Refused(detail, why=why, next_command=next_command)
