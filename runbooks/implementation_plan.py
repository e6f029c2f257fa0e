"""《XXXX项目迁移实施方案》: who does what when, how it is proved and how it is taken back; a Word file."""

from collections.abc import Iterator
from datetime import timedelta

from inventory.migration import HttpCheck, SqlCheck, TestCheck
from inventory.model import Inventory
from inventory.phases import PHASES_ZH
from inventory.preconditions import evaluate
from runbooks import rows, words
from runbooks.checks import (
    FIX_FORWARD_S,
    Shortcoming,
    cutover_schedule,
    is_placeholder,
    outside_scope,
    window_sum,
)
from runbooks.content import fill
from runbooks.record import Edition, Record, StepLine
from runbooks.rows import Row
from runbooks.word import write_docx

NAME = "implementation-plan"
_CHECKS = {
    "service-purchased": "服务已购买",
    "project-lead": "甲方项目负责人",
    "scope-list": "迁移范围清单",
    "system-facts": "系统资料",
    "backup-verified": "备份已验证（含恢复测试）",
    "change-requested": "变更申请",
    "window-announced": "割接窗口已预留并公告",
    "account-funded": "云账户余额",
    "licences": "商业软件许可",
    "third-parties": "第三方厂商",
    "customer-testers": "甲方测试人员与 P0 用例",
    "residency": "数据驻留",
}
_ANSWERS = {"pass": "通过", "fail": "未通过", "waived": "已豁免", "stale": "已过期"}


def title(inventory: Inventory) -> str:
    return f"{words.project_name(inventory.project)}迁移实施方案"


def shortcomings(inventory: Inventory, record: Record) -> list[Shortcoming]:
    """Why this plan would be sent back. Source: deliverables.md, 1.2, "rejected for"."""
    return list(_shortcomings(inventory, record))


def _shortcomings(inventory: Inventory, record: Record) -> Iterator[Shortcoming]:
    yield from outside_scope(NAME, inventory, record)
    for step in _steps(record):
        for command in (rows.command(inventory, record, step), rows.way_back(inventory, step)):
            if is_placeholder(command) or (not step.command and not record.plan_digest):
                yield Shortcoming(NAME, step.key, f"命令不可直接执行：{command}")
                break
    total = window_sum(inventory, record)
    if total.needed_s > total.length_s:
        needed, length = words.duration(total.needed_s), words.duration(total.length_s)
        yield Shortcoming(NAME, "割接窗口", f"正向+验证+前向修复余量+回退共需 {needed}，窗口只有 {length}")
    if not total.start < total.decide_by < total.end:
        yield Shortcoming(NAME, "回退方案", "没有有效的回退决策时限")
    if rows.operator(inventory) is None:
        yield Shortcoming(NAME, "组织", "没有指名操作人")
    if rows.confirmer(inventory) == rows.operator(inventory):
        yield Shortcoming(NAME, "组织", "操作人与确认人必须是不同的人")
    if not record.rollback_evidence:
        yield Shortcoming(NAME, "回退方案", "回退尚无演练证据", rejects=False)


def render(inventory: Inventory, record: Record, edition: Edition) -> bytes:
    """The Word file; the same input gives the same bytes."""
    project, total = inventory.project, window_sum(inventory, record)
    one_way = [step.key for step in _steps(record) if step.reversal_kind == "one-way"]
    context = {
        "project": words.project_name(project),
        "customer": words.party(project.customer),
        "provider": words.party(project.provider),
        "contract": project.contract.number,
        "version": edition.version,
        "status": words.EDITIONS[edition.status],
        "date": words.day(record.as_of),
        "as_of": words.moment(record.as_of),
        "plan_digest": record.plan_digest or words.NONE,
        "provider_lead": rows.name_of(rows.provider_lead(inventory)),
        "operator": rows.name_of(rows.operator(inventory)),
        "confirmer": rows.name_of(rows.confirmer(inventory)),
        "decider": project.customer_lead.name,
        "decide_by": words.moment(total.decide_by),
        "point_of_no_return": "、".join(one_way) or "本方案各步骤均可回退或补偿，无不可回退点。",
        "rollback_rehearsal": f"已演练，证据 {rows.short(record.rollback_evidence)}。"
        if record.rollback_evidence
        else "尚无演练证据；割接前须完成一次回退演练，或由决策人书面接受该风险。",
        "approvals": [
            {
                "digest": rows.short(a.digest),
                "requested_by": a.requested_by,
                "approved_by": a.approved_by,
                "at": words.moment(a.at),
            }
            for a in record.approvals
        ],
        "shortcomings": [{"place": s.place, "message": s.message} for s in shortcomings(inventory, record)],
        "preconditions": _preconditions(inventory, record),
        "people": rows.people(inventory),
        "window": _window(inventory, record),
        "dns": _dns(inventory),
        "steps": _step_rows(inventory, record),
        "commands": _commands(inventory, record),
        "results": [_result(step) for step in _steps(record) if step.started_at or step.done],
        "reversals": [
            {
                "key": step.key,
                "kind": words.REVERSALS.get(step.reversal_kind, words.NONE),
                "how": step.reversal_how,
                "duration": words.duration(step.p90_s),
            }
            for step in _steps(record)
            if step.changes or step.phase == "cutover"
        ],
        "comparisons": _comparisons(record),
        "cases": [_case(inventory, record, test) for test in inventory.tests],
    }
    document = fill("implementation_plan.yaml", context)
    return write_docx(document, record.as_of, words.party(project.provider))


