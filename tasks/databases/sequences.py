"""Sequences: the target's must never give out a number that the source gave out."""

from collections.abc import Collection

from core.checks import Check, Status
from tasks.databases.port import ReadPort, WritePort


def level_sequences(
    source: tuple[ReadPort, str],
    target: tuple[ReadPort, str],
    write: WritePort,
    only: Collection[str] | None = None,
) -> None:
    """Advance the target's sequences that are behind the source's; for good once the source is frozen."""
    (from_port, from_schema), (to_port, to_schema) = source, target
    wanted, found = from_port.sequences(from_schema), to_port.sequences(to_schema)
    for name, state in wanted.items():
        if (only is None or name in only) and name in found and found[name].is_behind(state):
            write.advance_sequence(to_schema, name, state)


def sequence_checks(source: tuple[ReadPort, str], target: tuple[ReadPort, str]) -> list[Check]:
    """Each sequence as far as at the source; further does no harm."""
    wanted, found = source[0].sequences(source[1]), target[0].sequences(target[1])
    checks = []
    for name, state in wanted.items():
        there = found.get(name)
        good = there is not None and not there.is_behind(state)
        actual = "absent" if there is None else f"{there.next} in round {there.round}"
        status = Status.PASS if good else Status.FAIL
        planned = f"at least {state.next} in round {state.round}"
        checks.append(Check(f"sequence {name}: next number", status, planned, actual))
    return checks
