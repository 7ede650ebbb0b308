"""Fits the calibrated posterior of all classes, from which answers for another mix of classes follow."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from inference.bundle.uncertainty import Likelihoods
from inference.domain.probability import softmax
from inference.domain.taxonomy import CLASSES
from training.evaluation.bootstrap import Weights, interval
from training.evaluation.cross_fitting import Part, together
from training.evaluation.metrics import Labels, calibration_errors
from training.evaluation.predictions import Predictions


def fit_likelihoods(predictions: Predictions, *, parts: Sequence[Part], weights: Weights) -> Likelihoods | None:
    """None if a class is missing from some calibration set. `weights` [r, m]: of the test images of `parts`."""
    if any(len(np.unique(each.labels)) < len(CLASSES) for each in (predictions, *(part.calibration for part in parts))):
        return None
    slope, offsets = fit_posterior(predictions.labels, predictions.logits)
    fitted = []
    for part in parts:
        own_slope, own_offsets = fit_posterior(part.calibration.labels, part.calibration.logits)
        fitted.append(softmax(own_slope * part.test.logits.astype(np.float64) + own_offsets))
    prior = np.bincount(predictions.labels, minlength=len(CLASSES)) / len(predictions)
    return Likelihoods(
        slope=slope,
        offsets=tuple(map(float, offsets)),
        prior=tuple(map(float, prior)),
        error=interval(calibration_errors(together(parts).labels, np.concatenate(fitted), weights)),
    )


def fit_posterior(labels: Labels, logits: NDArray[np.floating]) -> tuple[float, NDArray[np.float64]]:
    """Slope and offsets [7] with mean 0 that minimise the negative log-likelihood of labels [n] given logits [n, 7].

    At the minimum the mean probability of each class equals its frequency (Alexandari, Kundaje, Shrikumar, ICML 2020).
    """
    x, truth = logits.astype(np.float64), np.eye(len(CLASSES))[labels]

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        probabilities = softmax(parameters[0] * x + parameters[1:])
        error = (probabilities - truth) / len(labels)
        value = -np.log(probabilities[truth == 1] + 1e-300).mean()
        return float(value), np.append((error * x).sum(), error.sum(axis=0))

    start = np.append(1.0, np.zeros(len(CLASSES)))
    bounds = [(1e-3, 50.0), *[(-50.0, 50.0)] * len(CLASSES)]
    slope, *offsets = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13}).x
    return float(slope), np.asarray(np.array(offsets) - np.mean(offsets))
