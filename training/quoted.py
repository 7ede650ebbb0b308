"""Results that others published, shown beside our own and never mixed with them."""

from pathlib import Path
from typing import Literal

from inference.manifest import Part

_FOLDER = Path(__file__).parent / "reference"

# The reference project trained V2M; B4 is what it had before.
QUOTED = ("efficientnetv2m", "efficientnetb4")


class Quoted(Part):
    """Published values without intervals: nobody can resample what was not stored.

    `class_digits` is how many decimals were published for the classes; the overall values have three.
    """

    name: str
    status: Literal["quoted, not measured here; validation data split by image"]
    class_digits: int
    overall: dict[str, float]
    per_class: dict[str, dict[str, float]]

    def value(self, name: str, code: str) -> float | None:
        """The published value of a number, overall (code "") or of a class; None if it was not published."""
        return self.overall.get(name) if not code else self.per_class[code].get(name)


def read_quoted(name: str) -> Quoted:
    """One of QUOTED."""
    return Quoted.model_validate_json((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
