"""`qianyun compare`: one database of the migration list, source against target; it only looks.

After the switch the target leads: then the source is compared with it, in the direction of the stream.
"""

import time
from dataclasses import replace
from typing import Any, Protocol

from core.access import Pool, Reader
from core.checks import Check, Status
from core.errors import Refused, VerifyFailed
from flows.databases import TRIGGERS, move_of, target_leads
from flows.home import project_folder
from flows.report import Result
from inventory.loader import load
from inventory.model import Inventory
from tasks.databases.comparison import Pace, TableResult, Verdict
from tasks.databases.model import Marks, Table
from tasks.databases.move import Move, compare_time
from tasks.databases.steps import CompareDatabase

KINDS = {"missing": "missing", "not at the source": "not_at_source", "differs": "differs"}


class Told(Protocol):
    """Who is told of the estimate before and of how far it is."""

    def estimate(self, found: dict[str, Any]) -> None: ...

    def progress(self, done: int, total: int, unit: str) -> None: ...


def compare(project: str, database: str, pace: Pace, tables: tuple[str, ...], told: Told) -> Result:
    """Compare definitions and rows; works while the source is written to and followed.

    Raises: errors.Refused for what is not a database in scope or a table of it.
    """
    inventory = load(project_folder(project))
    step, method = _step(inventory, database, pace)
    pool = Pool()
    reader = Reader(pool)
    try:
        started = time.monotonic()
        back = method == "follow" and target_leads(step.move, reader)
        step = _as_far_as_made(step, reader, followed=method == "follow", back=back)
        checks, pairs = step.definitions(reader)
        pairs = _chosen(step, pairs, tables)
        estimate = _estimate([ours for ours, _ in pairs])
        told.estimate(estimate)
        comparison = replace(step.comparison, narrow_moved=True, back=back)
        results = list(
            comparison.run(
                reader,
                [(theirs, ours) for ours, theirs in pairs] if back else pairs,
                _marks(step.move, reader, back=back),
                told.progress,
            )
        )
    finally:
        reader.close(healthy=True)
        pool.close()
    verdict = _verdict(checks, results)
    labels = (step.move.to_label, step.move.from_label)[:: 1 if back else -1]
    document = {
        "project": inventory.project.id,
        "database": database,
        "method": method,
        "source": step.move.from_label,
        "target": step.move.to_label,
        "leads": "target" if back else "source",
        "compared": " with ".join(labels),
        "verdict": str(verdict),
        "estimate": estimate,
        "took_s": round(time.monotonic() - started, 3),
        "definitions": {"compared": len(checks), "wrong": [_check_row(c) for c in _wrong(checks)]},
        "left_out": sorted(step.without),
        "tables": [_table_row(result, back=back) for result in results],
    }
    return Result(document, _error(document, verdict, checks, results))


def _step(inventory: Inventory, database: str, pace: Pace) -> tuple[CompareDatabase, str]:
    inventory.require_in_scope(database)
    item = next((i for i in inventory.in_scope("database") if i.name == database), None)
    if item is None:
        raise Refused(
            f"{database!r} is no database of the migration list",
            why="Only databases can be compared row by row.",
            next_command=f"qianyun check {inventory.folder}",
        )
    step = CompareDatabase(
        key=f"databases/{database}/comparison", item=database, move=move_of(inventory, item), pace=pace
    )
    return step, item.method


def _marks(move: Move, reader: Reader, *, back: bool) -> Marks:
    """Of the side that is followed up to the other."""
    if back:
        return move.open_source(reader).marks(move.source_schema) or Marks()
    return move.open_target(reader).marks(move.target_schema) or Marks()


def _as_far_as_made(step: CompareDatabase, reader: Reader, *, followed: bool, back: bool) -> CompareDatabase:
    """A followed target gets its triggers at the cutover: until then they are not missed there. From then on
    the source, which is followed up to it, has none."""
    if not followed:
        return step
    if back:
        step.move.open_target(reader, "follow-from")  # how far the source is, its log tells
        return replace(step, followed=True, without=TRIGGERS)
    there = step.move.open_target(reader).objects(step.move.target_schema)
    made = any(found.kind == "trigger" for found in there)
    return replace(step, followed=True, without=frozenset() if made else TRIGGERS)


def _chosen(
    step: CompareDatabase, pairs: list[tuple[Table, Table]], tables: tuple[str, ...]
) -> list[tuple[Table, Table]]:
    if unknown := sorted(set(tables) - {ours.name for ours, _ in pairs}):
        raise Refused(
            f"{step.move.from_label}: {', '.join(unknown)}: no table with the same columns at both sides",
            why="Nothing was compared: a table that is not there must not look as if it were equal.",
        )
    return [pair for pair in pairs if not tables or pair[0].name in tables]


def _estimate(tables: list[Table]) -> dict[str, Any]:
    duration = compare_time(tables)
    return {
        "tables": len(tables),
        "rows": sum(table.rows_estimate for table in tables),
        "size_bytes": sum(table.size_bytes for table in tables),
        "p50_s": round(duration.p50_s, 1),
        "p90_s": round(duration.p90_s, 1),
    }


def _verdict(checks: list[Check], results: list[TableResult]) -> Verdict:
    found = {result.verdict for result in results}
    if _wrong(checks) or Verdict.DIFFERENT in found:
        return Verdict.DIFFERENT
    return Verdict.CHANGING if Verdict.CHANGING in found else Verdict.EQUAL


def _wrong(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.status is not Status.PASS]


def _check_row(check: Check) -> dict[str, str]:
    return {"name": check.name, "planned": check.planned, "actual": check.actual}


def _table_row(result: TableResult, *, back: bool) -> dict[str, Any]:
    differing = sum(result.counts.values()) + result.changing
    at_source, at_target = (result.target, result.source) if back else (result.source, result.target)
    return {
        "name": result.name,
        "verdict": str(result.verdict),
        "rows_at_source": at_source.rows,
        "rows_at_target": at_target.rows,
        **{short: result.counts[kind] for kind, short in KINDS.items()},
        "changing": result.changing,
        "as_copied": result.as_copied,
        "keys": list(result.rows),
        "keys_not_shown": result.not_shown if differing else 0,
        "ranges": result.ranges,
        "ranges_looked_at_again": result.looked_again,
    }


def _error(
    document: dict[str, Any], verdict: Verdict, checks: list[Check], results: list[TableResult]
) -> VerifyFailed | None:
    if verdict is Verdict.EQUAL:
        return None
    tables = [r.name for r in results if r.verdict is verdict]
    names = [check.name for check in _wrong(checks)] + [f"table {name}" for name in tables]
    rows = sum(sum(r.counts.values()) if verdict is Verdict.DIFFERENT else r.changing for r in results)
    leads = document["leads"]
    follows = "source" if leads == "target" else "target"
    why = f"The {follows} does not hold what the {leads} holds."
    if verdict is Verdict.CHANGING:
        since = "" if leads == "target" else " or since the copy"
        why = f"These rows changed at the {leads} meanwhile{since}: nothing is proved of them."
    return VerifyFailed(f"{document['database']}: {verdict}: {rows} rows; {', '.join(names)}", why=why)
