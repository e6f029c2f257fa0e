"""What a move asks of its source: rights, a log to follow, quiet; and how long it may take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.checks import Check
from core.plan import Duration
from tasks.databases.estimate import Rates, measured_rates
from tasks.databases.leaving import without
from tasks.databases.model import Purpose, Table
from tasks.databases.move import compare_time, copy_time
from tasks.databases.port import ReadPort

LONG_S = 60
_PURPOSES: Mapping[str, tuple[Purpose, ...]] = {
    "copy": ("copy-from", "accounts-from", "freeze"),
    "follow": ("copy-from", "accounts-from", "follow-from", "freeze", "return-to"),
    "dms": ("copy-from", "accounts-from", "follow-from", "freeze"),
}
_REPLICATE: Purpose = "replicate-from"
_NEEDS_A_LOG = ("follow", "dms")


@dataclass(frozen=True)
class Assessment:
    """By the method of the migration list; `to_follow` is told for every method, as it may be chosen yet."""

    method: str
    missing_privileges: Mapping[str, tuple[str, ...]]
    """Statements that an administrator would run, by purpose."""
    to_follow: tuple[str, ...]
    """What would have to change before the schema could be followed; () = it can be."""
    long_transactions: tuple[str, ...]
    """They hold up the snapshot's clean-up and the freeze."""
    left_out: tuple[str, ...]
    left_out_in_vain: tuple[str, ...]
    """Labels of the inventory that nothing bears."""
    rates: Rates
    copying: Duration
    comparing: Duration

    @property
    def checks(self) -> tuple[Check, ...]:
        """What stands in the way of the method that was chosen."""
        purposes = (*_PURPOSES.get(self.method, ()), *({_REPLICATE} & self.missing_privileges.keys()))
        lacking = {p: self.missing_privileges.get(p, ()) for p in purposes}
        found = [
            Check.equal(f"privileges for {purpose}", "all there", " ".join(statements) or "all there")
            for purpose, statements in lacking.items()
        ]
        if self.method in _NEEDS_A_LOG:
            found.append(Check.equal("it can be followed", "yes", "; ".join(self.to_follow) or "yes"))
        in_vain = ", ".join(self.left_out_in_vain)
        found.append(Check.equal("leave_out names nothing in vain", "nothing", in_vain or "nothing"))
        return tuple(found)


def assessed(
    port: ReadPort,
    schema: str,
    tables: Sequence[Table],
    method: str,
    left_out: tuple[str, ...],
    replicator: str = "",
) -> Assessment:
    """`tables` without those left out; `port` with everything.

    `replicator`: the account by which the target replicates itself; "" where it does not.
    """
    missing = {p: port.missing_privileges(schema, p) for p in _PURPOSES.get(method, ("copy-from",))}
    if replicator:
        missing[_REPLICATE] = port.lacking_to_replicate(replicator)
    known = {f"table {t.name}" for t in port.tables(schema)} | {o.label for o in port.objects(schema)}
    known |= {reason.partition(": ")[0] for reason in port.unmovable(schema)} if left_out else set()
    rates = measured_rates(port, schema, tables)
    return Assessment(
        method=method,
        missing_privileges={purpose: statements for purpose, statements in missing.items() if statements},
        to_follow=without(port, left_out).not_followable(schema),
        long_transactions=port.open_for(LONG_S) if not missing.get("freeze") else (),
        left_out=left_out,
        left_out_in_vain=tuple(label for label in left_out if label not in known),
        rates=rates,
        copying=copy_time(list(tables), rates),
        comparing=compare_time(list(tables), rates),
    )
