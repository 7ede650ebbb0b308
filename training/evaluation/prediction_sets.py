"""Fits and measures class-conditional conformal prediction sets.

For each class, the probability that its own calibration images reach with the wanted coverage is the limit of the set
(Mondrian inductive conformal prediction: Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005,
section 4.5; score 1 - p of Sadinle, Lei, Wasserman, JASA 2019).
"""

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from inference.bundle.manifest import Interval
from inference.bundle.prediction_sets import COVERAGES, PredictionSets, SetRule
from inference.domain.taxonomy import CLASSES
from training.evaluation.bootstrap import Weights, interval, interval_if_defined
from training.evaluation.cross_fitting import Part, together
from training.evaluation.metrics import Labels, Probabilities


def fit_prediction_sets(labels: Labels, probabilities: Probabilities, *, parts: Sequence[Part], weights: Weights) -> (
    PredictionSets
):  # fmt: skip
    """The sets of labels [n] and probabilities [n, 7]; `weights` [r, m] of the m test images of `parts`."""
    counts = np.bincount(labels, minlength=len(CLASSES))
    return PredictionSets(
        images=dict(zip(CLASSES, map(int, counts), strict=True)),
        rules=tuple(
            _measure(coverage, least_probabilities(labels, probabilities, coverage), parts=parts, weights=weights)
            for coverage in COVERAGES
        ),
    )


def least_probabilities(labels: Labels, probabilities: Probabilities, coverage: float) -> NDArray[np.float64]:
    """The limit of each class, float64 [7]; 0 for a class with too few images for the coverage.

    Of n images of a class, ceil((n + 1) * coverage) must reach the limit: the correction for a finite n makes the
    promise hold on average over calibration sets.
    """
    least = np.zeros(len(CLASSES))
    for number in range(len(CLASSES)):
        own = np.sort(probabilities[labels == number, number])[::-1]
        needed = ceil(round((len(own) + 1) * coverage, 9))
        if needed <= len(own):
            least[number] = own[needed - 1]
    return least


def members(probabilities: Probabilities, least: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which classes are in the set of each image, bool [n, 7]: those at their limit, and the most probable one."""
    chosen = probabilities >= least
    chosen[np.arange(len(probabilities)), probabilities.argmax(axis=1)] = True
    return np.asarray(chosen)


def _measure(coverage: float, least: NDArray[np.float64], *, parts: Sequence[Part], weights: Weights) -> SetRule:
    """The rule with the limits `least`; in each part, other limits are fitted and measured on other images."""
    test = together(parts)
    sets = np.concatenate([
        members(
            part.test.probabilities,
            least_probabilities(part.calibration.labels, part.calibration.probabilities, coverage),
        )
        for part in parts
    ])  # fmt: skip
    covered, size = sets[np.arange(len(test)), test.labels], sets.sum(axis=1)
    total = weights.sum(axis=1)
    return SetRule(
        coverage=coverage,
        least=dict(zip(CLASSES, map(float, least), strict=True)),
        measured=_shares(covered, [test.labels == number for number in range(len(CLASSES))], weights),
        size=interval((weights @ size) / total),
        single=interval((weights @ (size == 1)) / total),
        single_right=_shares(covered, [(size == 1) & sets[:, number] for number in range(len(CLASSES))], weights),
    )


def _shares(
    held: NDArray[np.bool_], groups: Sequence[NDArray[np.bool_]], weights: Weights
) -> dict[str, Interval | None]:
    """Of the images of each class's group, bool [m], the share whose set holds the true class; None without images."""
    with np.errstate(invalid="ignore"):
        return {
            code: interval_if_defined((weights @ (held & own)) / (weights @ own))
            for code, own in zip(CLASSES, groups, strict=True)
        }
