"""The command line: the same flows as Prefect's UI runs, and the questions around them.

With --json one JSON document stands on stdout and nothing else. Exit status: 0 done, 1 failed, 2 the input
is wrong, 3 refused. Only this module prints and exits, so that every ending stands in one place.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from core.errors import DONE, FAILED, INVALID, Fault, InventoryInvalid, MigrationError
from core.secret import redact
from flows import show
from flows.home import home, ledger_url, project_folder
from flows.lab_commands import lab
from flows.prefect_settings import prepare
from flows.report import class_of
from inventory.phases import PHASE_NAMES

project_argument = click.argument("project", envvar="QIANYUN_PROJECT", default="")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
plan_option = click.option(
    "--plan", "digest", required=True, help="Digest of the plan (or its first 12 signs)."
)
phase_option = click.option(
    "--phase",
    "phases",
    multiple=True,
    type=click.Choice(PHASE_NAMES),
    help="Only this phase; may be repeated.",
)
item_option = click.option("--item", "items", multiple=True, help="Only this item of the migration list.")


class Commands(click.Group):
    """Turns whatever ends a command into a text, one JSON document where asked for, and an exit status."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        arguments = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in arguments
        try:
            sys.exit(super().main(arguments, *rest, **(options | {"standalone_mode": False})))
        except MigrationError as error:
            _end(as_json, None, error)
        except click.ClickException as error:
            error.show()
            _end(as_json, None, _Usage(error.format_message()), said=True)
        except (click.Abort, KeyboardInterrupt):
            _end(as_json, None, _INTERRUPTED)
        except BrokenPipeError:
            # Whoever read our output went away (`| head`); there is nobody left to tell.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(FAILED)
        except Exception as error:  # noqa: BLE001 - the end of the process, with its trace
            click.echo(redact(traceback.format_exc()), err=True)
            _end(as_json, None, MigrationError(f"{type(error).__name__}: {error}", why=_UNFORESEEN))


class _Usage(MigrationError):
    """A command line that click does not understand."""

    exit_status = INVALID
    summary = "The command is not understood"


_INTERRUPTED = MigrationError(
    "interrupted",
    why="What was in flight has ended or will be found half-made; the next run does what is left.",
    next_command="qianyun status",
)
_UNFORESEEN = "This was not foreseen; please report it with the lines above."


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="qianyun")
def main() -> None:
    """Qianyun 迁云: migration projects, rehearsed dry, approved, carried out, proved.

    PROJECT is a folder with an inventory, or the name of a folder of inventory/; its default is
    $QIANYUN_PROJECT, then the project worked on last.
    """


@main.command()
@project_argument
@json_option
def check(project: str, as_json: bool) -> None:
    """Check an inventory; lists every fault with file, line and path."""
    from inventory.loader import check as faults_of

    faults = faults_of(project_folder(project))
    error = InventoryInvalid(faults, next_command=f"qianyun check {project}") if faults else None
    _end(as_json, {"ok": not faults, "faults": _fault_rows(faults)}, error, show.check)


@main.command()
@project_argument
@phase_option
@item_option
@click.option("--as", "mail", default="", help="Mail of the engineer who raises the change request.")
@json_option
def rehearse(project: str, phases: tuple[str, ...], items: tuple[str, ...], mail: str, as_json: bool) -> None:
    """Look at the real world, write nothing, and print what a live run would do."""
    _flow(
        "migration",
        as_json,
        show.rehearsal,
        project=project,
        dry_run=True,
        phases=phases,
        items=items,
        requested_by=mail,
    )


@main.command()
@project_argument
@plan_option
@click.option("--as", "mail", required=True, help="Mail of who approves, as named in the inventory.")
@click.option("--reason", default="", help="Why, or the number of the change request.")
@json_option
def approve(project: str, digest: str, mail: str, reason: str, as_json: bool) -> None:
    """Record the change approval of a rehearsed plan."""
    from flows import decisions

    result = decisions.approve(project, digest, mail, reason)
    _end(as_json, result.document, result.error, show.decision)


