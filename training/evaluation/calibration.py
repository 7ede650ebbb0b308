"""Fits offsets that balance the classes, and the temperature at which confidence equals accuracy."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize

from inference.domain.probability import softmax
from inference.domain.taxonomy import CLASSES
from training.evaluation.metrics import Labels

_LOWEST, _HIGHEST = np.exp(-3), np.exp(3)


def fit_offsets(labels: Labels, logits: NDArray[np.floating], *, melanoma: float) -> NDArray[np.float64]:
    """Offsets to the logits that balance the classes: float64 [7] with mean 0.

    `labels`: class indices [n]; every class must occur. `logits`: [n, 7]. The offsets minimise the cross-entropy in
    which every class has the same total weight and melanoma `melanoma` times that weight. The slope of the logits is
    fitted with them and divided out. The minimum is unique: constants added to the logits beforehand do not change the
    balanced logits.
    """
    counts = np.bincount(labels, minlength=len(CLASSES))
    weights = np.where(labels == CLASSES.index("mel"), melanoma, 1) / counts[labels]
    weights /= weights.sum()
    truth = np.eye(len(CLASSES))[labels]

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slope, offsets = parameters[0], parameters[1:]
        probabilities = softmax(slope * logits + offsets)
        error = weights[:, np.newaxis] * (probabilities - truth)
        value = -(weights * np.log(probabilities[truth == 1] + 1e-300)).sum()
        return float(value), np.append((error * logits).sum(), error.sum(axis=0))

    start = np.append(1.0, np.zeros(len(CLASSES)))
    slope, *scaled = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9}).x
    offsets = np.array(scaled) / slope
    return np.asarray(offsets - offsets.mean())


def fit_confidence(labels: Labels, logits: NDArray[np.floating]) -> float:
    """The temperature at which the mean probability of the predicted classes equals the accuracy.

    `labels`: class indices [n]. `logits`: [n, 7]. The method is expectation consistency (Clarté et al., ICML 2023).
    Unlike the likelihood it does not use the probabilities of the other classes, which the offsets for rare classes
    have moved away from their frequencies. The result is between exp(-3) and exp(3).
    """
    accuracy = float((logits.argmax(axis=1) == labels).mean())

    def excess(temperature: float) -> float:
        return float(softmax(logits, temperature).max(axis=1).mean()) - accuracy

    if excess(_LOWEST) <= 0 or excess(_HIGHEST) >= 0:  # no temperature in the range gives this accuracy
        return float(_HIGHEST if excess(_HIGHEST) >= 0 else _LOWEST)
    return float(brentq(excess, _LOWEST, _HIGHEST, xtol=1e-9))
