"""Parses the JSON of MLflow's scoring server into the cells of the column `image` and the parameters."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inference.mlflow_model.scoring import ScoringParameters
from inference.mlflow_model.signature import IMAGE
from service.errors import InvalidScoringRequest, TooManyImages
from service.scoring import MAX_IMAGES, check_values


@dataclass(frozen=True, slots=True)
class ScoringRequest:
    """The cells of one call, which are not checked yet, and the parameters of scoring."""

    cells: tuple[object, ...]
    parameters: ScoringParameters


def parse_scoring_request(body: bytes) -> ScoringRequest:
    """Read one of the four formats. Raises InvalidScoringRequest, TooManyImages."""
    check_values(body)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidScoringRequest("The body is not JSON in UTF-8.") from error
    forms = [name for name in FORMS if name in content] if isinstance(content, dict) else []
    if len(forms) != 1:
        raise InvalidScoringRequest(f"Send a JSON object with exactly one of {', '.join(FORMS)}.")
    cells = FORMS[forms[0]](content[forms[0]])
    if len(cells) > MAX_IMAGES:
        raise TooManyImages(f"The call has {len(cells):,} images; allowed: {MAX_IMAGES}.")
    parameters = content.get("params")
    if not isinstance(parameters, dict | None):
        raise InvalidScoringRequest("params is not an object.")
    try:
        return ScoringRequest(tuple(cells), ScoringParameters.parse(parameters))
    except ValueError as error:
        raise InvalidScoringRequest(str(error)) from error


def _read_split(value: Any) -> list[object]:
    columns, data = (value.get("columns"), value.get("data")) if isinstance(value, dict) else (None, None)
    if not isinstance(columns, list) or not isinstance(data, list):
        raise InvalidScoringRequest("dataframe_split is not an object with the lists columns and data.")
    if columns.count(IMAGE) != 1:
        raise InvalidScoringRequest(f"The columns do not hold {IMAGE!r} once.")
    rows = [row if isinstance(row, list) else [row] for row in data]  # as pandas reads a single column
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise InvalidScoringRequest(f"Row {number} has {len(row)} values for {len(columns)} columns.")
    return [row[columns.index(IMAGE)] for row in rows]


def _read_records(value: Any) -> list[object]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise InvalidScoringRequest("dataframe_records is not a list of objects.")
    return [_cell(row, number) for number, row in enumerate(value)]


def _read_tensor(value: Any) -> list[object]:
    """One list of images, a list of objects, or an object with a list: TensorFlow Serving's row and column formats."""
    if isinstance(value, dict):
        column = _cell(value, 0)
        return column if isinstance(column, list) else [column]
    if not isinstance(value, list):
        raise InvalidScoringRequest(f"Send a list of images, or an object whose {IMAGE!r} is one.")
    return [_cell(row, number) if isinstance(row, dict) else row for number, row in enumerate(value)]


def _cell(row: dict[str, object], number: int) -> object:
    if IMAGE not in row:
        raise InvalidScoringRequest(f"Row {number} has no {IMAGE!r}.")
    return row[IMAGE]


FORMS: dict[str, Callable[[Any], list[object]]] = {
    "dataframe_split": _read_split,
    "dataframe_records": _read_records,
    "instances": _read_tensor,
    "inputs": _read_tensor,
}
