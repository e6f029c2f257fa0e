"""Slide decks: content written with python-pptx, long tables carried over to further slides."""

import io
import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import pptx
from pptx.dml.color import RGBColor
from pptx.enum.shapes import MSO_SHAPE
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.oxml.ns import qn
from pptx.util import Emu, Inches, Pt

from runbooks.content import Document, Section, Table, Text
from runbooks.package import repack


def _rgb(text: str) -> RGBColor:
    return RGBColor.from_string(text)  # type: ignore[no-untyped-call, no-any-return]


LATIN, CHINESE = "Calibri", "微软雅黑"
WIDTH, HEIGHT = Inches(13.333), Inches(7.5)
NAVY, BLUE, INK, GREY, WHITE = (
    _rgb("0B3D6E"),
    _rgb("1F7AC2"),
    _rgb("263238"),
    _rgb("606F7B"),
    _rgb("FFFFFF"),
)
BAND, PALE = _rgb("F2F6FA"), _rgb("E3EEF8")
LEFT, TOP, BOTTOM = Inches(0.6), Inches(1.35), Inches(6.85)
INNER = WIDTH - 2 * LEFT
_CELL_PT, _LINE_IN = 11, 0.215
Draw = Callable[[Any], None]
"""Draws onto a slide below its title."""


def write_pptx(document: Document, as_of: datetime, author: str, drawings: Mapping[str, Draw]) -> bytes:
    """The document as slides: each section begins a slide, drawings get a slide of their own."""
    deck = pptx.Presentation()
    deck.slide_width, deck.slide_height = WIDTH, HEIGHT
    properties = deck.core_properties
    properties.title, properties.author, properties.language = document.title, author, "zh-CN"
    properties.last_modified_by = author
    _cover(deck, document)
    for section in document.sections:
        _section(deck, document, section, drawings)
    out = io.BytesIO()
    deck.save(out)
    return repack(out.getvalue(), as_of)


def put_text(
    frame: Any,
    text: str,
    points: float,
    *,
    colour: RGBColor = INK,
    bold: bool = False,
    align: Any = PP_ALIGN.LEFT,
    first: bool = True,
) -> None:
    """One paragraph into a text frame, in our fonts."""
    paragraph = frame.paragraphs[0] if first else frame.add_paragraph()
    paragraph.alignment = align
    run = paragraph.add_run()
    run.text = text
    run.font.size, run.font.bold, run.font.color.rgb, run.font.name = Pt(points), bold, colour, LATIN
    properties = run._r.get_or_add_rPr()
    properties.set("lang", "zh-CN")
    properties.set("altLang", "en-US")
    # a:ea must follow a:latin in the schema's order; without it Chinese is set in any font at all.
    eastern = properties.makeelement(qn("a:ea"), {"typeface": CHINESE})
    properties.find(qn("a:latin")).addnext(eastern)


def put_box(slide: Any, left: int, top: int, width: int, height: int, fill: RGBColor, line: RGBColor) -> Any:
    box = slide.shapes.add_shape(MSO_SHAPE.ROUNDED_RECTANGLE, Emu(left), Emu(top), Emu(width), Emu(height))
    box.adjustments[0] = 0.04
    box.fill.solid()
    box.fill.fore_color.rgb = fill
    box.line.color.rgb, box.line.width = line, Pt(1)
    box.shadow.inherit = False
    box.text_frame.word_wrap = True
    return box


def _slide(deck: Any) -> Any:
    return deck.slides.add_slide(deck.slide_layouts[6])


def _fill(slide: Any, left: int, top: int, width: int, height: int, colour: RGBColor) -> None:
    bar = slide.shapes.add_shape(MSO_SHAPE.RECTANGLE, Emu(left), Emu(top), Emu(width), Emu(height))
    bar.fill.solid()
    bar.fill.fore_color.rgb = colour
    bar.line.fill.background()
    bar.shadow.inherit = False


def _frame(slide: Any, left: int, top: int, width: int, height: int) -> Any:
    frame = slide.shapes.add_textbox(Emu(left), Emu(top), Emu(width), Emu(height)).text_frame
    frame.word_wrap = True
    return frame


def _cover(deck: Any, document: Document) -> None:
    slide = _slide(deck)
    _fill(slide, 0, 0, WIDTH, HEIGHT, NAVY)
    _fill(slide, LEFT, Inches(3.75), Inches(1.6), Inches(0.06), BLUE)
    frame = _frame(slide, LEFT, Inches(2.0), INNER, Inches(1.6))
    frame.vertical_anchor = MSO_ANCHOR.BOTTOM
    put_text(frame, document.title, 38, colour=WHITE, bold=True)
    lines = _frame(slide, LEFT, Inches(4.1), INNER, Inches(2.6))
    for n, (label, value) in enumerate(document.cover):
        put_text(lines, f"{label}：{value}", 16, colour=WHITE, first=n == 0)


