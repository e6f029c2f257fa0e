"""`qianyun lab`: the practice estate, its project folder, and the demonstration of the whole service."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from core.errors import MigrationError

name_option = click.option("--name", default="demo", show_default=True, help="Which practice estate.")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


@click.group()
def lab() -> None:
    """The practice estate on this machine: real hosts, databases, mail and a cloud endpoint."""


def _say(as_json: bool, document: dict[str, Any]) -> None:
    from lab.__main__ import words

    click.echo(json.dumps(document, ensure_ascii=False, indent=2) if as_json else words(document))


@lab.command()
@name_option
@json_option
def up(name: str, as_json: bool) -> None:
    """Raise the estate; the first time it is built from Debian's packages."""
    from lab import estate

    estate.up(name)
    _say(as_json, estate.status(name))


@lab.command()
@name_option
@click.option("--purge", is_flag=True, help="Remove the built image too.")
@json_option
def down(name: str, purge: bool, as_json: bool) -> None:
    """End the estate and leave nothing behind."""
    from lab import estate

    estate.down(name, purge=purge)
    _say(as_json, estate.status(name))


@lab.command()
@name_option
@json_option
def reset(name: str, as_json: bool) -> None:
    """Put the estate back to how it was before the first migration."""
    from lab import estate

    estate.reset(name)
    _say(as_json, estate.status(name))


@lab.command()
@name_option
@json_option
def status(name: str, as_json: bool) -> None:
    """Which hosts are up and which services answer."""
    from lab import estate

    _say(as_json, estate.status(name))


@lab.command()
@name_option
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--hours", default=4, show_default=True, help="Length of the cutover window, from now.")
@json_option
def project(name: str, folder: Path, hours: int, as_json: bool) -> None:
    """Write the practice project into FOLDER: the demo inventory with this estate's secrets and a window."""
    written = str(practice_project(name, folder, hours))
    click.echo(json.dumps({"folder": written}, ensure_ascii=False) if as_json else written)


@lab.command()
@click.option("--keep", is_flag=True, help="Leave the estate running afterwards.")
def demo(keep: bool) -> None:
    """Raise the estate and carry out the whole practice project, from inventory to acceptance."""
    from flows.demo import run

    if not run(click.echo, keep=keep):
        raise MigrationError("the demonstration did not end as it should; see the lines above")


def practice_project(name: str, folder: Path, hours: int = 4) -> Path:
    from inventory.practice import materialise
    from lab import estate

    now = datetime.now(UTC).replace(microsecond=0)
    return materialise(
        folder,
        prefix=f"10.{estate.estate(name).prefix}",
        window_start=now - timedelta(minutes=1),
        window_end=now + timedelta(hours=hours),
        secrets=estate.secrets(name),
    )
