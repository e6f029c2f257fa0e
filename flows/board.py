"""What leads look at in Prefect: the plan as a table and the phase board, each under a key of its own.

The board is also a file, since Prefect's database may be thrown away at any time.
"""

import re
from datetime import datetime
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.home import home
from flows.report import NOTHING
from flows.show_comparison import differences
from flows.standing import standing
from flows.work import Work
from inventory.phases import PHASES_ZH

SIGNS = {
    "done": "✅",
    "failed": "❌",
    "refused": "⛔",
    "interrupted": "⚠️",
    "in progress": "▶️",
    "rehearsed": "📝",
    "rolled back": "↩️",
    "open": "·",
}


def publish(work: Work, document: dict[str, Any]) -> None:
    """Show a finished run: its plan, where it has one, and how the project stands now."""
    stands = standing(work)
    text = board_markdown(work.inventory.project.name, stands)
    (home() / "board.md").write_text(text, encoding="utf-8")
    create_markdown_artifact(text, key=artifact_key("board", stands["project"]), description=headline(stands))
    rows = document.get("changes")
    if rows is not None:
        shown = [{name: str(row[name]) for name in ("step", "action", "summary", "reversal")} for row in rows]
        changes = sum(row["action"] != NOTHING for row in rows)
        digest = document["digest"] or "none, because the rehearsal failed"
        create_table_artifact(
            shown,
            key=artifact_key("plan", stands["project"]),
            description=f"{changes} changes, {len(shown)} lines; digest to approve: {digest}",
        )


def publish_comparison(document: dict[str, Any]) -> None:
    """Show what came out for each table: keys of rows, never values."""
    rows = [
        {
            "table": row["name"],
            "verdict": row["verdict"],
            "at source": f"{row['rows_at_source']:,}",
            "at target": f"{row['rows_at_target']:,}",
            "what differs": differences(row),
        }
        for row in document["tables"]
    ]
    wrong = [f"{row['name']}: {row['planned']} / {row['actual']}" for row in document["definitions"]["wrong"]]
    create_table_artifact(
        rows,
        key=artifact_key("comparison", f"{document['project']} {document['database']}"),
        description="; ".join([f"{document['verdict']}: {document['compared']}", *wrong]),
    )


def artifact_key(kind: str, project: str) -> str:
    return f"{kind}-" + re.sub(r"[^a-z0-9]+", "-", project.lower()).strip("-")


def headline(stands: dict[str, Any]) -> str:
    """The board in one line, for where only a description is shown."""
    done = sum(row["state"] == "done" for row in stands["phases"])
    gate = stands["gate"]
    tail = f", due {_minutes(gate['due_at'])}" if gate["due_at"] else ""
    return f"{done} of {len(stands['phases'])} phases done; gate {gate['state'].replace('_', ' ')}{tail}"


def _minutes(instant: str) -> str:
    """An ISO time for people; its zone is said, since readers sit in several."""
    return datetime.fromisoformat(instant).strftime("%Y-%m-%d %H:%M %Z").replace("UTC+", "+")


def board_markdown(name: str, stands: dict[str, Any]) -> str:
    """The phase board, the gate and the deliverables as Markdown."""
    lines = [
        f"# {name}",
        "",
        f"**{headline(stands)}**",
        "",
        "| | phase | state | steps |",
        "|---|---|---|---|",
    ]
    for row in stands["phases"]:
        title = f"{row['phase']} {PHASES_ZH[row['phase']]}"
        state = row["state"] + "".join(f"<br>`{key}`" for key in row["failed"][:3])
        lines.append(f"| {SIGNS[row['state']]} | {title} | {state} | {row['done']} / {row['total']} |")
    lines += [
        "",
        f"Window 割接窗口: {_minutes(stands['window']['start'])} – {_minutes(stands['window']['end'])}",
    ]
    gate = stands["gate"]
    lines += [f"Gate 验收: **{gate['state'].replace('_', ' ')}** {gate['due_explanation']}", ""]
    if stands["deliverables"]:
        lines += ["| deliverable 交付物 | version | status | sha256 |", "|---|---|---|---|"]
        for one in stands["deliverables"]:
            lines.append(f"| {one['kind']} | {one['version']} | {one['status']} | `{one['sha256'][:16]}` |")
    return "\n".join(lines) + "\n"
