"""A table of images: cells and parameters in, one flat row an image out. For the MLflow model and /invocations."""

import re
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast, get_args

from inference.classifier import Explanation, Prediction
from inference.explanation import Question
from inference.image import ImageError, UnreadableImage
from inference.signature import OUTPUTS
from inference.taxonomy import CLASSES
from inference.views import Views

Row = dict[str, str | float | None]

# No image is base64: every accepted format has other bytes among its first twelve.
# Possessive: a pattern that goes back over a long text holds the interpreter, and every request with it.
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]++=*+\s*+")


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of the signature."""

    tta: Views = 1
    heatmap: bool = False

    @classmethod
    def parse(cls, given: Mapping[str, Any] | None) -> Self:
        """Unknown names are ignored, as MLflow's scoring server does. Raises ValueError."""
        given = given or {}
        tta, heatmap = given.get("tta", cls().tta), given.get("heatmap", cls().heatmap)
        if type(tta) is not int or tta not in get_args(Views):  # True and 2.0 would be in there too
            raise ValueError(f"tta is {tta!r}; allowed: {', '.join(map(str, get_args(Views)))}.")
        if not isinstance(heatmap, bool):
            raise ValueError(f"heatmap is {heatmap!r}; allowed: true, false.")
        return cls(cast(Views, tta), heatmap)

    @property
    def question(self) -> Question | None:
        """What the classifier is asked to explain."""
        return Question(render="heatmap") if self.heatmap else None


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
        return bytes(data)  # which then is no image


def answer(found: Prediction | Explanation) -> Row:
    """The row of an examined image; with the heat map of an explanation's first class map."""
    prediction = found if isinstance(found, Prediction) else found.prediction
    heatmap = None if isinstance(found, Prediction) else found.maps[0].heatmap
    probabilities = zip(CLASSES, prediction.probabilities, strict=True)
    return _fill(
        {
            "class": prediction.code,
            "malignant_probability": prediction.malignant_probability,
            "risk": prediction.risk,
            **{f"probability_{code}": float(p) for code, p in probabilities},
            "heatmap": b64encode(heatmap or b"").decode(),
        }
    )


def refusal(error: ImageError) -> Row:
    """The row of an image that has no answer: one bad file must not end the job over an archive."""
    return _fill({"error": f"{type(error).__name__}: {error}"})


def _fill(known: Row) -> Row:
    empty: Row = {name: "" if kind == "string" else None for name, kind in OUTPUTS.items()}
    return empty | known
