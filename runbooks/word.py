"""Word files: content written with python-docx, in Chinese fonts, the same bytes for the same content."""

import io
from datetime import datetime
from typing import Any

import docx
from docx.enum.section import WD_ORIENT
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor

from runbooks.content import Block, Document, Section, Table, Text
from runbooks.package import repack

LATIN, CHINESE, MONO = "Calibri", "微软雅黑", "Consolas"
INK, ACCENT, GREY = RGBColor(0x26, 0x32, 0x38), RGBColor(0x0B, 0x3D, 0x6E), RGBColor(0x60, 0x6F, 0x7B)
_HEAD_FILL, _BAND_FILL, _NOTE_FILL, _LINE = "0B3D6E", "F2F6FA", "FFF6E0", "C5D0DA"
_PAGE_LONG, _PAGE_SHORT, _MARGIN = Cm(29.7), Cm(21.0), Cm(2.0)


def write_docx(document: Document, as_of: datetime, author: str) -> bytes:
    """The document as a Word file."""
    file = docx.Document()
    _set_styles(file)
    properties = file.core_properties
    properties.title, properties.author, properties.language = document.title, author, "zh-CN"
    properties.last_modified_by, properties.comments = author, ""
    _set_page(file.sections[0], "portrait")
    _cover(file, document)
    for section in document.sections:
        _section(file, section)
    for n, page in enumerate(file.sections):
        page.different_first_page_header_footer = n == 0
    _header_and_footer(file.sections[0], document)
    out = io.BytesIO()
    file.save(out)
    return repack(out.getvalue(), as_of)


def _set_styles(file: Any) -> None:
    defaults = file.styles.element.find(qn("w:docDefaults")).find(qn("w:rPrDefault")).find(qn("w:rPr"))
    language = defaults.find(qn("w:lang"))
    for name in ("w:val", "w:eastAsia"):
        language.set(qn(name), "zh-CN")
    _set_font(file.styles["Normal"], 10.5, INK)
    file.styles["Normal"].paragraph_format.space_after = Pt(6)
    file.styles["Normal"].paragraph_format.line_spacing = 1.25
    for level, points in ((1, 16), (2, 12.5)):
        style = file.styles[f"Heading {level}"]
        _set_font(style, points, ACCENT, bold=True)
        style.paragraph_format.space_before, style.paragraph_format.space_after = Pt(16), Pt(8)
        style.paragraph_format.keep_with_next = True
    _set_font(file.styles["List Bullet"], 10.5, INK)
    cell = file.styles.add_style("Cell", WD_STYLE_TYPE.PARAGRAPH)
    cell.base_style = file.styles["Normal"]
    _set_font(cell, 8.5, INK)
    cell.paragraph_format.space_after, cell.paragraph_format.line_spacing = Pt(0), 1.1


def _set_font(style: Any, points: float, colour: RGBColor, *, bold: bool = False) -> None:
    style.font.name, style.font.size, style.font.color.rgb, style.font.bold = LATIN, Pt(points), colour, bold
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    # Theme fonts would win over the named ones; without w:eastAsia Chinese falls back to any font at all.
    for name in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
        fonts.attrib.pop(qn(f"w:{name}"), None)
    fonts.set(qn("w:hAnsi"), LATIN)
    fonts.set(qn("w:eastAsia"), CHINESE)


def _set_page(page: Any, orientation: str) -> None:
    wide = orientation == "landscape"
    page.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
    page.page_width, page.page_height = (_PAGE_LONG, _PAGE_SHORT) if wide else (_PAGE_SHORT, _PAGE_LONG)
    page.left_margin = page.right_margin = page.top_margin = page.bottom_margin = _MARGIN


def _cover(file: Any, document: Document) -> None:
    for _ in range(6):
        file.add_paragraph()
    title = file.add_paragraph()
    title.alignment = WD_ALIGN_PARAGRAPH.CENTER
    title.paragraph_format.space_after = Pt(60)
    run = title.add_run(document.title)
    run.font.size, run.font.bold, run.font.color.rgb = Pt(26), True, ACCENT
    table = file.add_table(rows=0, cols=2)
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    for label, value in document.cover:
        cells = table.add_row().cells
        for cell, text, width in ((cells[0], label, Cm(4)), (cells[1], value, Cm(10))):
            cell.width = width
            cell.paragraphs[0].add_run(text)
        cells[0].paragraphs[0].runs[0].font.color.rgb = GREY
    file.add_page_break()
    contents = file.add_paragraph()
    run = contents.add_run("目  录")
    run.font.size, run.font.bold, run.font.color.rgb = Pt(16), True, ACCENT
    for section in document.sections:
        line = file.add_paragraph(section.title)
        line.paragraph_format.left_indent = Cm(0.9 * (section.level - 1))


