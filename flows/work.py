"""One project opened for one command: inventory, ledger, graph. No Prefect here: it starts fast."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.graph import Graph
from flows import secrets as secrets  # teaches prefect: references
from flows.acceptance import AcceptanceDesk
from flows.home import home, ledger_url, project_folder, remember_project
from flows.project import project_graph, selected
from inventory.loader import load
from inventory.model import Inventory
from ledger.book import Ledger


@dataclass
class Work:
    """`graph` holds the wanted steps and all they need, `whole` every step of the project."""

    inventory: Inventory
    ledger: Ledger
    whole: Graph
    desk: AcceptanceDesk
    graph: Graph = field(init=False)
    wanted: set[str] = field(init=False)
    narrowed: bool = False

    def __post_init__(self) -> None:
        self.graph, self.wanted = self.whole, set(self.whole.steps)
        self.desk.graph = self.whole

    def narrow(self, phases: Sequence[str], items: Sequence[str]) -> None:
        """Want only these phases and these items of the migration list; all where none is named.

        Raises: errors.Refused for an item not in scope, errors.InventoryInvalid for an unknown phase.
        """
        for item in items:
            self.inventory.require_in_scope(item)
        keys = selected(self.whole, phases)
        self.want({key for key in keys if not items or self.whole.steps[key].item in items})
        self.narrowed = bool(phases or items)

    def want(self, keys: set[str]) -> None:
        self.wanted = keys
        self.graph = self.whole.restricted_to(keys)


@contextmanager
def open_project(project: str, phases: Sequence[str] = (), items: Sequence[str] = ()) -> Iterator[Work]:
    """Load the inventory, open the ledger that belongs to it, and build the graph."""
    inventory = load(project_folder(project))
    with Ledger.open(home(), ledger_url(), inventory.project.id) as ledger:
        remember_project(inventory.folder)
        desk = AcceptanceDesk(inventory, ledger, home())
        work = Work(inventory, ledger, project_graph(inventory, desk.steps()), desk)
        work.narrow(phases, items)
        yield work
