"""《XXX项目工程配置索引表》: what stands on the new side, as read after cutover; a workbook."""

from collections.abc import Iterator
from typing import Any

from inventory.model import Inventory
from runbooks import rows, words
from runbooks.checks import Shortcoming
from runbooks.content import fill
from runbooks.readings import UNREAD, find, lines, secret_paths
from runbooks.record import Edition, Reading, Record, StepLine
from runbooks.rows import Row
from runbooks.sheets import write_xlsx

NAME = "configuration-index"
_NOT_TARGET = ("source", "wished", "candidates", "mapped_definers")
"""Parts of facts that tell of the old side or of wishes: they have no place in an index of what stands."""

_SHEETS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # rows of a sheet: beginnings of step keys, and their endings (any where there is none)
    "accounts": (("environment/", "databases/"), ("/accounts",)),
    "network": (("network/",), ()),
    "servers": (("environment/",), ("/instance", "/timezone", "/sysctl", "/packages")),
    "databases": (("databases/",), ("/schema", "/data", "/objects")),
    "storage": (("files/",), ()),
    "names": (("cutover/dns/",), ()),
    "security": (("security/group/", "security/acl/"), ()),
    "backups": (("security/backup/",), ()),
    "applications": (("applications/",), ()),
    "monitoring": (("monitoring/",), ()),
}


def title(inventory: Inventory) -> str:
    return f"{words.project_name(inventory.project)}项目工程配置索引表"


def shortcomings(inventory: Inventory, record: Record) -> list[Shortcoming]:
    """Why this index would be sent back. Source: deliverables.md, 1.3, "rejected for"."""
    return list(_shortcomings(inventory, record))


def _shortcomings(inventory: Inventory, record: Record) -> Iterator[Shortcoming]:
    switched = max((s.ended_at for s in record.phase("cutover") if s.ended_at), default=None)
    for reading in record.readings:
        if switched is None or reading.taken_at < switched:
            yield Shortcoming(NAME, reading.step, "取值早于割接完成，不是割接后的读取")
        for path in secret_paths(reading.facts):
            yield Shortcoming(NAME, f"{reading.step}:{path}", "疑似口令或密钥，不得写入索引表")
    read = {reading.step for reading in record.readings}
    for step in record.steps:
        if step.phase in ("network", "environment", "security", "applications") and step.key not in read:
            yield Shortcoming(NAME, step.key, "割接后没有读取，只有计划值")
    for row in _checks(record.steps, only_bad=True):
        yield Shortcoming(NAME, row["step"], f"与计划不一致：{row['name']} {row['verdict']}")
    for row in _index(inventory, record):
        if row["expires"] == UNREAD:
            yield Shortcoming(NAME, f"索引 {row['name']}", "到期时间未采集", rejects=False)


def render(inventory: Inventory, record: Record, edition: Edition) -> bytes:
    """The workbook; the same input gives the same bytes. For a password see package.encrypt."""
    project = inventory.project
    context: dict[str, Any] = {
        "project": words.project_name(project),
        "customer": words.party(project.customer),
        "provider": words.party(project.provider),
        "contract": project.contract.number,
        "version": edition.version,
        "status": words.EDITIONS[edition.status],
        "date": words.day(record.as_of),
        "taken": words.moment(max((r.taken_at for r in record.readings), default=None)),
        "index": _index(inventory, record),
        "mapping": _mapping(inventory, record),
        "changes": _changes(record),
        "checks": _checks(record.steps, only_bad=False),
        "differences": _checks(record.steps, only_bad=True),
        "shortcomings": [{"place": s.place, "message": s.message} for s in shortcomings(inventory, record)],
        **{name: _readings(record, *keys) for name, keys in _SHEETS.items()},
    }
    document = fill("configuration_index.yaml", context)
    return write_xlsx(document, record.as_of, words.party(project.provider))


