"""Scoring of a table: cells and parameters in, one flat row per image out. For the MLflow model and /invocations."""

import re
import reprlib
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast, get_args

from inference.domain.taxonomy import CLASSES
from inference.explainers.class_maps import ExplanationRequest
from inference.imaging.errors import ImageError, UnreadableImage
from inference.imaging.test_time_augmentation import ViewCount
from inference.mlflow_model.signature import OUTPUTS
from inference.prediction.classifier import Analysis

Row = dict[str, str | float | None]

# No image file matches: every accepted format has a byte outside this alphabet among its first twelve.
# The quantifiers are possessive: backtracking over a long text would block the interpreter and all other requests.
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]++=*+\s*+")


@dataclass(frozen=True, slots=True)
class ScoringParameters:
    """The parameters of the signature."""

    tta: ViewCount = 1
    heatmap: bool = False

    @classmethod
    def parse(cls, values: Mapping[str, Any] | None) -> Self:
        """Check the values; unknown names are ignored, as MLflow's scoring server does. Raises ValueError."""
        values = values or {}
        tta, heatmap = values.get("tta", cls().tta), values.get("heatmap", cls().heatmap)
        if type(tta) is not int or tta not in get_args(ViewCount):  # `in` alone would accept True and 2.0
            raise ValueError(f"tta is {reprlib.repr(tta)}; allowed: {', '.join(map(str, get_args(ViewCount)))}.")
        if not isinstance(heatmap, bool):
            raise ValueError(f"heatmap is {reprlib.repr(heatmap)}; allowed: true, false.")
        return cls(cast(ViewCount, tta), heatmap)

    @property
    def explanation(self) -> ExplanationRequest | None:
        """What the classifier has to explain; None without the parameter `heatmap`."""
        return ExplanationRequest(render="heatmap") if self.heatmap else None


def read_cell(cell: object) -> bytes:
    """The image file in a cell: its bytes, or their base64 as bytes or text. Raises UnreadableImage for neither."""
    data = cell.encode(errors="replace") if isinstance(cell, str) else cell
    if not isinstance(data, bytes | bytearray):
        raise UnreadableImage("The row has no image.")
    # MLflow 3.17 decodes base64 in dataframe_split and dataframe_records, but not in instances, inputs and CSV.
    if not _BASE64.fullmatch(data):
        return bytes(data)
    try:
        return b64decode(data)
    except Error:
        return bytes(data)  # the decoder will report that it is no image


def answer(analysis: Analysis) -> Row:
    """The row of an image that was analysed; its heat map is that of the first class map."""
    prediction = analysis.prediction
    heatmap = analysis.maps[0].heatmap if analysis.maps else None
    probabilities = zip(CLASSES, prediction.probabilities, strict=True)
    return _fill(
        {
            "class": prediction.code,
            "malignant_probability": prediction.malignant_probability,
            "risk": prediction.risk,
            **{f"probability_{code}": float(p) for code, p in probabilities},
            "heatmap": b64encode(heatmap or b"").decode(),
            "warnings": ",".join(prediction.warnings),
        }
    )


def refusal(error: ImageError) -> Row:
    """The row of an image that cannot be analysed. An error row, because one bad file must not end a batch job."""
    return _fill({"error": f"{type(error).__name__}: {error}"})


def _fill(values: Row) -> Row:
    empty: Row = {name: "" if kind == "string" else None for name, kind in OUTPUTS.items()}
    return empty | values
