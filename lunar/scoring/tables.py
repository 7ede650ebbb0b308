"""Answers as tables: CSV, Parquet, and the submission of the ISIC challenge. A table is complete or not there."""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from inference.domain.taxonomy import CLASSES
from lunar.scoring.answers import ERROR, FILE, FOLDER, MODEL, Answer
from lunar.scoring.replacing import replaced

# The columns of ISIC 2018, task 3.
ISIC = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
LEFT_OUT = frozenset({"disclaimer", FOLDER})

Cell = str | float | bool | None
Source = Callable[[], Iterable[Answer]]  # reads the answers again each time


def flatten(answer: Answer) -> dict[str, Cell]:
    """One row: nested names are joined by dots; of a list of warnings the codes; other lists by number."""
    row: dict[str, Cell] = {}
    for name, value in answer.items():
        if name not in LEFT_OUT:
            row |= _cells(name, value)
    return row


def _cells(name: str, value: Any) -> dict[str, Cell]:
    if isinstance(value, list) and all(isinstance(each, str) or set(each) == {"code", "message"} for each in value):
        return {name: ",".join(each if isinstance(each, str) else each["code"] for each in value)}
    if isinstance(value, list):
        value = {str(number): each for number, each in enumerate(value)}
    if isinstance(value, dict):
        return {key: cell for part, each in value.items() for key, cell in _cells(f"{name}.{part}", each).items()}
    return {name: value}


def write_csv(path: Path, source: Source) -> None:
    """One row for each answer; a column for each field that any answer has. Raises OSError."""
    columns = _columns(source)
    with replaced(path) as staging, staging.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _text(cell) for name, cell in flatten(answer).items()} for answer in source())


def write_parquet(path: Path, source: Source) -> None:
    """The same rows and columns, with types. Raises OSError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = _columns(source)
    table = pa.Table.from_pylist([dict.fromkeys(columns) | flatten(answer) for answer in source()])
    with replaced(path) as staging:
        pq.write_table(table, staging)


def write_isic(path: Path, source: Source) -> int:
    """The challenge's columns, by image name without suffix; returns how many answers have no result and no row.

    Raises OSError.
    """
    left_out = 0
    with replaced(path) as staging, staging.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("image", *ISIC))
        for answer in source():
            image = Path(answer[FILE]).stem
            if "probabilities" not in answer:
                left_out += 1
                continue
            by_code = {code.upper(): answer["probabilities"][code] for code in CLASSES}
            writer.writerow((_text(image), *(by_code[code] for code in ISIC)))
    return left_out


def is_of_answers(path: Path) -> bool:
    """Whether the file is CSV that `write_csv` or `write_isic` has written. Raises OSError."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        try:
            header = next(csv.reader(file), [])
        except csv.Error:  # no table at all, with a first line of megabytes
            return False
    return _are_of_answers(header) or tuple(header) == ("image", *ISIC)


def is_parquet_of_answers(path: Path) -> bool:
    """Whether the file is a table that `write_parquet` has written. Raises OSError."""
    import pyarrow.parquet as pq

    try:
        return _are_of_answers(pq.read_schema(path).names)
    except ValueError:  # what pyarrow raises for another file
        return False


def _are_of_answers(columns: Sequence[str]) -> bool:
    return tuple(columns[:1]) == (FILE,) and any(name == ERROR or name.startswith(f"{MODEL}.") for name in columns)


def _text(cell: Cell) -> Cell:
    """A spreadsheet program computes a text that begins like a formula, unless an apostrophe is before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _columns(source: Source) -> list[str]:
    columns: dict[str, None] = {}
    for answer in source():
        columns |= dict.fromkeys(flatten(answer))
    return list(columns)
