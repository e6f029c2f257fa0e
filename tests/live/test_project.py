"""One migration project from inventory to acceptance and back, told by the commands of its engineer."""

import re
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from lab.processes import inside
from tests.live.conftest import CUSTOMER, ENGINEER, Shelf, Terminal
from tests.live.worlds import address_of_name, ask, mailbox, point_name, without_traces

pytestmark = [pytest.mark.live, pytest.mark.timeout(1200)]

PROVIDER_LEAD, STRANGER = "zhang.wei@example.com", "nobody@example.org"
DELIVERABLES = {"proposal", "implementation-plan", "configuration-index", "acceptance-letter"}
SYSCTL = ("web-2", "net.core.somaxconn")


def test_the_whole_project(terminal: Terminal, shelf: Shelf) -> None:
    first = terminal.world()
    assert terminal.of_project("check").document == {"ok": True, "faults": []}
    plan = rehearsed(terminal, first)
    digest = plan["digest"]
    refused_without_approval(terminal, digest, first)
    terminal.of_project("approve", "--plan", digest, "--as", CUSTOMER, "--reason", "CHG-1")
    shelf.keep(terminal, digest)
    refused_after_drift(terminal, digest)
    refused_out_of_scope(terminal)

    started = time.monotonic()
    migrated(terminal, digest)
    shelf.ended(terminal, time.monotonic() - started)
    end = shelf.end
    handed_over(terminal)
    again = terminal.migrate(digest)
    assert set(again.states.values()) == {"Unchanged"}, again.applied
    assert without_traces(terminal.world()) == without_traces(end)

    answered_at_the_gate(terminal)
    tampering_is_found(terminal)
    taken_back(terminal, plan, first)


def rehearsed(terminal: Terminal, first: dict[str, str]) -> dict[str, Any]:
    """A rehearsal says everything, writes nothing, and says the same when asked again."""
    plan = terminal.rehearse().document
    assert terminal.world() == first
    for key in ("project", "run_id", "mode", "digest", "changes", "duration_s", "window"):
        assert key in plan
    assert plan["project"] == "demo-shop" and plan["mode"] == "rehearsal"
    assert re.fullmatch("[0-9a-f]{64}", plan["digest"])
    for row in plan["changes"]:
        assert {"step", "phase", "action", "summary", "reversal"} <= row.keys()
    assert {row["phase"] for row in plan["changes"]} >= {"network", "databases", "cutover", "acceptance"}
    assert 0 < plan["duration_s"]["p50"] <= plan["duration_s"]["p90"]
    assert plan["window"]["start"] < plan["window"]["end"] and plan["window"]["fits"] is True
    again = terminal.rehearse().document
    assert (again["digest"], again["changes"]) == (plan["digest"], plan["changes"])
    assert again["run_id"] != plan["run_id"]
    return plan


def refused_without_approval(terminal: Terminal, digest: str, first: dict[str, str]) -> None:
    refused = terminal.migrate(digest, expect=3)
    assert "not approved" in refused.message and "\n    qianyun approve " in refused.message
    for who, why in (
        (ENGINEER, "may not approve"),
        (PROVIDER_LEAD, "may not approve"),
        (STRANGER, "may not approve"),
    ):
        answer = terminal.of_project("approve", "--plan", digest, "--as", who, expect=3)
        assert who in answer.message and why in answer.message
    unknown = terminal.of_project("approve", "--plan", "0" * 64, "--as", CUSTOMER, expect=3)
    assert "\n    qianyun rehearse " in unknown.message
    terminal.migrate(digest, expect=3)
    assert terminal.world() == first


