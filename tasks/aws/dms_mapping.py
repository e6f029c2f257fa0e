"""What a replication task is told: which tables, under which name, and that it stops rather than skips.

Source: AWS DMS user guide, "Specifying task settings", "Error handling task settings", "Table mapping",
"Wildcards in table mapping", "Using a MySQL-compatible database as a source" and "as a target".
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from core.plan import Value
from tasks.databases.model import Table
from tasks.databases.move import Move

Migration = Literal["full-load-and-cdc", "full-load"]

_LOBS = frozenset(
    {
        "tinyblob", "blob", "mediumblob", "longblob", "tinytext", "text", "mediumtext", "longtext", "json",
        "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
        "geometrycollection", "geomcollection",
    }
)  # fmt: skip


def control_schema(target_schema: str) -> str:
    """Where DMS keeps its books on the target: one for each moving schema, dropped with the data's undo."""
    name = f"qianyun_dms_{target_schema}"
    if len(name) <= 64:
        return name
    return f"{name[:55]}_{hashlib.sha256(target_schema.encode()).hexdigest()[:8]}"


def settings(target_schema: str) -> Value:
    """Whole large values, nothing skipped, nothing cut; every doubt stops the task and is logged."""
    return {
        "TargetMetadata": {
            "SupportLobs": True,
            "FullLobMode": True,
            "LimitedSizeLobMode": False,
            "LobChunkSize": 64,
            # Transaction by transaction, in the order of the source.
            "BatchApplyEnabled": False,
        },
        "FullLoadSettings": {
            # The tables are ours, made by CreateSchema, and empty.
            "TargetTablePrepMode": "DO_NOTHING",
            "MaxFullLoadSubTasks": 8,
            "TransactionConsistencyTimeout": 600,
            "StopTaskCachedChangesApplied": False,
            "StopTaskCachedChangesNotApplied": False,
        },
        "ControlTablesSettings": {"ControlSchema": control_schema(target_schema)},
        "Logging": {"EnableLogging": True},
        "ChangeProcessingDdlHandlingPolicy": {
            # Definitions are compared by us; what DMS made of an ALTER would differ from the source's.
            "HandleSourceTableAltered": False,
            "HandleSourceTableDropped": False,
            "HandleSourceTableTruncated": True,
        },
        "ErrorBehavior": {
            "DataErrorPolicy": "STOP_TASK",
            "DataTruncationErrorPolicy": "STOP_TASK",
            "DataErrorEscalationPolicy": "STOP_TASK",
            "TableErrorPolicy": "STOP_TASK",
            "TableErrorEscalationPolicy": "STOP_TASK",
            "ApplyErrorDeletePolicy": "STOP_TASK",
            "ApplyErrorInsertPolicy": "STOP_TASK",
            "ApplyErrorUpdatePolicy": "STOP_TASK",
            "ApplyErrorEscalationPolicy": "STOP_TASK",
            "FailOnNoTablesCaptured": True,
            # Each table is read at a moment of its own, so changes cached meanwhile may be in it already.
            "FullLoadIgnoreConflicts": True,
            "RecoverableErrorCount": 6,
        },
    }


def mappings(move: Move, tables: Sequence[Table]) -> Value:
    """A rule for each table by its name, one for the schema's new name, one for each generated column."""
    return {
        "rules": [
            {"rule-id": str(n), "rule-name": str(n), **rule} for n, rule in enumerate(_rules(move, tables), 1)
        ]
    }


def _rules(move: Move, tables: Sequence[Table]) -> Iterator[dict[str, Value]]:
    schema = literal(move.source_schema)
    for table in tables:
        yield {
            "rule-type": "selection",
            "rule-action": "include",
            "object-locator": {"schema-name": schema, "table-name": literal(table.name)},
        }
    if move.source_schema != move.target_schema:
        yield {
            "rule-type": "transformation",
            "rule-target": "schema",
            "rule-action": "rename",
            "object-locator": {"schema-name": schema},
            "value": move.target_schema,
        }
    for table in tables:
        for column in table.columns:
            if column.generated:  # the target computes it itself and takes no value for it
                yield {
                    "rule-type": "transformation",
                    "rule-target": "column",
                    "rule-action": "remove-column",
                    "object-locator": {
                        "schema-name": schema,
                        "table-name": literal(table.name),
                        "column-name": literal(column.name),
                    },
                }


def literal(name: str) -> str:
    """A name in a mapping that matches only itself: %, _ and [ are wildcards there."""
    return re.sub(r"[%_\[]", lambda match: f"[{match[0]}]", name)


def plain(name: str) -> str:
    """What `literal` was made from."""
    return re.sub(r"\[([%_\[])\]", r"\1", name)


def tables_in(mappings: Any) -> Iterator[str]:
    for rule in mappings.get("rules", []):
        if rule["rule-type"] == "selection":
            yield plain(rule["object-locator"]["table-name"])


def too_much(tables: Sequence[Table]) -> Iterator[str]:
    """What fails in DMS or is left out by it, table by table.

    Source: AWS DMS user guide, premigration assessments full-lob-not-nullable-at-target and
    table-with-lob-but-without-primary-key-or-unique-constraint.
    """
    if not tables:
        yield "it holds no table: there is nothing that DMS could be told to carry"
    for table in tables:
        large = [column for column in table.columns if column.type in _LOBS and not column.generated]
        if large and not table.key:
            yield f"table {table.name} has no key, but large columns ({', '.join(c.name for c in large)})"
        for column in large:
            if _refuses_null(table, column.name):
                yield f"column {table.name}.{column.name} is large and NOT NULL, DMS fills it later"


def _refuses_null(table: Table, column: str) -> bool:
    quoted = re.escape(column.replace("`", "``"))
    line = re.search(rf"^\s*`{quoted}` .*$", table.definition, re.MULTILINE)
    return line is not None and re.search(r"\bNOT NULL\b", re.sub(r"'(?:[^']|'')*'", "", line[0])) is not None


def text(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
