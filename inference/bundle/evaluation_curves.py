"""Evaluation curves (curves.json): ROC and reliability curves for the model page, which has no access to the data."""

from itertools import pairwise
from typing import NamedTuple

from pydantic import Field, field_validator, model_validator

from inference.bundle.manifest import Interval, StrictModel
from inference.domain.taxonomy import CLASSES

ENOUGH = 50  # images; with them the standard error of a share is at most 7 points


class Roc(StrictModel):
    """A ROC curve: false and true positive rates of each threshold, both rising from 0 to 1."""

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


class Group(NamedTuple):
    """The images of one bin: how many, their mean probability, and the share of correct answers."""

    images: int
    confidence: float
    accuracy: float


class Reliability(StrictModel):
    """Reliability diagram: images by the probability of their most probable class, in bins of equal width from 0 to 1.

    `count` is the number of images in each bin, `confidence` their mean probability, `accuracy` the share of correct
    answers; the last two are None for an empty bin.
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

    @property
    def highest(self) -> Group:
        """The bin with the highest probabilities; zeros if no bin has images."""
        bins = zip(self.count, self.confidence, self.accuracy, strict=True)
        groups = [Group(count, mean or 0.0, right or 0.0) for count, mean, right in bins if count]
        return groups[-1] if groups else Group(0, 0.0, 0.0)

    def accuracy_near(self, probability: float) -> float | None:
        """The share of right answers among images whose answer had a similar probability; None if they are too few.

        It is read from the probability's bin, widened on both sides until it holds ENOUGH images.
        """
        size = len(self.count)
        middle = min(int(probability * size), size - 1)
        for reach in range(size):
            bins = range(max(0, middle - reach), min(size, middle + reach + 1))
            images = sum(self.count[number] for number in bins)
            if images >= ENOUGH:
                return sum(self.count[number] * (self.accuracy[number] or 0) for number in bins) / images
        return None


class Detection(StrictModel):
    """Sensitivity and specificity of one threshold on the malignant probability."""

    sensitivity: Interval
    specificity: Interval


class Detections(StrictModel):
    """Sensitivity and specificity of the manifest's two thresholds."""

    moderate: Detection
    high: Detection


class Curves(StrictModel):
    """Curves on the test set.

    `roc` lacks classes that none or all of the images belong to. `malignant` (ROC of the malignant probability) and
    `risk` are None if all images are malignant or all are benign.
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
            raise ValueError(f"unknown class: {', '.join(sorted(unknown))}")
        return roc
