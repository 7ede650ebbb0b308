"""Results published by others, which are shown beside our own and never compared with them."""

from pathlib import Path
from typing import Literal

from inference.bundle.manifest import StrictModel

_FOLDER = Path(__file__).parents[1] / "reference"

# The reference project trained EfficientNetB4, and EfficientNetV2M after that.
QUOTED = ("efficientnetb4", "efficientnetv2m")


class Quoted(StrictModel):
    """Published values. They have no intervals, because the predictions were not published.

    `class_digits`: the number of published decimals of the values of one class; overall values have three.
    """

    name: str
    status: Literal["quoted, not measured here; validation data split by image"]
    class_digits: int
    overall: dict[str, float]
    per_class: dict[str, dict[str, float]]

    def value(self, name: str, code: str) -> float | None:
        """The published value of a metric, overall (code "") or of a class; None if it was not published."""
        return self.overall.get(name) if not code else self.per_class[code].get(name)

    def digits(self, code: str) -> int:
        """The number of published decimals of the overall values (code ""), or of those of a class."""
        return self.class_digits if code else 3


def read_quoted(name: str) -> Quoted:
    """Read the results with one of the names in QUOTED."""
    return Quoted.model_validate_json((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