@main.command()
@project_argument
@plan_option
@phase_option
@item_option
@json_option
def migrate(
    project: str, digest: str, phases: tuple[str, ...], items: tuple[str, ...], as_json: bool
) -> None:
    """Carry out an approved plan, or what is left of it."""
    _flow(
        "migration",
        as_json,
        show.live,
        project=project,
        dry_run=False,
        plan=digest,
        phases=phases,
        items=items,
    )


@main.command()
@project_argument
@plan_option
@json_option
def cutover(project: str, digest: str, as_json: bool) -> None:
    """Carry out the cutover of an approved plan, inside its window; what comes before must be done."""
    _flow("migration", as_json, show.live, project=project, dry_run=False, plan=digest, phases=("cutover",))


@main.command()
@project_argument
@phase_option
@item_option
@json_option
def rollback(project: str, phases: tuple[str, ...], items: tuple[str, ...], as_json: bool) -> None:
    """Take back what was applied, the last first.

    Once users are on the new side only the cutover is taken back, unless phases are named: undoing the rest
    deletes what users wrote there meanwhile. Databases of method follow bring it back to the source first;
    with method copy the source opens as it was at the switch.
    """
    _flow("rollback", as_json, show.live, project=project, phases=phases, items=items)


@main.command()
@project_argument
@json_option
def status(project: str, as_json: bool) -> None:
    """The phase board, the gate and its clock, the deliverables and the runs."""
    from flows.standing import standing
    from flows.work import open_project

    with open_project(project) as work:
        _end(as_json, standing(work), None, show.status)


@main.command()
@project_argument
@click.argument("database", default="")
@click.option(
    "--minutes",
    default=0.0,
    type=click.FloatRange(min=0),
    help="End after so long; 0: at Ctrl-C, SIGTERM or SIGHUP.",
)
@json_option
def follow(project: str, database: str, minutes: float, as_json: bool) -> None:
    """Keep the targets of method follow level with their sources, until Ctrl-C; DATABASE: only that one.

    After the switch it brings what users write on the new side back to the source, for the way back.
    """
    from flows import follow as following
    from flows.processes import told_to_end
    from flows.show_follow import StatusLine, followed

    with told_to_end() as told:
        result = following.follow(project, database, StatusLine(), told=told, for_s=60 * minutes)
    _end(as_json, result.document, result.error, followed)


@main.command()
@click.argument("project", envvar="QIANYUN_PROJECT")
@click.argument("database")
@click.option("--table", "tables", multiple=True, help="Only this table; may be repeated.")
@click.option("--workers", default=4, show_default=True, type=click.IntRange(1, 64), help="At each server.")
@click.option("--most-running", default=0, help="Pause while a server runs more statements; 0: no limit.")
@click.option("--tries", default=3, show_default=True, help="How often what differs is looked at again.")
@click.option("--wait", "wait_s", default=1.0, show_default=True, help="Seconds before the next look.")
@json_option
def compare(
    project: str,
    database: str,
    tables: tuple[str, ...],
    workers: int,
    most_running: int,
    tries: int,
    wait_s: float,
    as_json: bool,
) -> None:
    """Compare source and target of DATABASE, definitions and rows; prints keys, never values.

    Verdict EQUAL (exit status 0); DIFFERENT, or CHANGING where rows changed at the source meanwhile and
    nothing is proved of them (both 1). Only reads; works while the source is written to and followed.
    """
    from flows import compare as comparing
    from flows.show_comparison import Telling, comparison
    from tasks.databases.comparison import Pace

    pace = Pace(workers=workers, most_running=most_running, tries=tries, wait_s=wait_s)
    result = comparing.compare(project, database, pace, tables, Telling())
    _end(as_json, result.document, result.error, comparison)


