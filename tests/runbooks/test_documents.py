"""The three Office documents, read back by other libraries: tables, fonts, names that try to break them."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import docx
import msoffcrypto
import openpyxl
import pptx
import pytest
from docx.oxml.ns import qn
from jinja2 import UndefinedError
from pptx.oxml.ns import qn as pqn

from core.errors import ApplyFailed, Refused
from core.secret import Secret
from inventory.model import Inventory
from runbooks import configuration_index, implementation_plan, proposal
from runbooks.checks import is_placeholder, require_fit, window_sum
from runbooks.content import fill
from runbooks.package import encrypt
from runbooks.record import Edition, Issue, Record, basis
from tests.runbooks.estate import FORMULA, HOSTILE, PARTS, PROJECT, inventory
from tests.runbooks.history import AFTER, READINGS, RECORD, START, STEPS, changed, reading

MODULES: list[Any] = [proposal, implementation_plan, configuration_index]
FIRST = Edition(version=1)


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    return {module.NAME: module.render(inventory(), RECORD, FIRST) for module in MODULES}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.NAME)
def test_the_same_input_gives_the_same_bytes(module: Any, made: dict[str, bytes]) -> None:
    assert module.render(inventory(), RECORD, FIRST) == made[module.NAME]
    assert module.render(inventory(), RECORD, Edition(version=2)) != made[module.NAME]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.NAME)
def test_a_complete_record_rejects_nothing(module: Any) -> None:
    require_fit(module.shortcomings(inventory(), RECORD))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.NAME)
def test_an_empty_record_still_renders(module: Any) -> None:
    assert module.render(inventory(), Record(as_of=START), FIRST)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.NAME)
def test_packages_hold_no_clock(module: Any, made: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(made[module.NAME])) as package:
        assert {info.date_time for info in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = package.read("docProps/core.xml").decode()
    assert AFTER.strftime("%Y-%m-%dT%H:%M:%SZ") in core


def test_the_plans_tables_fonts_and_language(made: dict[str, bytes]) -> None:
    document = docx.Document(io.BytesIO(made["implementation-plan"]))
    headings = [p.text for p in document.paragraphs if p.style.name == "Heading 1"]
    assert len(headings) == 8 and headings[3] == "4 割接方案"
    heads = [[cell.text for cell in table.rows[0].cells] for table in document.tables]
    steps = next(table for table in document.tables if "步骤ID" in [c.text for c in table.rows[0].cells])
    assert "成功判据" in [cell.text for cell in steps.rows[0].cells]
    assert [row.cells[1].text for row in steps.rows[1:]] == [step.key for step in STEPS]
    assert ["触发条件", "判断方法", "决策人", "决策时限"] in heads
    cover = {row.cells[0].text: row.cells[1].text for row in document.tables[0].rows}
    assert cover["客户（甲方）"] == HOSTILE
    for name in ("Normal", "Heading 1", "Heading 2", "Cell", "List Bullet"):
        fonts = document.styles[name].element.rPr.rFonts
        assert fonts.get(qn("w:eastAsia")) == "微软雅黑", name
        assert fonts.get(qn("w:eastAsiaTheme")) is None, name
    language = document.styles.element.find(f".//{qn('w:lang')}")
    assert (language.get(qn("w:val")), language.get(qn("w:eastAsia"))) == ("zh-CN", "zh-CN")
    text = "\n".join(cell.text for table in document.tables for row in table.rows for cell in row.cells)
    assert "qianyun cutover estate --plan 5f2c5f2c" in text
    assert "2026-12-06 03:45" in text  # decide by
    assert "200000" in text and "李明" in text and "陈静" in text


def test_the_decks_tables_fonts_and_drawing(made: dict[str, bytes]) -> None:
    deck = pptx.Presentation(io.BytesIO(made["proposal"]))
    texts = [shape.text_frame.text for slide in deck.slides for shape in slide.shapes if shape.has_text_frame]
    tables = [shape.table for slide in deck.slides for shape in slide.shapes if shape.has_table]
    cells = [cell.text for table in tables for row in table.rows for cell in row.cells]
    assert any(HOSTILE in text for text in texts)
    assert any("web-2（t3.small）" in text for text in texts), "the drawing shows the servers"
    assert {"范围外", "大数据应用", "应用改造、表结构改造", FORMULA, "Debian GNU/Linux 12 (bookworm)"} <= set(
        cells
    )
    assert "商城<前台>&后台（shop）" in cells
    runs = [run for slide in deck.slides for run in slide._element.iter(pqn("a:r"))]
    assert runs
    for run in runs:
        properties = run.find(pqn("a:rPr"))
        assert properties.find(pqn("a:ea")).get("typeface") == "微软雅黑"
        assert properties.get("lang") == "zh-CN"
    for slide in deck.slides:
        for shape in slide.shapes:
            assert shape.top + shape.height <= deck.slide_height, f"{slide.slide_id}: {shape.name} overflows"


def test_a_long_list_goes_on_on_further_slides() -> None:
    items = [
        {"name": f"app-{n:03d}", "kind": "application", "in_scope": False, "reason": "另行安排" * 12}
        for n in range(80)
    ]
    long = inventory(migration_list=[*PARTS["migration_list"], *items])
    deck = pptx.Presentation(io.BytesIO(proposal.render(long, RECORD, FIRST)))
    tables = [
        (slide, shape)
        for slide in deck.slides
        for shape in slide.shapes
        if shape.has_table and "系统／数据" in shape.table.cell(0, 0).text
    ]
    names = [row.cells[0].text for _, shape in tables for row in list(shape.table.rows)[1:]]
    assert len(tables) > 3 and len(names) == len(set(names)) == 88
    assert all(shape.top + shape.height <= deck.slide_height for _, shape in tables)


def test_the_index_holds_readings_and_no_formula(made: dict[str, bytes]) -> None:
    book = openpyxl.load_workbook(io.BytesIO(made["configuration-index"]))
    assert book.sheetnames[:6] == ["封面", "索引", "账号权限", "网络", "云主机", "数据库"]
    assert {"安全组与ACL", "备份快照", "源→目标", "变更记录", "校验", "差异"} <= set(book.sheetnames)
    values = {cell.coordinate: cell for sheet in book for row in sheet.iter_rows() for cell in row}
    assert all(cell.data_type != "f" for cell in values.values())
    applications = {row[1]: row[2] for row in book["应用"].iter_rows(values_only=True)}
    assert applications["note"] == FORMULA
    head, row = list(book["索引"].iter_rows(values_only=True))[:2]
    index = dict(zip(head, row, strict=True))
    assert index["实例ID"] == "i-0123456789abcdef0" and index["内网IP"] == "10.80.0.10"
    assert index["采集来源"] == READINGS[3].evidence[:12]
    assert index["公网IP"] == index["到期"] == "未采集"
    cover = [value for row in book["封面"].iter_rows(values_only=True) for value in row if value]
    assert HOSTILE in cover
    assert book["索引"]["A1"].font.name == "微软雅黑"


def test_the_index_shows_what_was_read_not_what_was_planned() -> None:
    other = [reading(4, "environment/web-2/instance", instance={"id": "i-9", "type": "t3.large"})]
    record = replace(RECORD, readings=(*[r for r in READINGS if "instance" not in r.step], *other))
    book = openpyxl.load_workbook(io.BytesIO(configuration_index.render(inventory(), record, FIRST)))
    row = dict(zip(*list(book["索引"].iter_rows(values_only=True))[:2], strict=True))
    assert row["规格"] == "t3.large"
    assert "t3.small" not in [v for r in book["索引"].iter_rows(values_only=True) for v in r]


def test_the_encrypted_index_opens_with_its_password_only(made: dict[str, bytes]) -> None:
    plain = made["configuration-index"]
    sealed = encrypt(plain, Secret("correct-horse-battery"))
    file = msoffcrypto.OfficeFile(io.BytesIO(sealed))
    assert file.is_encrypted()
    file.load_key(password="correct-horse-battery", verify_password=True)
    opened = io.BytesIO()
    file.decrypt(opened)
    assert opened.getvalue() == plain
    for weak in ("short", "这是一个足够长的中文口令也不行的啊啊"):
        with pytest.raises(Refused, match="16 ASCII"):
            encrypt(plain, Secret(weak))


def project(**fields: Any) -> Inventory:
    return inventory(project={**PROJECT, **fields})


def contacts(*names: str) -> list[Any]:
    return [c for c in PROJECT["contacts"] if c["name"] in names]


REJECTED: list[tuple[Any, Callable[[], tuple[Inventory, Record]], str]] = [
    (proposal, lambda: (inventory(), changed("network/vpc", item="reports")), "不在迁移列表"),
    (proposal, lambda: (inventory(), replace(RECORD, discovery=())), "没有实测数据"),
    (proposal, lambda: (project(contacts=contacts("李明", "王芳")), RECORD), "没有指名人员"),
    (proposal, lambda: (inventory(), changed("cutover/dns/shop", reversal_how="")), "没有声明回退"),
    (
        proposal,
        lambda: (
            inventory(sources={**PARTS["sources"], "networks": [{"name": "old", "cidr": "10.80.0.0/20"}]}),
            RECORD,
        ),
        "重叠",
    ),
    (implementation_plan, lambda: (inventory(), replace(RECORD, plan_digest="")), "不可直接执行"),
    (
        implementation_plan,
        lambda: (inventory(), changed("network/vpc", command="aws ec2 create-vpc <CIDR>")),
        "不可直接执行",
    ),
    (implementation_plan, lambda: (inventory(), changed("cutover/dns/shop", p90_s=4 * 3600.0)), "窗口只有"),
    (
        implementation_plan,
        lambda: (inventory(), changed("cutover/dns/shop", p90_s=7 * 3600.0)),
        "没有有效的回退决策时限",
    ),
    (implementation_plan, lambda: (project(contacts=contacts("李明")), RECORD), "没有指名操作人"),
    (configuration_index, lambda: (inventory(), replace(RECORD, readings=())), "只有计划值"),
    (
        configuration_index,
        lambda: (
            inventory(),
            replace(RECORD, readings=tuple(replace(r, taken_at=START) for r in READINGS)),
        ),
        "早于割接完成",
    ),
    (
        configuration_index,
        lambda: (
            inventory(),
            replace(RECORD, readings=(*READINGS, reading(99, "network/x", password="hunter2hunter2"))),
        ),
        "不得写入",
    ),
    (
        configuration_index,
        lambda: (
            inventory(),
            changed("network/vpc", checks=(replace(STEPS[0].checks[0], status="FAIL"),)),
        ),
        "与计划不一致",
    ),
]


@pytest.mark.parametrize(
    ("module", "given", "said"), REJECTED, ids=[f"{m.NAME}-{n}" for n, (m, _, _) in enumerate(REJECTED)]
)
def test_what_would_be_sent_back_is_found_before_rendering(module: Any, given: Any, said: str) -> None:
    with pytest.raises(ApplyFailed, match=said):
        require_fit(module.shortcomings(*given()))


def test_an_unrehearsed_way_back_is_printed_and_does_not_reject() -> None:
    record = replace(RECORD, rollback_evidence="")
    found = implementation_plan.shortcomings(inventory(), record)
    assert [(s.place, s.rejects) for s in found] == [("回退方案", False)]
    text = "\n".join(
        cell.text
        for table in docx.Document(io.BytesIO(implementation_plan.render(inventory(), record, FIRST))).tables
        for row in table.rows
        for cell in row.cells
    )
    assert "回退尚无演练证据" in text


@pytest.mark.parametrize(
    "command", ["", " ", "run <host>", "x --plan DIGEST", "TODO", "echo {{ a }}", "ssh …"]
)
def test_placeholders(command: str) -> None:
    assert is_placeholder(command)
    assert not is_placeholder("qianyun cutover estate --plan 5f2c")


def test_the_window_sum() -> None:
    total = window_sum(inventory(), RECORD)
    assert (total.forward_s, total.verification_s, total.rollback_s) == (240.0, 60.0, 900.0)
    assert total.needed_s == 240 + 60 + 1800 + 900
    assert total.end - total.decide_by == timedelta(minutes=15)


def test_a_gap_in_a_template_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        fill("proposal.yaml", {})


def test_the_basis_changes_with_the_work_and_not_with_the_clock() -> None:
    first = basis(inventory(), RECORD)
    later = replace(RECORD, as_of=AFTER + timedelta(days=1), readings=())
    again = replace(later, steps=tuple(replace(s, started_at=AFTER, evidence="x") for s in STEPS))
    mail = replace(STEPS[0], key="acceptance/mail")
    assert basis(inventory(), again) == basis(inventory(), replace(RECORD, steps=(*STEPS, mail))) == first
    failed = changed("network/vpc", checks=(replace(STEPS[0].checks[0], status="FAIL"),))
    issue = replace(RECORD, issues=(Issue(number="Q-2", text="新", level="P1", owner="李明"),))
    assert (
        len({first, basis(inventory(), failed), basis(inventory(), issue), basis(project(name="X"), RECORD)})
        == 4
    )
