"""Looking at the practice estate's world, and comparing two of them."""

import json
import sqlite3
from email import message_from_bytes
from pathlib import Path
from typing import Any

import boto3

from lab.estate import Estate
from lab.processes import inside
from lab.tree import describe, walk


def without_traces(world: dict[str, str]) -> dict[str, str]:
    """Where a way ended, without how it went there."""
    return {part: digest for part, digest in world.items() if not part.startswith("trace/")}


def ask(lab: Estate, host: str, sql: str) -> str:
    """Ask a database server as its root."""
    return inside(lab, host, ["mariadb", "--batch", "--skip-column-names"], given=sql).strip()


def trees(lab: Estate) -> dict[str, str]:
    """Every path that was written on any host since the estate was raised, with what it is."""
    found: dict[str, str] = {}
    for host in lab.hosts:
        root = lab.directory(host.name) / "upper"
        if host.layers:
            found |= {f"{host.name}/{path.relative_to(root)}": describe(path) for path in walk(root, root)}
    return found


def accounts(lab: Estate) -> dict[str, str]:
    """Who may do what on the database servers, without the times at which passwords were set."""
    private = "SELECT Host, User, JSON_REMOVE(Priv, '$.password_last_changed') FROM mysql.global_priv"
    rights = (
        private,
        "SELECT * FROM mysql.db",
        "SELECT Host, Db, User, Routine_name, Proc_priv FROM mysql.procs_priv",
    )
    return {
        host.name: "\n".join(ask(lab, host.name, f"{query} ORDER BY 1, 2, 3") for query in rights)
        for host in lab.hosts
        if host.server_id
    }


def progress(home: Path, after: int) -> tuple[tuple[str, ...], int]:
    """What a run had begun and not ended when it stopped, and how many steps it had ended.

    `after` is the number of the last record before it.
    """
    with sqlite3.connect(f"file:{home / 'ledger.db'}?mode=ro", uri=True) as book:
        query = "SELECT step, kind FROM entries WHERE step != '' AND seq > ? ORDER BY seq"
        rows = book.execute(query, (after,)).fetchall()
    book.close()
    ended = {step for step, kind in rows if kind == "step_ended"}
    return tuple(step for step, kind in rows if kind == "step_begun" and step not in ended), len(ended)


def last_record(home: Path) -> int:
    """The number of the ledger's last record."""
    with sqlite3.connect(f"file:{home / 'ledger.db'}?mode=ro", uri=True) as book:
        found = book.execute("SELECT max(seq) FROM entries").fetchone()[0]
    book.close()
    return int(found)


def recorded(home: Path, step: str, kind: str, after: int) -> bool:
    """Whether the ledger of a running command has such a record of a step, later than `after`."""
    with sqlite3.connect(f"file:{home / 'ledger.db'}?mode=ro", uri=True) as book:
        query = "SELECT count(*) FROM entries WHERE step = ? AND kind = ? AND seq > ?"
        found = book.execute(query, (step, kind, after)).fetchone()[0]
    book.close()
    return bool(found)


def mailbox(lab: Estate) -> list[dict[str, Any]]:
    """The customer's messages with their envelopes, in the order of their arrival."""
    found = []
    for envelope in sorted(lab.mailbox.glob("*.json")):
        message = message_from_bytes(envelope.with_suffix(".eml").read_bytes())
        found.append({**json.loads(envelope.read_text()), "message": message})
    return found


def route53(lab: Estate) -> Any:
    keys = {"aws_access_key_id": "lab", "aws_secret_access_key": "lab"}
    return boto3.client("route53", endpoint_url=lab.cloud_url, region_name="cn-north-1", **keys)  # type: ignore[call-overload]


def shop_record(lab: Estate) -> tuple[str, dict[str, Any]]:
    client = route53(lab)
    zone = client.list_hosted_zones()["HostedZones"][0]["Id"]
    records = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return zone, next(record for record in records if record["Name"].startswith("shop."))


def address_of_name(lab: Estate) -> list[str]:
    return [value["Value"] for value in shop_record(lab)[1]["ResourceRecords"]]


def point_name(lab: Estate, address: str) -> None:
    """Change the shop's name by hand, as somebody at the console would."""
    zone, record = shop_record(lab)
    wanted = {**record, "ResourceRecords": [{"Value": address}]}
    changes = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": wanted}]}
    route53(lab).change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)
