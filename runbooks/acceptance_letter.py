"""《交付验收书》: the mail that submits the deliverables and starts the clock; an .eml, byte for byte."""

import email.utils
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP

from inventory.calendar import SHANGHAI, Calendar, Deadline, acceptance_deadline
from inventory.migration import Item
from inventory.model import Inventory
from runbooks import rows, words
from runbooks.checks import Shortcoming, outside_scope
from runbooks.content import fill_html, fill_text
from runbooks.record import Edition, Record, StepLine
from runbooks.rows import Row

NAME = "acceptance-letter"
ANNEX_HEADER = "X-Qianyun-Deliverable"
"""Names each annex: "kind; version; sha256 of the document"; the step that sends looks at it."""

# Counsel replaces this text by the wording of the signed agreement.
CLAUSE = (
    "乙方向甲方交付上述四项交付物即达到验收条件。甲方应在收到交付物后七个工作日内对方案及实施结果进行确认；"
    "甲方在上述期限内未提出异议的，视为验收通过。"
)
RULE = (
    "以甲方邮件服务器签收时间为准，按北京时间及国务院公布的放假调休安排计算；17:30 之后或非工作日收到的，"
    "视为下一工作日收到；收到后的下一工作日为第 1 日，至第 7 个工作日 24:00 届满。"
)
_TYPES = {
    "pptx": "vnd.openxmlformats-officedocument.presentationml.presentation",
    "docx": "vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, kw_only=True)
class Annex:
    """A document that goes with the letter: `sha256` of the document, `content` as it is sent."""

    kind: str
    title: str
    version: int
    extension: str
    sha256: str
    content: bytes

    @property
    def mailed_sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def encrypted(self) -> bool:
        return self.mailed_sha256 != self.sha256

    @property
    def filename(self) -> str:
        safe_title = re.sub(r"[^\w（）《》·.-]", "_", self.title)
        return f"{safe_title}-V{self.version}.0.{self.extension}"


def recipients(inventory: Inventory) -> tuple[str, ...]:
    """The contracted mailbox first, then the customer's lead."""
    project = inventory.project
    return tuple(dict.fromkeys((project.mail.acceptance_mailbox, project.customer_lead.mail)))


def shortcomings(inventory: Inventory, record: Record, annexes: Sequence[Annex]) -> list[Shortcoming]:
    """Why this letter would be sent back. Source: deliverables.md, 1.4, "rejected for"."""
    return list(_shortcomings(inventory, record, annexes))


def _shortcomings(inventory: Inventory, record: Record, annexes: Sequence[Annex]) -> Iterator[Shortcoming]:
    yield from outside_scope(NAME, inventory, record)
    for issue in record.issues:
        if issue.level == "P0":
            yield Shortcoming(NAME, issue.number, f"P0 问题未关闭：{issue.text}")
    for item in inventory.migration_list:
        if item.in_scope:
            passed, total = _p0(inventory, record, item)
            if passed < total:
                yield Shortcoming(NAME, item.name, f"P0 用例未全部通过（{passed}/{total}）")
    for annex in annexes:
        if annex.encrypted and annex.kind != "configuration-index":
            yield Shortcoming(NAME, annex.title, "附件内容与交付物的 SHA-256 不一致")
    if {annex.kind for annex in annexes} != {"proposal", "implementation-plan", "configuration-index"}:
        yield Shortcoming(NAME, "交付物", "四项交付物不齐，不起算期限")
    domains = {c.mail.rpartition("@")[2].lower() for c in inventory.project.contacts if c.party == "customer"}
    mailbox = inventory.project.mail.acceptance_mailbox
    if mailbox.rpartition("@")[2].lower() not in domains:
        yield Shortcoming(NAME, mailbox, "验收邮箱不属于甲方联系人的邮件域")


def render(
    inventory: Inventory,
    record: Record,
    edition: Edition,
    annexes: Sequence[Annex],
    sent_at: datetime,
    calendar: Calendar,
) -> bytes:
    """The message; the same input gives the same bytes, Message-ID and boundaries included."""
    project = inventory.project
    deadline = acceptance_deadline(sent_at, calendar)
    name = words.project_name(project)
    subject = f"《交付验收书》{name}（合同编号 {project.contract.number}）第 {edition.version} 次提交"
    context = {
        "subject": subject,
        "lead": project.customer_lead.name,
        "customer": words.party(project.customer),
        "provider": words.party(project.provider),
        "project": words.project_name(project),
        "contract": project.contract.number,
        "mailbox": project.mail.acceptance_mailbox,
        "version": edition.version,
        "scope": _scope(inventory, record),
        "annexes": annexes,
        "issues": record.issues,
        "clause": CLAUSE,
        "rule": RULE,
        "sent_at": words.moment(sent_at),
        "deadline": _said(deadline),
        "calendar": deadline.calendar_sha256,
        "sender_name": rows.name_of(rows.provider_lead(inventory)),
        "date": words.day(sent_at),
    }
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject
    message["From"] = project.mail.sender
    message["To"], *copies = recipients(inventory)
    if copies:
        message["Cc"] = ", ".join(copies)
    message["Date"] = email.utils.format_datetime(sent_at.astimezone(SHANGHAI))
    seed = "".join([project.id, str(edition.version), *(annex.mailed_sha256 for annex in annexes)])
    digest = hashlib.sha256(seed.encode()).hexdigest()[:16]
    domain = project.mail.sender.rpartition("@")[2]
    message["Message-ID"] = f"<{project.id}.acceptance.{edition.version}.{digest}@{domain}>"
    message["Content-Language"] = "zh-CN"
    for annex in annexes:
        message[ANNEX_HEADER] = f"{annex.kind}; {annex.version}; {annex.sha256}"
    message.set_content(fill_text("acceptance_letter.txt", context), cte="base64")
    message.add_alternative(fill_html("acceptance_letter.html", context), subtype="html", cte="base64")
    for annex in annexes:
        message.add_attachment(
            annex.content, maintype="application", subtype=_TYPES[annex.extension], filename=annex.filename
        )
    _fix_boundaries(message, digest)
    return bytes(message)


def _fix_boundaries(message: MIMEPart, digest: str) -> None:
    multiparts = [part for part in message.walk() if part.is_multipart()]
    for n, part in enumerate(multiparts):
        part.set_boundary(f"=_qianyun_{digest}_{n}")


def _said(deadline: Deadline) -> str:
    if deadline.due_at_utc is None:
        return "所需年度的放假安排尚未公布，期限待日历公布后确定，此前不作自动验收。"
    due = words.day(deadline.due_at_utc - timedelta(seconds=1))
    tail = "（暂定：跨年放假安排公布后可能顺延，只延后、不提前）" if deadline.status == "provisional" else ""
    return f"确认期限至 {due} 24:00{tail}"


def _scope(inventory: Inventory, record: Record) -> list[Row]:
    result = []
    for item in sorted((i for i in inventory.migration_list if i.in_scope), key=lambda i: (i.wave, i.name)):
        steps = [step for step in record.steps if step.item == item.name]
        proofs = [s for s in steps if s.key.endswith("/comparison") or s.phase == "files"]
        passed, total = _p0(inventory, record, item)
        ended = [s.ended_at for s in steps if s.phase == "cutover" and s.ended_at]
        ended = ended or [s.ended_at for s in record.phase("cutover") if s.ended_at]
        good = bool(steps) and all(s.proved for s in steps) and passed == total
        result.append(
            {
                "name": f"{words.KINDS[item.kind]} {item.name}",
                "wave": item.wave,
                "at": words.moment(max(ended, default=None)),
                "comparison": _verdict(proofs),
                "p0": f"{passed}/{total} 通过" if total else "无",
                "conclusion": "完成" if good else "未完成",
            }
        )
    return result


def _verdict(steps: list[StepLine]) -> str:
    if not steps:
        return "不适用"
    return "通过" if all(step.proved for step in steps) else "不通过"


def _p0(inventory: Inventory, record: Record, item: Item) -> tuple[int, int]:
    """How many of the item's P0 cases passed, after cutover where they were repeated there."""
    steps = {step.key: step for step in record.steps}
    cases = [test.name for test in inventory.tests if test.item == item.name and test.priority == "P0"]
    last = [steps.get(f"cutover/check/{name}") or steps.get(f"testing/{name}") for name in cases]
    return sum(step is not None and step.proved for step in last), len(cases)