def _section(file: Any, section: Section) -> None:
    page = file.sections[-1]
    wide = page.page_width > page.page_height
    if wide != (section.orientation == "landscape"):
        page = file.add_section()
        _set_page(page, section.orientation)
    elif section.level == 1 and len(file.sections) == 1 and not _has_heading(file):
        file.add_page_break()
    file.add_heading(section.title, section.level)
    width = page.page_width - page.left_margin - page.right_margin
    for block in section.blocks:
        _block(file, block, width)


def _has_heading(file: Any) -> bool:
    return any(p.style.name.startswith("Heading") for p in file.paragraphs)


def _block(file: Any, block: Block, width: int) -> None:
    if isinstance(block, Table):
        _table(file, block, width)
    elif isinstance(block, Text):
        _paragraph(file, block)


def _paragraph(file: Any, block: Text) -> None:
    paragraph = file.add_paragraph(style="List Bullet" if block.style == "bullet" else None)
    run = paragraph.add_run(block.text)
    if block.style in ("note", "quote"):
        paragraph.paragraph_format.left_indent = Cm(0.4)
        _shade(paragraph._p.get_or_add_pPr(), _NOTE_FILL if block.style == "note" else _BAND_FILL)
    if block.style == "quote":
        run.font.bold = True


def _table(file: Any, table: Table, width: int) -> None:
    if table.title:
        caption = file.add_paragraph()
        caption.paragraph_format.space_before, caption.paragraph_format.keep_with_next = Pt(8), True
        run = caption.add_run(table.title)
        run.font.bold, run.font.size, run.font.color.rgb = True, Pt(10), GREY
    grid = file.add_table(rows=0, cols=len(table.columns))
    grid.alignment, grid.autofit = WD_TABLE_ALIGNMENT.CENTER, False
    _borders(grid)
    whole = sum(column.weight for column in table.columns)
    widths = [int(width * column.weight / whole) for column in table.columns]
    for column, share in zip(grid.columns, widths, strict=True):
        column.width = share
    head = grid.add_row()
    _row(head, [column.title for column in table.columns], widths, fill=_HEAD_FILL, head=True)
    _flag(head, "w:tblHeader")
    for n, cells in enumerate(table.rows):
        row = grid.add_row()
        _row(row, cells, widths, fill=_BAND_FILL if n % 2 else "")
        _flag(row, "w:cantSplit")
    file.add_paragraph().paragraph_format.space_after = Pt(2)


def _row(row: Any, texts: Any, widths: list[int], *, fill: str, head: bool = False) -> None:
    for cell, text, width in zip(row.cells, texts, widths, strict=True):
        cell.width = width
        paragraph = cell.paragraphs[0]
        paragraph.style = "Cell"
        run = paragraph.add_run(text)
        if head:
            run.font.bold, run.font.color.rgb = True, RGBColor(0xFF, 0xFF, 0xFF)
        if fill:
            _shade(cell._tc.get_or_add_tcPr(), fill)


def _shade(properties: Any, fill: str) -> None:
    shading = OxmlElement("w:shd")
    for name, value in (("val", "clear"), ("color", "auto"), ("fill", fill)):
        shading.set(qn(f"w:{name}"), value)
    properties.append(shading)


def _flag(row: Any, name: str) -> None:
    row._tr.get_or_add_trPr().append(OxmlElement(name))


def _borders(grid: Any) -> None:
    borders = OxmlElement("w:tblBorders")
    for side in ("top", "left", "bottom", "right", "insideH", "insideV"):
        line = OxmlElement(f"w:{side}")
        for name, value in (("val", "single"), ("sz", "4"), ("space", "0"), ("color", _LINE)):
            line.set(qn(f"w:{name}"), value)
        borders.append(line)
    grid._tbl.tblPr.append(borders)
    margins = OxmlElement("w:tblCellMar")
    for side, twips in (("top", 40), ("left", 90), ("bottom", 40), ("right", 90)):
        margin = OxmlElement(f"w:{side}")
        margin.set(qn("w:w"), str(twips))
        margin.set(qn("w:type"), "dxa")
        margins.append(margin)
    grid._tbl.tblPr.append(margins)


def _header_and_footer(page: Any, document: Document) -> None:
    head = page.header.paragraphs[0]
    head.add_run(f"{document.title}    {document.footer}").font.size = Pt(8)
    foot = page.footer.paragraphs[0]
    foot.alignment = WD_ALIGN_PARAGRAPH.CENTER
    for text, field in (("第 ", "PAGE"), (" 页 / 共 ", "NUMPAGES"), (" 页", "")):
        foot.add_run(text).font.size = Pt(8)
        if field:
            _field(foot, field)


def _field(paragraph: Any, code: str) -> None:
    for kind in ("begin", "", "separate", "1", "end"):
        run = paragraph.add_run("1" if kind == "1" else "")
        run.font.size = Pt(8)
        if kind == "1":
            continue
        part = OxmlElement("w:fldChar" if kind else "w:instrText")
        if kind:
            part.set(qn("w:fldCharType"), kind)
        else:
            part.text = code
        run._r.append(part)