def refused_after_drift(terminal: Terminal, digest: str) -> None:
    """Whoever turns a screw or a name on the target after the approval makes the plan stale, by name."""
    host, name = SYSCTL
    found = inside(terminal.lab, host, ["sysctl", "-n", name]).strip()
    inside(terminal.lab, host, ["sysctl", "-w", f"{name}=1234"])
    point_name(terminal.lab, "192.0.2.7")
    drifted = terminal.world()
    stale = terminal.migrate(digest, expect=3)
    assert stale.document["error"]["class"] == "StalePlan"
    assert f"environment/{host}/sysctl" in stale.message and "1234" in stale.message
    assert "cutover/dns/shop" in stale.message and "192.0.2.7" in stale.message
    assert "\n    qianyun rehearse " in stale.message
    assert terminal.world() == drifted
    inside(terminal.lab, host, ["sysctl", "-w", f"{name}={found}"])
    point_name(terminal.lab, terminal.lab.address("web-1"))


def refused_out_of_scope(terminal: Terminal) -> None:
    before = terminal.world()
    refused = terminal.rehearse("--item", "reports", expect=3)
    assert "reports" in refused.message and refused.document["error"]["class"] == "Refused"
    other = terminal.root / "other"
    shutil.copytree(terminal.project, other)
    text = (other / "project.yaml").read_text()
    (other / "project.yaml").write_text(text.replace("id: demo-shop\n", "id: other-shop\n"))
    foreign = terminal.run("rehearse", str(other), expect=3)
    assert foreign.document["error"]["class"] == "LedgerMismatch"
    assert "demo-shop" in foreign.message and "other-shop" in foreign.message
    assert terminal.world() == before


def migrated(terminal: Terminal, digest: str) -> None:
    live = terminal.migrate(digest)
    assert not live.undone and live.applied
    assert live.document["mode"] == "live" and live.document["state"] == "Completed"
    assert live.document["digest"] == digest
    evidence = {row["evidence"] for row in live.document["steps"]}
    assert all((terminal.home / "evidence").rglob(f"{proof}*") for proof in evidence) and "" not in evidence
    assert address_of_name(terminal.lab) == [terminal.lab.address("web-2")]


def handed_over(terminal: Terminal) -> None:
    status = terminal.of_project("status").document
    assert {row["state"] for row in status["phases"]} == {"done"}
    assert all(row["done"] == row["total"] > 0 for row in status["phases"])
    assert status["gate"]["state"] == "submitted"
    assert status["gate"]["submitted_at"] < status["gate"]["due_at"]
    rows = terminal.of_project("deliverables").document["deliverables"]
    assert rows == status["deliverables"]
    assert {row["kind"] for row in rows} == DELIVERABLES and {row["version"] for row in rows} == {1}
    assert {row["status"] for row in rows} == {"sent"}
    assert all(Path(row["path"]).stat().st_size > 0 for row in rows)
    verified = terminal.run("ledger", "verify").document
    assert verified["ok"] is True and verified["entries"] > 0 and len(verified["head"]) == 64
    mails = mailbox(terminal.lab)
    assert len(mails) == 1 and "acceptance@example.cn" in mails[0]["to"]
    assert len([part for part in mails[0]["message"].walk() if part.get_filename()]) >= len(DELIVERABLES) - 1


def answered_at_the_gate(terminal: Terminal) -> None:
    """The provider may not answer; the customer objects, sees the rework, and accepts the next round."""
    for decision in ("accept", "object"):
        refused = terminal.of_project(
            "gate", decision, "--as", PROVIDER_LEAD, "--reason", "fine", "--item", "shop", expect=3
        )
        assert PROVIDER_LEAD in refused.message and CUSTOMER in refused.message
    terminal.of_project("gate", "close", "--as", PROVIDER_LEAD, expect=3)
    terminal.of_project("gate", "object", "--as", CUSTOMER, "--reason", "x", "--item", "reports", expect=3)
    terminal.of_project("gate", "object", "--as", CUSTOMER, "--reason", "no items named", expect=3)
    words = ("--as", CUSTOMER, "--reason", "图片没有显示")
    objected = terminal.of_project("gate", "object", *words, "--item", "shop").document["gate"]
    assert objected["state"] == "objected" and objected["items"] == ["shop"]
    terminal.of_project("gate", "accept", "--as", CUSTOMER, "--reason", "on second thoughts", expect=3)
    rework = terminal.of_project("gate", "rework", "--as", ENGINEER, "--reason", "mended").document["gate"]
    assert rework["state"] == "rework"
    plan = terminal.rehearse().document
    assert phases_at_work(plan) == {"acceptance"}, "users are on the new side"
    terminal.of_project("approve", "--plan", plan["digest"], "--as", CUSTOMER)
    second = terminal.migrate(plan["digest"])
    assert second.document["gate"]["state"] == "submitted" and second.document["gate"]["round"] == 2
    assert len({mail["message"]["Message-ID"] for mail in mailbox(terminal.lab)}) == 2
    accepted = terminal.of_project("gate", "accept", "--as", CUSTOMER, "--reason", "mail of today")
    assert accepted.document["gate"]["state"] == "accepted" and accepted.document["gate"]["settled"]
    terminal.of_project("gate", "object", *words, "--item", "shop", expect=3)


