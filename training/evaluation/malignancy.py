"""Fits and measures the calibrated probability of a malignant or precancerous lesion."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from inference.bundle.evaluation_curves import Reliability
from inference.bundle.uncertainty import MalignancyCalibration, log_odds
from training.evaluation.bootstrap import Draws, Weights, interval
from training.evaluation.cross_fitting import Part
from training.evaluation.metrics import BINS, confidence_bins, malignancy
from training.evaluation.predictions import Predictions

Scores = NDArray[np.float64]  # [n]


def fit_malignancy(
    predictions: Predictions, *, parts: Sequence[Part], weights: Weights
) -> MalignancyCalibration | None:
    """None if some calibration set has only malignant or only benign images. `weights` [r, m]: of the test images."""
    if not all(_both(part.calibration) for part in parts) or not _both(predictions):
        return None
    malignant, score = malignancy(predictions.labels, predictions.probabilities)
    slope, intercept = fit_logistic(malignant, score)
    truth, scores, fitted = cross_fitted(parts)
    return MalignancyCalibration(
        slope=slope,
        intercept=intercept,
        prior=float(malignant.mean()),
        brier=interval(_brier(truth, fitted, weights)),
        brier_of_score=interval(_brier(truth, scores, weights)),
        reliability=_reliability(truth, fitted),
        reliability_of_score=_reliability(truth, scores),
    )


def cross_fitted(parts: Sequence[Part]) -> tuple[NDArray[np.bool_], Scores, Scores]:
    """Of all test images: whether malignant [m], the score [m], and the probability fitted to other images [m]."""
    columns: list[tuple[NDArray[np.bool_], Scores, Scores]] = []
    for part in parts:
        slope, intercept = fit_logistic(*malignancy(part.calibration.labels, part.calibration.probabilities))
        truth, score = malignancy(part.test.labels, part.test.probabilities)
        columns.append((truth, score, 1 / (1 + np.exp(-(intercept + slope * log_odds(score))))))
    truth, score, fitted = (np.concatenate(column) for column in zip(*columns, strict=True))
    return truth, score, fitted


def fit_logistic(truth: NDArray[np.bool_], score: Scores) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of the truth [n] on the log odds of a score [n].

    Logistic calibration: Platt 1999; on log odds it contains the identity: Kull, Silva Filho, Flach, AISTATS 2017.
    """
    x = log_odds(score)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = parameters[0] * x + parameters[1]
        error = 1 / (1 + np.exp(-odds)) - truth
        return float((np.logaddexp(0, odds) - truth * odds).mean()), np.array([(error * x).mean(), error.mean()])

    slope, intercept = minimize(loss, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=((1e-3, 50), (-50, 50))).x
    return float(slope), float(intercept)


def _both(predictions: Predictions) -> bool:
    malignant, _ = malignancy(predictions.labels, predictions.probabilities)
    return bool(0 < malignant.sum() < len(malignant))


def _brier(truth: NDArray[np.bool_], probability: Scores, weights: Weights) -> Draws:
    """Mean squared error of the probabilities [m] in each resample, [r] (Brier 1950)."""
    return np.asarray((weights @ (probability - truth) ** 2) / weights.sum(axis=1))


def _reliability(truth: NDArray[np.bool_], probability: Scores) -> Reliability:
    bins = confidence_bins(probability)
    count = np.bincount(bins, minlength=BINS)

    def means(values: NDArray[np.float64] | NDArray[np.bool_]) -> tuple[float | None, ...]:
        sums = np.bincount(bins, values, BINS)
        return tuple(min(1.0, float(total / n)) if n else None for total, n in zip(sums, count, strict=True))

    return Reliability(count=tuple(map(int, count)), confidence=means(probability), accuracy=means(truth))