def _index(inventory: Inventory, record: Record) -> list[Row]:
    """One row for each server that was read; its columns come from its readings alone."""
    readings = {reading.step: reading for reading in record.readings}
    result = []
    for server in inventory.targets.servers:
        reading = readings.get(f"environment/{server.name}/instance")
        if reading is None:
            continue
        facts = reading.facts
        subnet = readings.get(f"network/subnet/{server.subnet}")
        systems = [
            item.name for item in inventory.migration_list if item.in_scope and server.name in item.target
        ]
        result.append(
            {
                "system": "、".join(systems) or words.NONE,
                "environment": "生产",
                "id": find(facts, ("id", "instance_id")),
                "name": server.name,
                "zone": find(subnet.facts, ("zone", "availability_zone")) if subnet else UNREAD,
                "size": find(facts, ("type", "instance_type")),
                "private": find(facts, ("address", "private_address")),
                "public": find(facts, ("public_address", "public_ip")),
                "subnet": find(facts, ("subnet", "subnet_id")),
                "group": find(facts, ("groups", "group")),
                "os": find(facts, ("image", "operating_system")),
                "disks": find(facts, ("disks", "volumes")),
                "backup": _backup(inventory, readings, server.name),
                "billing": find(facts, ("billing", "lifecycle")),
                "expires": find(facts, ("expires_on", "expires_at")),
                "owner": inventory.project.customer_lead.name,
                "taken": words.moment(reading.taken_at),
                "source": rows.short(reading.evidence),
            }
        )
    return result


def _backup(inventory: Inventory, readings: dict[str, Reading], server: str) -> str:
    names = [
        policy.name
        for policy in inventory.targets.backups
        if server in policy.servers and f"security/backup/{policy.name}" in readings
    ]
    return "、".join(names) or UNREAD


def _readings(record: Record, beginnings: tuple[str, ...], endings: tuple[str, ...]) -> list[Row]:
    return [
        {
            "step": reading.step,
            "name": path or "值",
            "value": text,
            "taken": words.moment(reading.taken_at),
            "source": rows.short(reading.evidence),
        }
        for reading in record.readings
        if reading.step.startswith(beginnings) and (not endings or reading.step.endswith(endings))
        for path, text in lines(_standing(reading.facts))
    ]


def _standing(facts: Any) -> Any:
    if not isinstance(facts, dict):
        return facts
    return {name: value for name, value in facts.items() if name not in _NOT_TARGET}


def _mapping(inventory: Inventory, record: Record) -> list[Row]:
    last = {"application": "applications/{}/site", "database": "databases/{}/comparison"}
    steps = {step.key: step for step in record.steps}
    result = []
    for item in inventory.migration_list:
        if not item.in_scope:
            continue
        for target in item.target:
            key = last.get(item.kind, "files/{}/" + target).format(item.name)
            step = steps.get(key)
            result.append(
                {
                    "name": item.name,
                    "kind": words.KINDS[item.kind],
                    "source": _source(inventory, item.kind, item.name),
                    "target": target,
                    "found": f"{key}：{rows.verdict(step)}" if step else "没有执行记录",
                    "evidence": rows.short(step.evidence) if step else words.NONE,
                }
            )
    return result


def _source(inventory: Inventory, kind: str, name: str) -> str:
    if kind == "application":
        application = inventory.application(name)
        return f"{application.host}:{application.port}"
    if kind == "database":
        database = inventory.database(name)
        return f"{database.address}:{database.port}/{database.schema_name}"
    share = inventory.file_share(name)
    return f"{share.host}:{share.path}"


def _changes(record: Record) -> list[Row]:
    actions = {"create": "创建", "change": "变更", "copy": "复制", "delete": "删除", "run": "执行"}
    return [
        {
            "at": words.second(step.ended_at),
            "step": step.key,
            "action": actions.get(change.action, change.action),
            "object": change.object,
            "state": words.STATES.get(step.state, step.state),
            "way_back": step.reversal_how or words.NONE,
            "evidence": rows.short(step.evidence),
        }
        for step in record.steps
        if step.phase != "acceptance" and step.started_at
        for change in step.changes
    ]


def _checks(steps: tuple[StepLine, ...], *, only_bad: bool) -> list[Row]:
    return [
        {
            "step": step.key,
            "name": check.name,
            "planned": check.planned or words.NONE,
            "actual": check.actual or words.NONE,
            "verdict": words.VERDICTS.get(check.status, check.status),
            "evidence": rows.short(step.evidence),
        }
        for step in steps
        if step.phase != "acceptance"
        for check in step.checks
        if not only_bad or check.status != "PASS"
    ]