def tampering_is_found(terminal: Terminal) -> None:
    """Edited past our code, with the triggers that forbid it dropped: the chain tells."""
    copy = Terminal(terminal.lab, terminal.root / "tampered", terminal.api)
    shutil.copytree(terminal.home, copy.home)
    with sqlite3.connect(copy.home / "ledger.db") as book:
        triggers = book.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            book.execute(f'DROP TRIGGER "{name}"')
        table, column = record_column(book)
        book.execute(
            f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (CUSTOMER, "mallory@example.cn")
        )
    book.close()
    found = copy.run("ledger", "verify", expect=3)
    assert triggers and found.document["ok"] is False and found.document["faults"]
    assert terminal.run("ledger", "verify").document["ok"] is True


def taken_back(terminal: Terminal, plan: dict[str, Any], first: dict[str, str]) -> None:
    """First the switch, then everything else: asked again, the world needs the very same plan.

    What stays is said: packages leave caches and accounts their backups on the hosts; the customer has
    the mail; the cloud remembers what was deleted. The source side and the target's databases are as
    they were to the byte.
    """
    back = terminal.of_project("rollback").document
    assert back["state"] == "RolledBack" and not back["errors"]
    assert {row["phase"] for row in back["steps"]} == {"cutover"}
    assert back["left"]["databases/shop-db/data"] and back["left"]["acceptance/mail"] == "one-way"
    assert address_of_name(terminal.lab) == [terminal.lab.address("web-1")]
    assert ask(terminal.lab, "db-1", "SELECT @@global.read_only") == "0"

    back = terminal.of_project("rollback").document
    assert back["state"] == "RolledBack" and not back["errors"]
    assert {row["state"] for row in back["steps"]} == {"Undone"}
    assert set(back["left"].values()) <= {"one-way"}
    again = terminal.rehearse().document
    assert wished(again) == wished(plan)
    assert again["digest"] == plan["digest"]
    last = terminal.world()
    moved = {part for part in {*first, *last} if first.get(part) != last.get(part)}
    allowed = {"mailbox", "web-2/files", "app-2/files", "file-2/files"}
    assert {part for part in moved - allowed if not part.startswith(("cloud/", "trace/"))} == set()


def phases_at_work(plan: dict[str, Any]) -> set[str]:
    return {row["phase"] for row in plan["changes"] if row["action"] != "nothing"}


def wished(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """What a rehearsal wants done, without the figures."""
    return [(row["step"], row["summary"]) for row in plan["changes"] if row["action"] != "nothing"]


def record_column(book: sqlite3.Connection) -> tuple[str, str]:
    """The table and column of the ledger that hold the approver's name."""
    for (table,) in book.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for column in [row[1] for row in book.execute(f"PRAGMA table_info({table})")]:
            query = f"SELECT count(*) FROM {table} WHERE {column} LIKE ?"
            if book.execute(query, (f"%{CUSTOMER}%",)).fetchone()[0]:
                return table, column
    raise AssertionError("no record names the approver")
