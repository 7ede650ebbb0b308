"""The JSON that MLflow's scoring server accepts -> the cells of the column `image`, and the parameters."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inference.scoring import Parameters
from inference.signature import IMAGE
from service.errors import InvalidFrame, TooManyImages

MAX_IMAGES = 100  # a large network answers three a second on two cores: as many as the default deadline allows
_MOST_COMMAS = 100 * MAX_IMAGES


@dataclass(frozen=True, slots=True)
class Frame:
    """The images of one call, in base64 or not yet checked at all, and how to score them."""

    cells: tuple[object, ...]
    parameters: Parameters


def parse_frame(body: bytes) -> Frame:
    """Read one of the four forms. Raises InvalidFrame, TooManyImages."""
    # An image is a value of its own, in a list or a pair: a body of more values would only cost memory to be refused.
    if body.count(b",") > _MOST_COMMAS:
        raise TooManyImages(f"The call has too many values; allowed: {MAX_IMAGES} images.")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidFrame("The body is not JSON in UTF-8.") from error
    forms = [name for name in FORMS if name in content] if isinstance(content, dict) else []
    if len(forms) != 1:
        raise InvalidFrame(f"Send a JSON object with exactly one of {', '.join(FORMS)}.")
    cells = FORMS[forms[0]](content[forms[0]])
    if len(cells) > MAX_IMAGES:
        raise TooManyImages(f"The call has {len(cells):,} images; allowed: {MAX_IMAGES}.")
    given = content.get("params")
    if not isinstance(given, dict | None):
        raise InvalidFrame("params is not an object.")
    try:
        return Frame(tuple(cells), Parameters.parse(given))
    except ValueError as error:
        raise InvalidFrame(str(error)) from error


def _read_split(value: Any) -> list[object]:
    columns, data = (value.get("columns"), value.get("data")) if isinstance(value, dict) else (None, None)
    if not isinstance(columns, list) or not isinstance(data, list):
        raise InvalidFrame("dataframe_split is not an object with the lists columns and data.")
    if columns.count(IMAGE) != 1:
        raise InvalidFrame(f"The columns do not hold {IMAGE!r} once.")
    rows = [row if isinstance(row, list) else [row] for row in data]  # as pandas reads a single column
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise InvalidFrame(f"Row {number} has {len(row)} values for {len(columns)} columns.")
    return [row[columns.index(IMAGE)] for row in rows]


def _read_records(value: Any) -> list[object]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise InvalidFrame("dataframe_records is not a list of objects.")
    return [_cell(row, number) for number, row in enumerate(value)]


def _read_tensor(value: Any) -> list[object]:
    """One list of images, a list of objects, or an object with a list: TensorFlow Serving's row and column formats."""
    if isinstance(value, dict):
        column = _cell(value, 0)
        return column if isinstance(column, list) else [column]
    if not isinstance(value, list):
        raise InvalidFrame(f"Send a list of images, or an object whose {IMAGE!r} is one.")
    return [_cell(row, number) if isinstance(row, dict) else row for number, row in enumerate(value)]


def _cell(row: dict[str, object], number: int) -> object:
    if IMAGE not in row:
        raise InvalidFrame(f"Row {number} has no {IMAGE!r}.")
    return row[IMAGE]


FORMS: dict[str, Callable[[Any], list[object]]] = {
    "dataframe_split": _read_split,
    "dataframe_records": _read_records,
    "instances": _read_tensor,
    "inputs": _read_tensor,
}
