"""《迁移项目方案》: what is moved from where to where, in which order and by whom; slides."""

from collections.abc import Iterator

from inventory.migration import Item
from inventory.model import Inventory
from runbooks import rows, topology, words
from runbooks.checks import Shortcoming, outside_scope, overlapping_networks, window_sum
from runbooks.content import fill
from runbooks.readings import lines
from runbooks.record import Edition, Record
from runbooks.rows import Row
from runbooks.slides import write_pptx

NAME = "proposal"
_MOST_FOUND = 6


def title(inventory: Inventory) -> str:
    return f"{words.project_name(inventory.project)}迁移项目方案"


def shortcomings(inventory: Inventory, record: Record) -> list[Shortcoming]:
    """Why this proposal would be sent back. Source: deliverables.md, 1.1, "rejected for"."""
    return list(_shortcomings(inventory, record))


def _shortcomings(inventory: Inventory, record: Record) -> Iterator[Shortcoming]:
    yield from outside_scope(NAME, inventory, record)
    yield from overlapping_networks(NAME, inventory)
    measured = {row["name"] for row in rows.hosts(inventory, record) if row["measured"]}
    for item in inventory.in_scope("application"):
        host = inventory.application(item.name).host
        if host not in measured:
            yield Shortcoming(NAME, f"规格映射 {item.name}", f"源主机 {host} 没有实测数据，不能据此选型")
    people = {contact.role for contact in inventory.project.contacts if contact.party == "provider"}
    if not people:
        yield Shortcoming(NAME, "分工", "乙方没有指名人员")
    if any(not step.reversal_how for step in record.phase("cutover")):
        yield Shortcoming(NAME, "回退概要", "割接步骤没有声明回退方式")


def render(inventory: Inventory, record: Record, edition: Edition) -> bytes:
    """The deck; the same input gives the same bytes."""
    project = inventory.project
    approval = record.approvals[-1] if record.approvals else None
    context = {
        "project": words.project_name(project),
        "customer": words.party(project.customer),
        "provider": words.party(project.provider),
        "contract": project.contract.number,
        "version": edition.version,
        "status": words.EDITIONS[edition.status],
        "date": words.day(record.as_of),
        "decider": project.customer_lead.name,
        "operator": rows.name_of(rows.operator(inventory)),
        "signed": project.contract.signed_on,
        "approved": words.moment(approval.at) if approval else "待甲方确认",
        "window": f"{words.moment(project.window.start)} 至 {words.moment(project.window.end)}",
        "regions": "、".join(project.residency.allowed_regions),
        "way_back": _way_back(inventory, record),
        "scope": rows.scope(inventory),
        "hosts": rows.hosts(inventory, record),
        "relations": _relations(inventory),
        "data": _data(inventory, record),
        "practice": _practice(inventory),
        "subnets": _subnets(inventory),
        "groups": _groups(inventory),
        "sizing": _sizing(inventory, record),
        "waves": _waves(inventory, record),
        "raci": _raci(inventory),
        "risks": _risks(inventory, record),
        "shortcomings": [{"place": s.place, "message": s.message} for s in shortcomings(inventory, record)],
    }
    drawings = {"topology": lambda slide: topology.draw(slide, inventory)}
    document = fill("proposal.yaml", context)
    return write_pptx(document, record.as_of, words.party(project.provider), drawings)


def _way_back(inventory: Inventory, record: Record) -> str:
    total = window_sum(inventory, record)
    kinds = {step.reversal_kind for step in record.phase("cutover")}
    said = "含不可回退步骤，见实施方案" if "one-way" in kinds else "各割接步骤均可回退或补偿"
    decider = inventory.project.customer_lead.name
    return f"{said}；最晚决策时刻 {words.moment(total.decide_by)}，决策人 {decider}。"


def _relations(inventory: Inventory) -> list[Row]:
    return [
        {
            "name": f"{a.name_zh}（{a.name}）" if a.name_zh else a.name,
            "host": a.host,
            "software": a.software + ("+PHP-FPM" if a.php_fpm else ""),
            "port": a.port,
            "databases": "、".join(a.uses_databases) or words.NONE,
            "content": "、".join(a.content),
        }
        for a in inventory.sources.applications
    ]


def _data(inventory: Inventory, record: Record) -> list[Row]:
    places = [
        (d.name, "数据库", f"{d.engine} {d.address}:{d.port}/{d.schema_name}", f"discovery/database/{d.name}")
        for d in inventory.sources.databases
    ]
    places += [
        (s.name, "文件", f"{s.host}:{s.path}", f"discovery/share/{s.name}")
        for s in inventory.sources.file_shares
    ]
    readings = {reading.step: reading for reading in record.discovery}
    result = []
    for name, kind, place, key in places:
        reading = readings.get(key)
        found = [f"{path}={text}" for path, text in lines(reading.facts)] if reading else []
        more = f"；等共 {len(found)} 项" if len(found) > _MOST_FOUND else ""
        result.append(
            {
                "name": name,
                "kind": kind,
                "place": place,
                "found": "；".join(found[:_MOST_FOUND]) + more or "未采集",
                "evidence": rows.short(reading.evidence) if reading else words.NONE,
            }
        )
    return result