@main.command()
@project_argument
@click.argument(
    "decision", type=click.Choice(["show", "accept", "object", "rework", "close"]), default="show"
)
@click.option("--as", "mail", default="", help="Mail of who decides, as named in the inventory.")
@click.option("--reason", default="", help="What was confirmed, or what is objected to.")
@click.option("--item", "items", multiple=True, help="object: an item the objection names; may be repeated.")
@json_option
def gate(project: str, decision: str, mail: str, reason: str, items: tuple[str, ...], as_json: bool) -> None:
    """The acceptance gate: show it, or record the customer's answer."""
    from flows import decisions

    result = decisions.decide(project, decision, mail, reason, list(items))
    _end(as_json, result.document, result.error, show.gate)


@main.command()
@project_argument
@json_option
def deliverables(project: str, as_json: bool) -> None:
    """The deliverables with version, status, digest and path."""
    from flows.standing import deliverable_rows
    from flows.work import open_project

    with open_project(project) as work:
        rows = deliverable_rows(work.ledger)
        _end(as_json, {"project": work.inventory.project.id, "deliverables": rows}, None, show.deliverables)


@main.group()
def ledger() -> None:
    """The record of what happened: verify its chain, export it."""


@ledger.command("verify")
@json_option
def ledger_verify(as_json: bool) -> None:
    """Find an edited, deleted, reordered or truncated record, and evidence that no longer fits."""
    from core.errors import LedgerMismatch
    from ledger.book import Ledger

    with Ledger.peek(home(), ledger_url()) as book:
        found = book.verify()
    error = None
    if not found.ok:
        error = LedgerMismatch(
            "\n".join(str(fault) for fault in found.faults),
            why="The record is no longer what was written; restore it from a copy before going on.",
            next_command="qianyun ledger export",
        )
    document = {"ok": found.ok, "entries": found.entries, "head": found.head}
    _end(as_json, document | {"faults": [str(f) for f in found.faults]}, error, show.verification)


@ledger.command("export")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of stdout.")
@json_option
def ledger_export(output: Path | None, as_json: bool) -> None:
    """Write every record as a JSON line, in the order of the chain; with --json as one document."""
    from ledger.book import Ledger

    with Ledger.peek(home(), ledger_url()) as book:
        if output is not None:
            with output.open("w", encoding="utf-8") as stream:
                count = book.export(stream)
            _end(as_json, {"entries": count, "output": str(output)}, None)
        if as_json:
            _end(as_json, {"entries": [entry.__dict__ for entry in book.entries()]}, None)
        book.export(sys.stdout)


@main.command()
@click.option("--port", default=4200, show_default=True)
def serve(port: int) -> None:
    """Prefect server, worker and all deployments on this machine, ready for the browser."""
    prepare()
    from flows.serve import serve as serving

    for line in serving(port):
        click.echo(line)


main.add_command(lab)


def _fault_rows(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    return [{"file": f.file, "line": f.line, "path": f.path, "message": f.message} for f in faults]


def _flow(name: str, as_json: bool, people: Callable[[dict[str, Any]], Any], **parameters: Any) -> None:
    """Run one of the Prefect flows in this process and report how it ended."""
    prepare()
    from flows import serve

    parameters = {key: list(v) if isinstance(v, tuple) else v for key, v in parameters.items()}
    with serve.api():
        from prefect.logging.handlers import APILogHandler

        from flows import migration

        state = getattr(migration, name)(**parameters, return_state=True)
        result = state.result(raise_on_failure=False)
        APILogHandler().flush()  # while the server still listens
    if isinstance(result, BaseException):
        raise result
    _end(as_json, result.document, result.error, people)


def _end(
    as_json: bool,
    document: dict[str, Any] | None,
    error: MigrationError | None,
    people: Callable[[dict[str, Any]], Any] | None = None,
    *,
    said: bool = False,
) -> NoReturn:
    """Say how it ended, to scripts or to people, and leave with the right status."""
    if as_json:
        shown = dict(document or {})
        if error:
            if isinstance(error, InventoryInvalid):
                shown |= {"ok": False, "faults": _fault_rows(error.faults)}
            shown["error"] = {"class": class_of(error), "message": redact(str(error))}
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2, default=str))
    elif document and people:
        people(document)
    if error and not said:
        click.echo(redact(str(error)), err=True)
    sys.exit(error.exit_status if error else DONE)
