"""What a model answered on its test part, as a bundle keeps it in reference.json: what drift is measured against."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from inference.manifest import Part
from inference.taxonomy import CLASSES

BINS = 10


class Reference(Part):
    """Images by predicted class, and by the probability of that class in BINS bins of equal width from 0 to 1."""

    predicted: dict[str, int]
    confidence: tuple[int, ...] = Field(min_length=BINS, max_length=BINS)

    @field_validator("predicted")
    @classmethod
    def _every_class(cls, predicted: dict[str, int]) -> dict[str, int]:
        if tuple(predicted) != CLASSES:
            raise ValueError(f"one count for each of {', '.join(CLASSES)}, in this order")
        return predicted

    @model_validator(mode="after")
    def _counts(self) -> "Reference":
        counts = (*self.predicted.values(), *self.confidence)
        if min(counts) < 0 or not sum(self.predicted.values()) == sum(self.confidence) > 0:
            raise ValueError("both count the same images, at least one")
        return self

    @property
    def images(self) -> int:
        """How many images were counted."""
        return sum(self.confidence)


def describe_answers(probabilities: NDArray[np.float64]) -> Reference:
    """The reference of calibrated probabilities [n, 7]."""
    predicted = np.bincount(probabilities.argmax(axis=1), minlength=len(CLASSES))
    bins = [confidence_bin(float(confidence)) for confidence in probabilities.max(axis=1)]
    return Reference(
        predicted=dict(zip(CLASSES, map(int, predicted), strict=True)),
        confidence=tuple(map(int, np.bincount(bins, minlength=BINS))),
    )


def confidence_bin(confidence: float) -> int:
    """The bin of a probability, 0 to BINS - 1; 1.0 belongs to the last."""
    return min(int(confidence * BINS), BINS - 1)
