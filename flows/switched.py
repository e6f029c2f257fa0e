"""On which side users are, by our records and, where these end in the middle, by the world."""

from flows.cutover import is_switch, settled_keys
from flows.guards import scope_guard
from flows.records import LedgerRecorder
from flows.runner import plan_graph
from flows.work import Work


def settled(work: Work) -> set[str]:
    """The steps that must not be touched again because users are on the new side."""
    return settled_keys(work.whole, work.ledger.proved(), made_switches(work))


def users_moved(work: Work) -> bool:
    """Whether anybody may already be on the new side, so that the source must not be opened again."""
    return bool(made_switches(work) or settled(work))


def made_switches(work: Work) -> set[str]:
    """The switches that lead to the new side.

    One that was begun and has no good end on record is looked at: its write may never have happened, and
    then users are still on the old side. What cannot be looked at counts as made.
    """
    switches = {key for key in work.whole.steps if is_switch(key)}
    made = switches & work.ledger.proved()
    unsure = (switches & work.ledger.applied()) - made
    if unsure:
        guards = (scope_guard(work.inventory),)
        found = plan_graph(work.whole.backwards(unsure), LedgerRecorder(work.ledger, "", guards))
        made |= {key for key in unsure if (plan := found.outcomes[key].plan) is None or plan.is_empty}
    return made
