"""A thin command line, usable without the rest of Qianyun: `python -m lab up|down|status|reset|snapshot`."""

import argparse
import json
import sys
from typing import Any

from core.errors import MigrationError
from lab import estate
from lab.snapshot import snapshot


def main() -> int:
    """Run one command and give its exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "status", "reset", "snapshot"))
    parser.add_argument("--name", default="demo", help="the instance (demo)")
    parser.add_argument("--purge", action="store_true", help="with down: remove the built image too")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    arguments = parser.parse_args()
    try:
        answer = perform(arguments.command, arguments.name, arguments.purge)
    except MigrationError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    print(json.dumps(answer, ensure_ascii=False) if arguments.json else words(answer))
    return 0


def perform(command: str, name: str, purge: bool) -> dict[str, Any]:
    """Do what was asked and give what there is to say."""
    if command == "snapshot":
        return dict(snapshot(name))
    if command == "down":
        estate.down(name, purge=purge)
    elif command != "status":
        getattr(estate, command)(name)
    return estate.status(name)


def words(answer: dict[str, Any]) -> str:
    """Put an answer into lines for a person."""
    if "hosts" not in answer:
        return "\n".join(f"{digest[:16]}  {part}" for part, digest in answer.items())
    lines = [f"{answer['name']} is {answer['state']}, network {answer['network']}"]
    for host in answer["hosts"]:
        services = ", ".join(
            f"{name} {'answers' if ok else 'silent'}" for name, ok in host["services"].items()
        )
        lines.append(
            f"  {host['name']:<8} {host['address']:<13} {host['role']:<12} {host['state']:<10} {services}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
