"""What a document says, before any format: sections of texts and tables, filled from templates that are data.

A template is YAML. Its texts are Jinja with StrictUndefined, so a gap is an error and never an empty
cell. A table names a list of rows (`rows`) and the key of each column, or holds its `lines` itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import yaml
from jinja2 import Environment, StrictUndefined

_TEMPLATES = Path(__file__).with_name("templates")
# Nothing is escaped here: the writers put texts into Office files through libraries that escape.
_JINJA = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True)
_HTML = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True)


@dataclass(frozen=True)
class Text:
    """A paragraph; `style` is body, bullet, note or quote."""

    text: str
    style: str = "body"


@dataclass(frozen=True)
class Column:
    """A column and its share of the width."""

    title: str
    weight: float


@dataclass(frozen=True)
class Table:
    """Rows of texts; every row has as many cells as there are columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""


@dataclass(frozen=True)
class Drawing:
    """A place for a drawing that the document's module knows how to make."""

    name: str


Block: TypeAlias = Text | Table | Drawing


@dataclass(frozen=True)
class Section:
    title: str
    blocks: tuple[Block, ...]
    level: int = 1
    orientation: Literal["portrait", "landscape"] = "portrait"


@dataclass(frozen=True)
class Document:
    """Title, the lines of the cover, and the sections."""

    title: str
    cover: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    footer: str = ""


def fill(template: str, context: Mapping[str, Any]) -> Document:
    """The template `template` (a file name in templates/) filled with `context`.

    Raises: jinja2.UndefinedError or KeyError where the context leaves a gap.
    """
    data = yaml.safe_load((_TEMPLATES / template).read_text(encoding="utf-8"))
    return Document(
        _text(data["title"], context),
        tuple((label, _text(value, context)) for label, value in data["cover"].items()),
        tuple(_section(entry, context) for entry in data["sections"]),
        _text(data.get("footer", ""), context),
    )


def fill_text(template: str, context: Mapping[str, Any]) -> str:
    """A plain text template (a mail's body) filled with `context`."""
    return _text((_TEMPLATES / template).read_text(encoding="utf-8"), context)


def fill_html(template: str, context: Mapping[str, Any]) -> str:
    """An HTML template filled with `context`, every value escaped."""
    return _HTML.from_string((_TEMPLATES / template).read_text(encoding="utf-8")).render(context).strip()


def _section(entry: Mapping[str, Any], context: Mapping[str, Any]) -> Section:
    return Section(
        _text(entry["title"], context),
        tuple(_block(block, context) for block in entry.get("blocks", ())),
        entry.get("level", 1),
        entry.get("orientation", "portrait"),
    )


def _block(entry: Mapping[str, Any], context: Mapping[str, Any]) -> Block:
    if "drawing" in entry:
        return Drawing(entry["drawing"])
    if "rows" in entry:
        return _table(entry, context)
    if "lines" in entry:
        return _fixed_table(entry, context)
    style = next(iter(entry))
    return Text(_text(entry[style], context), style)


def _table(entry: Mapping[str, Any], context: Mapping[str, Any]) -> Block:
    rows: Sequence[Mapping[str, Any]] = context[entry["rows"]]
    if not rows and "empty" in entry:
        return Text(_text(entry["empty"], context), "note")
    columns = tuple(Column(title, float(weight)) for title, _, weight in entry["columns"])
    keys = [key for _, key, _ in entry["columns"]]
    cells = tuple(tuple(str(row[key]) for key in keys) for row in rows)
    return Table(columns, cells, _text(entry.get("title", ""), context))


def _fixed_table(entry: Mapping[str, Any], context: Mapping[str, Any]) -> Table:
    columns = tuple(Column(title, float(weight)) for title, weight in entry["columns"])
    lines = tuple(tuple(_text(str(cell), context) for cell in line) for line in entry["lines"])
    return Table(columns, lines, _text(entry.get("title", ""), context))


def _text(template: str, context: Mapping[str, Any]) -> str:
    return _JINJA.from_string(template).render(context).strip()
