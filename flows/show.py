"""What people see on a terminal: plans, boards and answers as tables."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.report import NOTHING
from inventory.phases import PHASES_ZH

STYLES = {
    "create": "green",
    "copy": "green",
    "change": "yellow",
    "run": "cyan",
    "delete": "bold red",
    NOTHING: "dim",
    "done": "green",
    "Applied": "green",
    "Unchanged": "dim",
    "failed": "bold red",
    "Failed": "bold red",
    "refused": "bold red",
    "Refused": "bold red",
    "interrupted": "bold yellow",
    "NotDone": "yellow",
    "Undone": "yellow",
}


def _console() -> Console:
    console = Console(highlight=False)
    # A pipe has no width of its own; 80 signs would break every digest and key.
    return console if console.is_terminal else Console(highlight=False, width=160)


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _styled(text: str) -> Text:
    return Text(text, style=STYLES.get(text, ""))


def check(document: dict[str, Any]) -> None:
    if document["ok"]:
        _console().print("The inventory is valid.", style="green")


def rehearsal(document: dict[str, Any]) -> None:
    """The plan as it will be approved, with its ways back, its duration and whether the window holds it."""
    console = _console()
    table = _table("step", "action", "what", "way back")
    for row in document.get("changes", ()):
        table.add_row(row["step"], _styled(row["action"]), Text(row["summary"]), Text(row["reversal"], "dim"))
    console.print(table)
    if "duration_s" not in document:
        return
    times, window = document["duration_s"], document["window"]
    fits = "fits" if window["fits"] else "DOES NOT FIT"
    console.print(
        f"\nDuration: {times['p50']:.0f} s in half of all cases, {times['p90']:.0f} s in nine of ten."
    )
    console.print(
        f"Cutover with its way back needs {window['needed_s']:.0f} s; "
        f"the window {window['start']} to {window['end']} {fits}.",
        style="" if window["fits"] else "bold red",
    )
    for one in document["preconditions"]:
        if one["blocks"]:
            phases = ", ".join(one["blocks"])
            console.print(f"Precondition {one['kind']} is {one['answer']}: blocks {phases}", style="bold red")
    if document["digest"]:
        console.print(f"\nDigest: {document['digest']}", style="bold")
        console.print(f"    qianyun approve --plan {document['digest'][:12]} --as MAIL")


def live(document: dict[str, Any]) -> None:
    """What a live run did to each step."""
    table = _table("step", "state", "evidence")
    for row in document.get("steps", ()):
        waits = f"waits for {row['waits_for']}" if "waits_for" in row else row["evidence"][:16]
        table.add_row(row["step"], _styled(row["state"]), Text(waits, "dim"))
    console = _console()
    console.print(table)
    for key, reason in document.get("left", {}).items():
        console.print(f"left as it is: {key} ({reason})", style="yellow")
    console.print(f"\n{document.get('run_id', '')}: {document['state']}", style="bold")


def status(document: dict[str, Any]) -> None:
    """The phase board, the gate, the deliverables."""
    console = _console()
    table = _table("phase", "阶段", "state", "steps")
    for row in document["phases"]:
        table.add_row(
            row["phase"], PHASES_ZH[row["phase"]], _styled(row["state"]), f"{row['done']}/{row['total']}"
        )
    console.print(table)
    console.print(f"\nWindow: {document['window']['start']} to {document['window']['end']}")
    gate(document)
    deliverables(document)


def gate(document: dict[str, Any]) -> None:
    found = document["gate"]
    console = _console()
    console.print(f"Gate: {found['state']}", style="bold")
    if found["submitted_at"]:
        console.print(f"  submitted {found['submitted_at']}, due {found['due_at'] or 'unresolved'}")
        console.print(f"  {found['due_explanation']}")
    if found["objection"]:
        console.print(f"  objection: {found['objection']} ({', '.join(found['items'])})")


def deliverables(document: dict[str, Any]) -> None:
    table = _table("deliverable", "version", "status", "sha256", "path")
    for one in document["deliverables"]:
        table.add_row(one["kind"], str(one["version"]), one["status"], one["sha256"][:16], one["path"])
    _console().print(table)


def decision(document: dict[str, Any]) -> None:
    console = _console()
    console.print(f"Approved by {document['approved_by']}: {document['digest']}", style="green")
    console.print(f"    qianyun migrate --plan {document['digest'][:12]}")


def verification(document: dict[str, Any]) -> None:
    console = _console()
    if document["ok"]:
        console.print(
            f"The chain is whole: {document['entries']} records, head {document['head']}", style="green"
        )
    else:
        for fault in document["faults"]:
            console.print(fault, style="red")
