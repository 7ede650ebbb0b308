"""Drift reference (reference.json): counts of the model's answers on its test set, the baseline of drift detection."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from inference.bundle.manifest import StrictModel
from inference.domain.taxonomy import CLASSES

BINS = 10


class DriftReference(StrictModel):
    """Test images counted by predicted class, and by the probability of that class.

    `confidence` has BINS bins of equal width from 0 to 1.
    """

    predicted: dict[str, int]
    confidence: tuple[int, ...] = Field(min_length=BINS, max_length=BINS)

    @field_validator("predicted")
    @classmethod
    def _every_class(cls, predicted: dict[str, int]) -> dict[str, int]:
        if tuple(predicted) != CLASSES:
            raise ValueError(f"one count for each of {', '.join(CLASSES)} is required, in this order")
        return predicted

    @model_validator(mode="after")
    def _counts(self) -> "DriftReference":
        counts = (*self.predicted.values(), *self.confidence)
        if min(counts) < 0 or not sum(self.predicted.values()) == sum(self.confidence) > 0:
            raise ValueError("predicted and confidence must count the same images, and at least one")
        return self

    @property
    def images(self) -> int:
        """Number of images that were counted."""
        return sum(self.confidence)


def describe_answers(probabilities: NDArray[np.float64]) -> DriftReference:
    """The reference for calibrated probabilities float64 [n, 7] of the test images."""
    predicted = np.bincount(probabilities.argmax(axis=1), minlength=len(CLASSES))
    bins = [confidence_bin(float(confidence)) for confidence in probabilities.max(axis=1)]
    return DriftReference(
        predicted=dict(zip(CLASSES, map(int, predicted), strict=True)),
        confidence=tuple(map(int, np.bincount(bins, minlength=BINS))),
    )


def confidence_bin(confidence: float) -> int:
    """Index of a probability's bin, 0 to BINS - 1; 1.0 is in the last bin."""
    return min(int(confidence * BINS), BINS - 1)
