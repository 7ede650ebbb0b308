"""Prediction sets: for each coverage, the probability from which a class belongs to an image's set."""

from collections.abc import Mapping
from math import ceil

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from inference.bundle.manifest import Interval, StrictModel
from inference.domain.taxonomy import CLASSES

COVERAGES = (0.8, 0.9, 0.95)
COVERAGE = 0.9  # unless a request names another


class SetRule(StrictModel):
    """The rule of one coverage, and what cross-fitting measured of it.

    `least`: the probability from which each class belongs to the set; 0 for a class with fewer calibration images than
    the coverage needs, which is then always in the set. `measured`: of the images of each class, the share whose set
    holds it; None without images. `size`: mean number of classes in a set. `single`: share of sets with one class.
    `single_right`: of the sets that name one class alone, by that class, the share that is right at the mix of the
    measured images; None without such sets, and in bundles that were made before it was measured.
    """

    coverage: float = Field(gt=0, lt=1)
    least: dict[str, float]
    measured: dict[str, Interval | None]
    size: Interval
    single: Interval
    single_right: dict[str, Interval | None] | None = None

    @field_validator("least", "measured", "single_right")
    @classmethod
    def _every_class(cls, values: dict[str, object] | None) -> dict[str, object] | None:
        if values is not None and tuple(values) != CLASSES:
            raise ValueError(f"one value for each of {', '.join(CLASSES)} is required, in this order")
        return values

    def classes(self, own: NDArray[np.float64], *, served: NDArray[np.float64]) -> tuple[str, ...]:
        """The set for the bundle's own probabilities float64 [7], the most probable of those that are served first.

        The answered class, the most probable one served, always belongs to it: a set is never empty, and more classes
        only cover more.
        """
        order = np.argsort(-served, kind="stable")
        return tuple(CLASSES[c] for place, c in enumerate(order) if place == 0 or own[c] >= self.least[CLASSES[c]])


class PredictionSets(StrictModel):
    """Class-conditional (Mondrian) conformal sets (Vovk, Gammerman, Shafer 2005); `images`: calibration images."""

    images: dict[str, int]
    rules: tuple[SetRule, ...]

    @field_validator("rules")
    @classmethod
    def _every_coverage(cls, rules: tuple[SetRule, ...]) -> tuple[SetRule, ...]:
        if tuple(rule.coverage for rule in rules) != COVERAGES:
            raise ValueError(f"one rule for each coverage of {', '.join(map(str, COVERAGES))} is required")
        return rules

    def of(self, own: NDArray[np.float64], *, served: NDArray[np.float64]) -> Mapping[float, tuple[str, ...]]:
        """The set of each coverage for the bundle's own probabilities and those that are served, each float64 [7]."""
        return {rule.coverage: rule.classes(own, served=served) for rule in self.rules}


def fewest_images(coverage: float) -> int:
    """The fewest calibration images of a class with which this coverage is promised without always naming the class."""
    return ceil(round(coverage / (1 - coverage), 9))
