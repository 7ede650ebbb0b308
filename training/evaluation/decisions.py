"""What follows from the answers: alarms of the risk levels, net benefit of referring, detection of melanoma."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference.bundle.uncertainty import Alarms, DecisionPoint, MelanomaDetection, RiskAlarms
from inference.domain.taxonomy import CLASSES
from training.evaluation.bootstrap import Draws, Weights, interval, interval_if_defined
from training.evaluation.cross_fitting import Part
from training.evaluation.malignancy import cross_fitted
from training.evaluation.metrics import by_score, choose_thresholds, malignancy
from training.evaluation.predictions import Predictions

THRESHOLDS = (0.01, 0.02, 0.05, 0.10, 0.20, 0.30)  # of probability: from 99 to 2.3 needless referrals for one lesion
SPECIFICITY = 0.80  # the partial area is the one above it
_SLACK = 1e-9

Levels = dict[str, NDArray[np.bool_]]  # level -> whether each test image reaches it, [m]


def reached_levels(parts: Sequence[Part]) -> Levels:
    """Which test images reach each level, with thresholds that each part chose on its other images."""
    reached: dict[str, list[NDArray[np.bool_]]] = {"moderate": [], "high": []}
    for part in parts:
        thresholds = choose_thresholds(part.calibration.labels, part.calibration.probabilities)
        _, score = malignancy(part.test.labels, part.test.probabilities)
        reached["moderate"].append(score >= thresholds.moderate)
        reached["high"].append(score >= thresholds.high)
    return {level: np.concatenate(rows) for level, rows in reached.items()}


def measure_alarms(test: Predictions, reached: Levels, weights: Weights) -> RiskAlarms:
    """The shares of the test images at or above each level; there must be malignant and benign ones."""
    malignant, _ = malignancy(test.labels, test.probabilities)

    def share(alarm: NDArray[np.bool_], own: NDArray[np.bool_]) -> Draws:
        with np.errstate(invalid="ignore"):
            return np.asarray((weights @ (alarm & own)) / (weights @ own))

    def of(alarm: NDArray[np.bool_]) -> Alarms:
        return Alarms(
            classes={
                code: interval_if_defined(share(alarm, test.labels == number)) for number, code in enumerate(CLASSES)
            },
            malignant=interval(share(alarm, malignant)),
            benign=interval(share(alarm, ~malignant)),
            others=interval(share(alarm, test.labels != CLASSES.index("mel"))),
        )

    return RiskAlarms(moderate=of(reached["moderate"]), high=of(reached["high"]))


def decision_curve(parts: Sequence[Part], reached: Levels, weights: Weights) -> tuple[DecisionPoint, ...]:
    """Net benefit at THRESHOLDS, as if a lesion were referred by each of the rules."""
    malignant, _, probability = cross_fitted(parts)

    def benefit(referred: NDArray[np.bool_], threshold: float) -> Draws:
        return net_benefit(malignant, referred, threshold=threshold, weights=weights)

    return tuple(
        DecisionPoint(
            threshold=threshold,
            everybody=interval(benefit(np.ones_like(malignant), threshold)),
            moderate=interval(benefit(reached["moderate"], threshold)),
            high=interval(benefit(reached["high"], threshold)),
            calibrated=interval(benefit(probability >= threshold, threshold)),
        )
        for threshold in THRESHOLDS
    )


def net_benefit(truth: NDArray[np.bool_], referred: NDArray[np.bool_], *, threshold: float, weights: Weights) -> Draws:
    """True referrals minus false ones at the odds of the threshold, per image, [r] (Vickers and Elkin 2006)."""
    gains = (truth & referred) - (~truth & referred) * threshold / (1 - threshold)
    return np.asarray((weights @ gains) / weights.sum(axis=1))


def melanoma_detection(test: Predictions, weights: Weights) -> MelanomaDetection:
    """Sensitivity at specificities of at least 80, 90 and 95 %, and the partial area; there must be both kinds."""
    number = CLASSES.index("mel")
    positives, negatives, _ = by_score(test.labels == number, test.probabilities[:, number], weights)
    with np.errstate(invalid="ignore"):
        hits, false_alarms = (_from_above(kind) for kind in (positives, negatives))
    return MelanomaDetection(
        sensitivity={
            f"{at:.2f}": interval(np.where(false_alarms <= 1 - at + _SLACK, hits, 0).max(axis=1))
            for at in (0.80, 0.90, 0.95)
        },
        specificity=SPECIFICITY,
        partial_auc=interval(np.array([_partial(*rates) for rates in zip(false_alarms, hits, strict=True)])),
    )


def _from_above(weights: Weights) -> NDArray[np.float64]:
    """The share of the weights [r, k] at or above each score in descending order, [r, k + 1], from 0."""
    shares = weights[:, ::-1].cumsum(axis=1) / weights.sum(axis=1, keepdims=True)
    return np.hstack([np.zeros((len(weights), 1)), shares])


def _partial(false_alarms: NDArray[np.float64], hits: NDArray[np.float64]) -> float:
    """Area under the ROC curve up to a false positive rate, scaled to 0.5 by chance and 1 at best (McClish 1989)."""
    end = 1 - SPECIFICITY
    inside = false_alarms <= end
    x = np.append(false_alarms[inside], end)
    y = np.append(hits[inside], np.interp(end, false_alarms, hits))
    chance = end**2 / 2
    return float((1 + (np.trapezoid(y, x) - chance) / (end - chance)) / 2)
