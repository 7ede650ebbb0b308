"""Tables as Markdown and HTML. Cells are plain text: characters with a meaning in Markdown or HTML are escaped."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

Mark = Literal["", "better", "worse", "quoted"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #ffffff; --line: #d0d7de;
  --better: #0b5394; --worse: #a33b00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa5b1; --paper: #14181d; --line: #343b44;
  --better: #79b8ff; --worse: #ffa657; } }
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; }
p { max-width: 46rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; vertical-align: bottom; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
thead th { white-space: normal; border-bottom: 2px solid var(--line); }
tbody th { font-weight: 400; }
.better { color: var(--better); font-weight: 600; } .worse { color: var(--worse); font-weight: 600; }
.quoted { color: var(--soft); font-style: italic; }
"""


@dataclass(frozen=True, slots=True)
class TableCell:
    """A plain text and how it is emphasised."""

    text: str
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A title, a note below it (or ""), column names, and rows whose first cell is the name of the row."""

    title: str
    note: str
    header: tuple[TableCell, ...]
    rows: tuple[tuple[TableCell, ...], ...]


def to_markdown(title: str, paragraphs: Sequence[str], tables: Sequence[Table]) -> str:
    """Markdown with pipe tables under headings; better and worse are bold, quoted is in italics."""
    lines = [f"# {_plain(title)}", *("\n" + _plain(text) for text in paragraphs)]
    for table in tables:
        lines += [f"\n## {_plain(table.title)}\n", *([_plain(table.note) + "\n"] if table.note else [])]
        rows = [table.header, *table.rows]
        written = ["| " + " | ".join(_emphasis(cell) for cell in row) + " |" for row in rows]
        lines += [written[0], "|" + " --- |" * len(table.header), *written[1:]]
    return "\n".join(lines) + "\n"


def _emphasis(cell: TableCell) -> str:
    text = _plain(cell.text)
    sign = {"better": "**", "worse": "**", "quoted": "*", "": ""}[cell.mark] if text else ""
    return f"{sign}{text}{sign}"


def _plain(text: str) -> str:
    for character in "\\`*|<":
        text = text.replace(character, "\\" + character)
    return " ".join(text.replace("](", "]\\(").split())  # a bracket alone is not a link and needs no escape


def to_html(title: str, paragraphs: Sequence[str], tables: Sequence[Table], *, figures: Sequence[str] = ()) -> str:
    """A self-contained HTML page with its style inside, for light and dark colour schemes, without scripts.

    `figures`: SVG elements, which follow the tables.
    """
    drawn = [f'<div class="scroll" tabindex="0">{figure}</div>' for figure in figures]
    body = "\n".join(
        [f"<p>{escape(text)}</p>" for text in paragraphs] + [_html_table(table) for table in tables] + drawn
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def _html_table(table: Table) -> str:
    head = "".join(_html_cell("th", cell, scope="col") for cell in table.header)
    rows = "\n".join(
        f"<tr>{_html_cell('th', first, scope='row')}{''.join(_html_cell('td', cell) for cell in cells)}</tr>"
        for first, *cells in table.rows
    )
    note = f"<p>{escape(table.note)}</p>\n" if table.note else ""
    return (
        f'<h2>{escape(table.title)}</h2>\n{note}<div class="scroll" tabindex="0">\n<table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    )


def _html_cell(tag: str, cell: TableCell, *, scope: str = "") -> str:
    values = {"scope": scope, "class": cell.mark}
    attributes = "".join(f' {name}="{value}"' for name, value in values.items() if value)
    return f"<{tag}{attributes}>{escape(cell.text)}</{tag}>"