def _practice(inventory: Inventory) -> list[Row]:
    topics = {"backup-verified": "备份与恢复验证", "system-facts": "系统资料与使用方式"}
    return [
        {"topic": topics[p.kind], "said": f"{p.evidence}（{p.confirmed_by}，{p.confirmed_on}）"}
        for p in inventory.preconditions
        if p.kind in topics
    ]


def _subnets(inventory: Inventory) -> list[Row]:
    network = inventory.targets.network
    return [
        {
            "vpc": f"{network.name} {network.cidr}",
            "name": subnet.name,
            "cidr": subnet.cidr,
            "zone": subnet.zone,
            "kind": "公有" if subnet.public else "私有",
            "route": "0.0.0.0/0 → 互联网网关；VPC 内互通" if subnet.public else "仅 VPC 内互通",
        }
        for subnet in network.subnets
    ]


def _groups(inventory: Inventory) -> list[Row]:
    return [
        {
            "name": group.name,
            "source": rule.source,
            "protocol": rule.protocol,
            "port": rule.port or "全部",
            "reason": rule.reason,
        }
        for group in inventory.targets.security_groups
        for rule in group.inbound
    ]


def _sizing(inventory: Inventory, record: Record) -> list[Row]:
    hosts = {row["name"]: row for row in rows.hosts(inventory, record)}
    result = []
    for item in inventory.in_scope("application"):
        host = hosts[inventory.application(item.name).host]
        for server in (inventory.server(name) for name in item.target):
            result.append(
                {
                    "item": item.name,
                    "source": host["name"],
                    "measured": f"CPU {host['cpus']}，内存 {host['memory']}",
                    "target": server.name,
                    "size": server.provider.instance_type,
                    "reason": f"依据调研实测（证据 {host['evidence']}）与甲方系统资料",
                }
            )
    return result


def _waves(inventory: Inventory, record: Record) -> list[Row]:
    window = inventory.project.window
    span = f"{words.moment(window.start)} 至 {words.moment(window.end)}"
    items = sorted(
        (i for i in inventory.migration_list if i.in_scope), key=lambda i: (i.wave, i.kind, i.name)
    )
    return [
        {
            "wave": item.wave,
            "name": f"{words.KINDS[item.kind]} {item.name}",
            "level": "核心",
            "method": words.METHODS[item.method],
            "window": span,
            "downtime": _downtime(record, item),
            "needs": _needs(inventory, item),
            "way_back": "源端保留至验收；域名切回旧地址，恢复源端写入",
        }
        for item in items
    ]


def _downtime(record: Record, item: Item) -> str:
    return words.duration(sum(s.p90_s for s in record.phase("cutover") if s.item == item.name))


def _needs(inventory: Inventory, item: Item) -> str:
    databases = inventory.application(item.name).uses_databases if item.kind == "application" else ()
    return "、".join(databases) or words.NONE


def _raci(inventory: Inventory) -> list[Row]:
    lead = rows.name_of(rows.provider_lead(inventory))
    engineer = rows.name_of(rows.operator(inventory))
    approver = inventory.project.customer_lead.name
    tester = rows.name_of(rows.confirmer(inventory))
    third = "、".join(c.name for c in inventory.project.contacts if c.role == "third-party") or "无"
    tasks = (
        ("启动与需求", "启动会议、迁移列表与系统资料确认", lead),
        ("方案确认", "迁移方案、实施方案编制与确认", lead),
        ("实施", "网络、环境、应用、数据库、文件与安全策略实施", engineer),
        ("测试及调整", "验证用例执行、问题整改", engineer),
        ("实施", "窗口内割接与回退决策", engineer),
        ("验收", "交付物移交、验收书发送与确认", lead),
    )
    return [
        {"stage": s, "task": t, "provider": who, "approver": approver, "consulted": tester, "third": third}
        for s, t, who in tasks
    ]


def _risks(inventory: Inventory, record: Record) -> list[Row]:
    engineer = rows.name_of(rows.operator(inventory))
    lead = inventory.project.customer_lead.name
    risks = [
        (
            "割接期间源端仍有写入，数据不一致",
            "高",
            "窗口开始即冻结写入，冻结后做增量与全量比对，任一差异不切换",
            engineer,
        ),
        ("割接超出窗口", "中", "按 P90 核算窗口，到最晚决策时刻未完成即回退", lead),
        ("DNS 缓存使部分用户仍访问旧地址", "中", "切换前降低 TTL；旧地址保留至缓存过期", engineer),
        ("目标规格不足", "中", "依据实测选型；护航期观察，必要时调整规格", engineer),
    ]
    return [{"risk": r, "level": level, "answer": a, "owner": o} for r, level, a, o in risks] + [
        {"risk": issue.text, "level": issue.level, "answer": f"遗留问题 {issue.number}", "owner": issue.owner}
        for issue in record.issues
    ]
