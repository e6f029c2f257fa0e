"""Workbooks: content written with XlsxWriter, one sheet a section; texts stay texts, never formulas."""

import io
from datetime import UTC, datetime
from typing import Any

import xlsxwriter

from runbooks.content import Document, Table, Text
from runbooks.package import repack

FONT = "微软雅黑"
_TOTAL_WIDTH = 150
_LEAST_WIDTH = 9


def write_xlsx(document: Document, as_of: datetime, author: str) -> bytes:
    """The document as a workbook: the cover first, then a sheet a section."""
    out = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(out, {"in_memory": True, **options})
    created = as_of.astimezone(UTC).replace(tzinfo=None)
    book.set_properties({"title": document.title, "author": author, "created": created})
    formats = _formats(book)
    _cover(book.add_worksheet("封面"), document, formats)
    for section in document.sections:
        sheet = book.add_worksheet(section.title)
        row = 0
        for block in section.blocks:
            if isinstance(block, Text):
                sheet.write_string(row, 0, block.text, formats["note"])
                row += 2
            elif isinstance(block, Table):
                row = _table(sheet, block, row, formats)
    book.close()
    return repack(out.getvalue(), as_of)


def _formats(book: Any) -> dict[str, Any]:
    base = {"font_name": FONT, "font_size": 10, "valign": "vcenter"}
    cell = {**base, "border": 1, "border_color": "#C5D0DA", "text_wrap": True}
    return {
        "title": book.add_format({**base, "font_size": 20, "bold": True, "font_color": "#0B3D6E"}),
        "label": book.add_format({**cell, "bg_color": "#F2F6FA", "font_color": "#606F7B"}),
        "cell": book.add_format(cell),
        "band": book.add_format({**cell, "bg_color": "#F2F6FA"}),
        "head": book.add_format({**cell, "bold": True, "font_color": "#FFFFFF", "bg_color": "#0B3D6E"}),
        "note": book.add_format({**base, "font_color": "#8A6D00", "italic": True}),
    }


def _cover(sheet: Any, document: Document, formats: dict[str, Any]) -> None:
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 3)
    sheet.set_column(1, 1, 22)
    sheet.set_column(2, 2, 78)
    sheet.set_row(1, 36)
    sheet.write_string(1, 1, document.title, formats["title"])
    for n, (label, value) in enumerate(document.cover):
        sheet.set_row(n + 3, 20)
        sheet.write_string(n + 3, 1, label, formats["label"])
        sheet.write_string(n + 3, 2, value, formats["cell"])
    _page(sheet, document.footer)


def _table(sheet: Any, table: Table, top: int, formats: dict[str, Any]) -> int:
    whole = sum(column.weight for column in table.columns)
    total = max(_TOTAL_WIDTH, 12 * len(table.columns))
    for n, column in enumerate(table.columns):
        sheet.set_column(n, n, max(total * column.weight / whole, _LEAST_WIDTH))
        sheet.write_string(top, n, column.title, formats["head"])
    for r, cells in enumerate(table.rows, top + 1):
        style = formats["band"] if (r - top) % 2 == 0 else formats["cell"]
        for n, text in enumerate(cells):
            sheet.write_string(r, n, text, style)
    last = top + len(table.rows)
    sheet.set_row(top, 22)
    sheet.freeze_panes(top + 1, 1)
    sheet.autofilter(top, 0, last, len(table.columns) - 1)
    sheet.repeat_rows(top)
    _page(sheet, "")
    return last + 2


def _page(sheet: Any, footer: str) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    # A & begins a code in Excel's footers.
    sheet.set_footer(f"&L{footer.replace('&', '&&')}&C&A&R&P/&N")
