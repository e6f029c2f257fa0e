"""Rows that several documents show: scope, people, steps, hosts, checks."""

from typing import Any

from inventory.model import Inventory
from inventory.project import Contact
from runbooks import words
from runbooks.readings import UNREAD, find, plain
from runbooks.record import Record, StepLine

Row = dict[str, Any]


def scope(inventory: Inventory) -> list[Row]:
    """The migration list, what is in scope first; then what the agreement excludes for everybody."""
    listed = sorted(inventory.migration_list, key=lambda item: (not item.in_scope, item.wave, item.name))
    rows = [
        {
            "name": _display_name(inventory, item.name),
            "kind": words.KINDS[item.kind],
            "scope": "范围内" if item.in_scope else "范围外",
            "target": "、".join(item.target) or words.NONE,
            "method": words.METHODS[item.method],
            "wave": item.wave if item.in_scope else words.NONE,
            "reason": item.reason or ("迁移列表（合同附件）" if item.in_scope else words.NONE),
        }
        for item in listed
    ]
    general = (
        ("迁移列表以外的应用与数据", "服务协议 2.2"),
        ("应用改造、表结构改造", "服务协议 2.2"),
        ("非 IT 硬件的搬迁与变更", "服务协议 2.2"),
        ("第三方商业软件许可（由甲方提供）", "服务协议 2.2"),
    )
    blank = {
        "kind": "通用",
        "scope": "范围外",
        "target": words.NONE,
        "method": words.NONE,
        "wave": words.NONE,
    }
    return rows + [{"name": name, "reason": clause, **blank} for name, clause in general]


def _display_name(inventory: Inventory, name: str) -> str:
    application = next((a for a in inventory.sources.applications if a.name == name), None)
    return f"{application.name_zh}({name})" if application and application.name_zh else name


def operator(inventory: Inventory) -> Contact | None:
    """Who carries the steps out: the provider's engineer, else its lead."""
    return _person(inventory, "provider", "engineer", "operator", "project-lead")


def confirmer(inventory: Inventory) -> Contact | None:
    """Who confirms each step: the customer's tester, else its lead."""
    return _person(inventory, "customer", "tester", "project-lead")


def provider_lead(inventory: Inventory) -> Contact | None:
    return _person(inventory, "provider", "project-lead", "engineer", "operator")


def _person(inventory: Inventory, party: str, *roles: str) -> Contact | None:
    for role in roles:
        for contact in inventory.project.contacts:
            if (contact.party, contact.role) == (party, role):
                return contact
    return None


def name_of(contact: Contact | None) -> str:
    return contact.name if contact else "未指定"


def people(inventory: Inventory) -> list[Row]:
    parties = {"customer": "甲方", "provider": "乙方"}
    roles = {
        "project-lead": "项目负责人",
        "engineer": "迁移工程师",
        "operator": "操作员",
        "tester": "测试与确认",
        "security": "安全负责人",
        "third-party": "第三方",
    }
    return [
        {
            "name": contact.name,
            "party": parties[contact.party],
            "role": roles[contact.role],
            "mail": contact.mail,
            "authority": "变更审批、验收确认" if contact.may_approve else words.NONE,
        }
        for contact in inventory.project.contacts
    ]


def hosts(inventory: Inventory, record: Record) -> list[Row]:
    """The source hosts with what discovery measured."""
    readings = {reading.step: reading for reading in record.discovery}
    rows = []
    for host in inventory.sources.hosts:
        reading = readings.get(f"discovery/host/{host.name}")
        facts = reading.facts if reading else {}
        rows.append(
            {
                "name": host.name,
                "description": host.description or words.NONE,
                "address": host.ssh.address,
                "os": operating_system(facts),
                "cpus": find(facts, ("cpu_count",)),
                "memory": find(facts, ("memory_bytes",)),
                "disks": _disks(facts),
                "measured": reading is not None,
                "at": words.moment(reading.taken_at) if reading else UNREAD,
                "evidence": short(reading.evidence) if reading else words.NONE,
            }
        )
    return rows


def operating_system(facts: Any) -> str:
    found = facts.get("operating_system") if isinstance(facts, dict) else None
    if not isinstance(found, dict) or "name" not in found:
        return UNREAD
    return f"{found['name']} {found.get('version', '')}".strip()


def _disks(facts: Any) -> str:
    disks = facts.get("disks") if isinstance(facts, dict) else None
    if not isinstance(disks, list):
        return UNREAD
    sizes = [f"{d['mount']} {plain('size_bytes', d['size_bytes'])}" for d in disks if "mount" in d]
    return "、".join(sizes[:3]) + (f" 等 {len(sizes)} 个" if len(sizes) > 3 else "") or words.NONE


def command(inventory: Inventory, record: Record, step: StepLine) -> str:
    """What is typed to carry this step out."""
    if step.command:
        return step.command
    project = inventory.project.id
    if step.phase == "cutover":
        return f"qianyun cutover {project} --plan {record.plan_digest}"
    item = f" --item {step.item}" if step.item else ""
    return f"qianyun migrate {project} --plan {record.plan_digest} --phase {step.phase}{item}"


def way_back(inventory: Inventory, step: StepLine) -> str:
    # A cutover is carried and taken back as a whole: half of one leaves the estate between two sides.
    item = f" --item {step.item}" if step.item and step.phase != "cutover" else ""
    return f"qianyun rollback {inventory.project.id} --phase {step.phase}{item}"


def changes(step: StepLine, most: int = 3) -> str:
    actions = {"create": "创建", "change": "变更", "copy": "复制", "delete": "删除", "run": "执行"}
    texts = [f"{actions.get(change.action, change.action)} {change.object}" for change in step.changes[:most]]
    if len(step.changes) > most:
        texts.append(f"等共 {len(step.changes)} 项")
    return ";".join(texts) or "无需变更"


def verdict(step: StepLine) -> str:
    """What the checks of this step say, worst first."""
    if not step.checks:
        return "未知"
    order = ("FAIL", "ERROR", "UNKNOWN", "PASS")
    worst = min((check.status for check in step.checks), key=order.index)
    passed = sum(check.status == "PASS" for check in step.checks)
    return f"{words.VERDICTS[worst]}({passed}/{len(step.checks)})"


def short(digest: str) -> str:
    """Enough of a digest to find the evidence by."""
    return digest[:12] or words.NONE
