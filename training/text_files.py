"""Reads text files and tables that people edit, as text editors and spreadsheet programs leave them."""

import codecs
import csv
import io
from pathlib import Path

Row = dict[str, str]

_MARKS = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
_SEPARATORS = ",;\t"


class UnreadableText(ValueError):
    """The file is not UTF-8 text, or no table; the message names the file and the cause."""


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without its byte order mark. Raises UnreadableText, which names another encoding."""
    content = path.read_bytes()
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            raise UnreadableText(_refuse(path, encoding))
    if content[1::2].count(0) > len(content) // 4 or content[::2].count(0) > len(content) // 4:
        raise UnreadableText(_refuse(path, "UTF-16 without a byte order mark"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        where = f"Latin-1 or Windows-1252 (byte {content[error.start]:#04x} in line {line})"
        raise UnreadableText(_refuse(path, where)) from error


def read_table(path: Path, *, columns: tuple[str, ...]) -> list[Row]:
    """The rows of a table separated by commas, semicolons or tabs, by column, without spaces around the cells.

    Empty rows are left out. Raises UnreadableText for another encoding, a missing column of `columns`, and a row with
    another number of cells.
    """
    lines = read_cells(path)
    header = lines[0][1] if lines else []
    if missing := [column for column in columns if column not in header]:
        found = f"it has the columns {', '.join(header)}" if header else "the file is empty"
        raise UnreadableText(f"{path.name} has no column {', '.join(missing)}; {found}.")
    rows = []
    for number, line in lines[1:]:
        if len(line) != len(header):
            raise UnreadableText(f"{path.name}, row {number}: {len(line)} cells, but there are {len(header)} columns.")
        rows.append(dict(zip(header, line, strict=True)))
    return rows


def read_cells(path: Path) -> list[tuple[int, list[str]]]:
    """The number and the cells of each row that is not empty, the header first, as read_table reads them.

    Raises UnreadableText.
    """
    text = read_text(path)
    header = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=header.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise UnreadableText(f"{path.name} is not a table: {error}") from error
    cells = ((number, [cell.strip() for cell in line]) for number, line in enumerate(lines, start=1))
    return [(number, line) for number, line in cells if any(line)]


def parse_number(text: str) -> float:
    """A number with a decimal point or, as spreadsheet programs write it in many languages, a decimal comma."""
    return float(text.replace(",", "."))


def _refuse(path: Path, encoding: str) -> str:
    return f"{path} is encoded as {encoding}. Save it as UTF-8 (in a spreadsheet program: CSV UTF-8)."
