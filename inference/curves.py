"""The curves behind a model's numbers, as a bundle keeps them in curves.json: the model page needs no data."""

from itertools import pairwise

from pydantic import Field, field_validator, model_validator

from inference.manifest import Interval, Part
from inference.taxonomy import CLASSES


class Roc(Part):
    """Rates from (0, 0) to (1, 1), both rising: of the others that are called so, and of those that are so."""

    false_positive_rate: tuple[float, ...] = Field(min_length=2)
    true_positive_rate: tuple[float, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _a_curve(self) -> "Roc":
        for rates in (self.false_positive_rate, self.true_positive_rate):
            if rates[0] != 0 or rates[-1] != 1 or any(after < before for before, after in pairwise(rates)):
                raise ValueError("a ROC curve rises from 0 to 1 in both rates")
        if len(self.false_positive_rate) != len(self.true_positive_rate):
            raise ValueError("a ROC curve has as many false as true positive rates")
        return self


class Reliability(Part):
    """Images by the probability of their most probable class, in bins of equal width from 0 to 1.

    `confidence` and `accuracy` are means of a bin, None where it is empty.
    """

    count: tuple[int, ...] = Field(min_length=1)
    confidence: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]

    @model_validator(mode="after")
    def _bins(self) -> "Reliability":
        if not len(self.count) == len(self.confidence) == len(self.accuracy):
            raise ValueError("count, confidence and accuracy have one value a bin")
        for count, *means in zip(self.count, self.confidence, self.accuracy, strict=True):
            if any((mean is None) != (count == 0) or not 0 <= (mean or 0) <= 1 for mean in means) or count < 0:
                raise ValueError("a bin has means between 0 and 1 if and only if it has images")
        return self


class Detection(Part):
    """What a threshold on the malignant probability finds, and what it leaves alone."""

    sensitivity: Interval
    specificity: Interval


class Detections(Part):
    """One for each of the manifest's two thresholds."""

    moderate: Detection
    high: Detection


class Curves(Part):
    """Measured on the test part. `roc` has the classes that some images, but not all, belong to.

    `malignant` and `risk` are None where only one kind of image was tested.
    """

    roc: dict[str, Roc]
    malignant: Roc | None
    risk: Detections | None
    uncalibrated: Reliability
    calibrated: Reliability

    @field_validator("roc")
    @classmethod
    def _known(cls, roc: dict[str, Roc]) -> dict[str, Roc]:
        if unknown := roc.keys() - set(CLASSES):
            raise ValueError(f"no such class: {', '.join(sorted(unknown))}")
        return roc
