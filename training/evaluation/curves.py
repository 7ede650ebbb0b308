"""Computes the curves that the model page draws, from the predictions for the test set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.bundle.evaluation_curves import Curves, Detection, Detections, Reliability, Roc
from inference.domain.risk import Thresholds
from inference.domain.taxonomy import CLASSES
from training.evaluation.bootstrap import interval, lesion_weights
from training.evaluation.metrics import BINS, Labels, Probabilities, by_score, confidence_bins, malignancy
from training.evaluation.predictions import Predictions

POINTS = 100  # at most, in one ROC curve: a panel of the page is 200 pixels wide


def measure_curves(predictions: Predictions, *, thresholds: Thresholds, seed: int, resamples: int = 1000) -> Curves:
    """All curves of the model page that are not in the manifest; intervals by bootstrap over lesions."""
    malignant, score = malignancy(predictions.labels, predictions.probabilities)
    both = 0 < malignant.sum() < len(malignant)
    weights = lesion_weights(predictions.lesion_ids, resamples=resamples, seed=seed)

    def detect(threshold: float) -> Detection:
        alarm = score >= threshold
        with np.errstate(invalid="ignore"):
            detected, dismissed = (weights @ (kind & decision) / (weights @ kind) for kind, decision in (
                (malignant, alarm), (~malignant, ~alarm)))  # fmt: skip
        return Detection(sensitivity=interval(detected), specificity=interval(dismissed))

    return Curves(
        roc={
            code: roc(predictions.labels == number, predictions.probabilities[:, number])
            for number, code in enumerate(CLASSES)
            if 0 < (predictions.labels == number).sum() < len(predictions)
        },
        malignant=roc(malignant, score) if both else None,
        risk=Detections(moderate=detect(thresholds.moderate), high=detect(thresholds.high)) if both else None,
        uncalibrated=reliability(predictions.labels, predictions.uncalibrated),
        calibrated=reliability(predictions.labels, predictions.probabilities),
    )


def roc(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> Roc:
    """The ROC curve of scores [n] in at most POINTS points; there must be positives and negatives."""
    positives, negatives, _ = by_score(positive, score, np.ones((1, len(score))))
    rates = (np.append(0, kind[0, ::-1].cumsum()) / kind.sum() for kind in (negatives, positives))
    false_alarms, hits = _thin(*rates)
    return Roc(false_positive_rate=tuple(map(float, false_alarms)), true_positive_rate=tuple(map(float, hits)))


def _thin(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Remove the corners whose triangles with their neighbours are smallest (Visvalingam and Whyatt, 1993)."""
    while len(x) > 2:
        along, up = np.diff(x), np.diff(y)
        areas = np.abs(along[:-1] * up[1:] - along[1:] * up[:-1]) / 2
        least = int(areas.argmin())
        if len(x) <= POINTS and areas[least] > 0:
            break
        x, y = np.delete(x, least + 1), np.delete(y, least + 1)
    return x, y


def reliability(labels: Labels, probabilities: Probabilities) -> Reliability:
    """Mean confidence and accuracy of the images in each of BINS bins; None for an empty bin."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = confidence_bins(confidence)
    count = np.bincount(bins, minlength=BINS)

    def means(values: NDArray[np.float64] | NDArray[np.bool_]) -> tuple[float | None, ...]:
        sums = np.bincount(bins, values, BINS)
        return tuple(float(total / n) if n else None for total, n in zip(sums, count, strict=True))

    return Reliability(count=tuple(map(int, count)), confidence=means(confidence), accuracy=means(right))