def _titled(deck: Any, document: Document, title: str) -> Any:
    slide = _slide(deck)
    _fill(slide, 0, 0, WIDTH, Inches(0.12), NAVY)
    frame = _frame(slide, LEFT, Inches(0.35), INNER, Inches(0.8))
    frame.vertical_anchor = MSO_ANCHOR.MIDDLE
    put_text(frame, title, 26, colour=NAVY, bold=True)
    foot = _frame(slide, LEFT, Inches(7.0), INNER, Inches(0.35))
    put_text(foot, f"{document.footer}    {len(deck.slides)}", 10, colour=GREY, align=PP_ALIGN.RIGHT)
    return slide


def _section(deck: Any, document: Document, section: Section, drawings: Mapping[str, Draw]) -> None:
    slide, top = _titled(deck, document, section.title), int(TOP)
    for block in section.blocks:
        if isinstance(block, Text):
            height = Inches(0.34) * math.ceil(_cells(block.text) * 0.112 / 12)
            if top + height > BOTTOM:
                slide, top = _titled(deck, document, f"{section.title}（续）"), int(TOP)
            frame = _frame(slide, LEFT, top, INNER, height)
            mark = "• " if block.style == "bullet" else ""
            colour = GREY if block.style == "note" else INK
            put_text(frame, mark + block.text, 15, colour=colour, bold=block.style == "quote")
            top += height + Inches(0.12)
        elif isinstance(block, Table):
            for rows, heights in _pages(block, top):
                if rows is None:
                    slide, top = _titled(deck, document, f"{section.title}（续）"), int(TOP)
                    continue
                top = _table(slide, block, rows, heights, top)
        else:
            if top > TOP:
                slide, top = _titled(deck, document, f"{section.title}（续）"), int(TOP)
            drawings[block.name](slide)
            top = int(BOTTOM)


def _pages(table: Table, top: int) -> Iterator[tuple[list[tuple[str, ...]] | None, list[float]]]:
    """The rows that fit below `top`, then None for a new slide, then the next rows, and so on."""
    head = _row_height(table, tuple(column.title for column in table.columns))
    caption = 0.4 if table.title else 0.0
    room = (BOTTOM - top) / Inches(1) - head - caption
    pending = list(table.rows)
    if pending and room < _row_height(table, pending[0]) and top > TOP:
        yield None, []
        room = (BOTTOM - TOP) / Inches(1) - head - caption
    while pending:
        rows: list[tuple[str, ...]] = []
        heights = [head]
        while pending and (not rows or sum(heights[1:]) + _row_height(table, pending[0]) <= room):
            heights.append(_row_height(table, pending[0]))
            rows.append(pending.pop(0))
        yield rows, heights
        if pending:
            yield None, []
            room = (BOTTOM - TOP) / Inches(1) - head - caption


def _row_height(table: Table, cells: tuple[str, ...]) -> float:
    whole = sum(column.weight for column in table.columns)
    most = 1
    for column, text in zip(table.columns, cells, strict=True):
        # A half-width cell of 11 pt is about 0.079 inch wide; the cell keeps 0.2 inch of margins.
        fits = max(int((INNER / Inches(1) * column.weight / whole - 0.2) / 0.079), 2)
        most = max(most, sum(max(1, math.ceil(_cells(line) / fits)) for line in text.split("\n")))
    return most * _LINE_IN + 0.12


def _cells(text: str) -> int:
    """Width in half-width cells: Chinese characters count two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WFA" else 1 for char in text)


def _table(slide: Any, table: Table, rows: list[tuple[str, ...]], heights: list[float], top: int) -> int:
    if table.title:
        put_text(_frame(slide, LEFT, top, INNER, Inches(0.35)), table.title, 14, colour=BLUE, bold=True)
        top += Inches(0.4)
    height = Inches(sum(heights))
    shape = slide.shapes.add_table(len(rows) + 1, len(table.columns), Emu(LEFT), Emu(top), Emu(INNER), height)
    grid = shape.table
    whole = sum(column.weight for column in table.columns)
    for column, made in zip(table.columns, grid.columns, strict=True):
        made.width = Emu(int(INNER * column.weight / whole))
    texts = [tuple(column.title for column in table.columns), *rows]
    for n, (cells, inches) in enumerate(zip(texts, heights, strict=True)):
        grid.rows[n].height = Inches(inches)
        for cell, text in zip(grid.rows[n].cells, cells, strict=True):
            _cell(cell, text, head=n == 0, band=n % 2 == 0)
    return top + int(height) + Inches(0.25)


def _cell(cell: Any, text: str, *, head: bool, band: bool) -> None:
    cell.margin_top = cell.margin_bottom = Inches(0.04)
    cell.vertical_anchor = MSO_ANCHOR.MIDDLE
    cell.fill.solid()
    cell.fill.fore_color.rgb = NAVY if head else BAND if band else WHITE
    put_text(cell.text_frame, text, _CELL_PT, colour=WHITE if head else INK, bold=head)
