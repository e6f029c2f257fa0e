"""The acceptance letter: what it says, what it carries, and what forbids it."""

import email
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from core.errors import ApplyFailed
from inventory.calendar import SHANGHAI, vendored
from inventory.model import Inventory
from runbooks import acceptance_letter
from runbooks.acceptance_letter import CLAUSE, Annex, recipients
from runbooks.checks import require_fit
from runbooks.record import Edition, Issue, Record
from tests.runbooks.estate import HOSTILE, PROJECT, inventory
from tests.runbooks.history import RECORD, changed

SENT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)  # 17:30 in Shanghai


def annex(kind: str, extension: str, *, sealed: bool = False) -> Annex:
    content = f"content of {kind}".encode()
    return Annex(
        kind=kind,
        title=f"星辰{kind}",
        version=1,
        extension=extension,
        sha256=hashlib.sha256(content).hexdigest(),
        content=b"sealed" if sealed else content,
    )


ANNEXES = (
    annex("proposal", "pptx"),
    annex("implementation-plan", "docx"),
    annex("configuration-index", "xlsx", sealed=True),
)


def letter(sent_at: datetime = SENT, record: Record = RECORD, given: Inventory | None = None) -> bytes:
    return acceptance_letter.render(
        given or inventory(), record, Edition(version=1), ANNEXES, sent_at, vendored()
    )


def parsed(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_the_same_input_gives_the_same_bytes() -> None:
    assert letter() == letter()
    assert letter(SENT.replace(day=21)) != letter()


def test_headers_and_annexes() -> None:
    message = parsed(letter())
    assert message["To"] == "acceptance@example.cn"
    assert recipients(inventory()) == ("acceptance@example.cn", "li@example.cn")
    assert message["Cc"] == "li@example.cn"
    assert "《交付验收书》星辰商城上云（合同编号 YF-2026-0117）" in message["Subject"]
    assert message["Date"].datetime == SENT
    assert message["Message-ID"].startswith("<estate.acceptance.1.")
    carried = {a.get_filename(): a.get_content() for a in message.iter_attachments()}
    assert carried == {a.filename: a.content for a in ANNEXES}
    assert "星辰configuration-index-V1.0.xlsx" in carried
    raw = letter()
    assert b"filename*=utf-8''%E6%98%9F%E8%BE%B0" in raw.replace(b"\r\n ", b"").lower().replace(
        b"%e6%98%9f%e8%be%b0", b"%E6%98%9F%E8%BE%B0"
    )
    assert all(len(line) <= 998 and line.isascii() for line in raw.split(b"\r\n"))


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_what_it_says(kind: str) -> None:
    text = body(parsed(letter()), kind)
    for said in (
        CLAUSE,
        "2026年12月1日 24:00（暂定",
        vendored().sha256,
        *(a.sha256 for a in ANNEXES),
        ANNEXES[2].mailed_sha256,
        "□ 有条件通过",
        "旧服务器待甲方下架",
        "1/1 通过",
    ):
        assert said in text
    assert "口令另行通知" in text


def test_names_are_escaped_in_html_and_whole_in_text() -> None:
    message = parsed(letter())
    assert HOSTILE in body(message, "plain")
    assert "星辰&lt;b&gt;&amp;x零售有限公司" in body(message, "html")
    assert HOSTILE not in body(message, "html")


def test_an_unresolved_deadline_is_not_guessed() -> None:
    text = body(parsed(letter(datetime(2026, 12, 22, 17, 45, tzinfo=SHANGHAI))), "plain")
    assert "尚未公布" in text and "此前不作自动验收" in text


def test_a_complete_round_may_be_sent() -> None:
    require_fit(acceptance_letter.shortcomings(inventory(), RECORD, ANNEXES))


P0 = Issue(number="Q-9", text="下单失败", level="P0", owner="陈静")
WRONG_BOX = {**PROJECT["mail"], "acceptance_mailbox": "someone@example.org"}
REJECTED: list[tuple[str, Any, str]] = [
    ("open P0", (inventory(), replace(RECORD, issues=(P0,)), ANNEXES), "P0 问题未关闭"),
    (
        "P0 case",
        (inventory(), changed("cutover/check/shop-front", state="Failed"), ANNEXES),
        "未全部通过（0/1）",
    ),
    ("hash", (inventory(), RECORD, (replace(ANNEXES[0], content=b"other"), *ANNEXES[1:])), "不一致"),
    ("three", (inventory(), RECORD, ANNEXES[:2]), "四项交付物不齐"),
    ("mailbox", (inventory(project={**PROJECT, "mail": WRONG_BOX}), RECORD, ANNEXES), "邮件域"),
]


@pytest.mark.parametrize(("given", "said"), [r[1:] for r in REJECTED], ids=[r[0] for r in REJECTED])
def test_what_forbids_it(given: Any, said: str) -> None:
    with pytest.raises(ApplyFailed, match=said):
        require_fit(acceptance_letter.shortcomings(*given))


def test_unproved_work_is_not_called_done() -> None:
    text = body(parsed(letter(record=changed("databases/shop-db/data", state="Failed"))), "plain")
    assert text.count("结论：未完成") == 1 and text.count("结论：完成") == 2