def _steps(record: Record) -> list[StepLine]:
    return [step for step in record.steps if step.phase != "acceptance"]


def _preconditions(inventory: Inventory, record: Record) -> list[Row]:
    return [
        {
            "name": _CHECKS[finding.kind],
            "clause": finding.clause,
            "answer": _ANSWERS[finding.answer],
            "evidence": finding.evidence,
            "expires": finding.expires_on or words.NONE,
            "blocks": "全部阶段"
            if set(PHASES_ZH) <= set(finding.blocks)
            else "、".join(words.SHORT_PHASES[phase] for phase in finding.blocks),
        }
        for finding in evaluate(inventory, words.local_date(record.as_of))
    ]


def _window(inventory: Inventory, record: Record) -> Row:
    total = window_sum(inventory, record)
    window = inventory.project.window
    return {
        "start": words.moment(total.start),
        "end": words.moment(total.end),
        "timezone": window.timezone,
        "announced": window.announced_on,
        "length": words.duration(total.length_s),
        "forward": words.duration(total.forward_s),
        "verification": words.duration(total.verification_s),
        "margin": words.duration(FIX_FORWARD_S),
        "rollback": words.duration(total.rollback_s),
        "needed": words.duration(total.needed_s),
        "fits": "窗口可容纳" if total.needed_s <= total.length_s else "窗口不可容纳",
    }


def _dns(inventory: Inventory) -> str:
    records = [f"{d.name}.{d.zone.rstrip('.')}(TTL {d.ttl_s} 秒)" for d in inventory.targets.dns]
    return "、".join(records) or "无"


def _step_rows(inventory: Inventory, record: Record) -> list[Row]:
    schedule = cutover_schedule(record)
    start = inventory.project.window.start
    result = []
    for number, step in enumerate(_steps(record), 1):
        planned = "窗口前"
        if step.key in schedule:
            begin, end = (start + timedelta(seconds=s) for s in schedule[step.key])
            planned = f"{words.second(begin)} 至 {words.second(end)}"
        result.append(
            {
                "number": number,
                "key": step.key,
                "needs": "、".join(step.needs[:3])
                + (f" 等 {len(step.needs)} 项" if len(step.needs) > 3 else "")
                or "无（可并行）",
                "operation": rows.changes(step),
                "operator": rows.name_of(rows.operator(inventory)),
                "confirmer": rows.name_of(rows.confirmer(inventory)),
                "planned": planned,
                "duration": f"{words.duration(step.p50_s)}/{words.duration(step.p90_s)}",
                "criterion": _criterion(step),
                "way_back": step.reversal_how or words.NONE,
            }
        )
    return result


def _criterion(step: StepLine) -> str:
    names = [check.name for check in step.checks]
    return "、".join(names[:2]) + (f" 等 {len(names)} 项检查通过" if len(names) > 2 else "") or "检查全部通过"


def _commands(inventory: Inventory, record: Record) -> list[Row]:
    seen: dict[tuple[str, str], Row] = {}
    for step in _steps(record):
        command = rows.command(inventory, record, step)
        item = step.item if "--item" in command else "全部"
        row = {
            "phase": PHASES_ZH.get(step.phase, step.phase),
            "item": item,
            "command": command,
            "way_back": rows.way_back(inventory, step),
        }
        seen.setdefault((step.phase, command), row)
    return list(seen.values())


def _result(step: StepLine) -> Row:
    took = (step.ended_at - step.started_at).total_seconds() if step.started_at and step.ended_at else 0.0
    return {
        "key": step.key,
        "state": words.STATES.get(step.state, step.state),
        "started": words.second(step.started_at),
        "ended": words.second(step.ended_at),
        "took": words.duration(took),
        "verdict": rows.verdict(step),
        "evidence": rows.short(step.evidence),
    }


def _comparisons(record: Record) -> list[Row]:
    result = []
    for step in record.steps:
        if not (step.key.endswith("/comparison") or step.phase == "files"):
            continue
        method = "内容逐文件" if step.phase == "files" else "行数、对象、内容"
        result += [
            {
                "object": f"{step.key}:{check.name}",
                "level": "核心",
                "method": method,
                "threshold": "100%",
                "planned": check.planned or words.NONE,
                "actual": check.actual or words.NONE,
                "verdict": words.VERDICTS.get(check.status, check.status),
            }
            for check in step.checks
        ]
    return result


def _case(inventory: Inventory, record: Record, test: TestCheck) -> Row:
    steps = {step.key: step for step in record.steps}
    before, after = steps.get(f"testing/{test.name}"), steps.get(f"cutover/check/{test.name}")
    evidence = next((s.evidence for s in (after, before) if s and s.evidence), "")
    if isinstance(test, HttpCheck):
        procedure, expected = f"GET {test.after}", f"状态码 {test.status}"
        expected += f",包含“{test.contains}”" if test.contains else ""
        expected += ",正文与源端一致" if test.same_body else ""
    elif isinstance(test, SqlCheck):
        procedure, expected = test.query, "源库与目标库结果一致"
    else:
        procedure, expected = f"连接 {test.after}", "连接成功"
    return {
        "name": test.name,
        "item": test.item,
        "priority": test.priority,
        "procedure": procedure,
        "expected": expected,
        "before": rows.verdict(before) if before and before.done else "未执行",
        "after": rows.verdict(after) if after and after.done else "未执行",
        "operator": rows.name_of(rows.operator(inventory)),
        "confirmer": rows.name_of(rows.confirmer(inventory)),
        "evidence": rows.short(evidence),
    }
