"""Offsets with which every class counts the same, and a temperature at which answers are as sure as they are right."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize

from inference.probability import softmax
from inference.taxonomy import CLASSES
from training.metrics import Labels

_LEAST, _MOST = np.exp(-3), np.exp(3)


def fit_offsets(labels: Labels, logits: NDArray[np.floating], *, melanoma: float) -> NDArray[np.float64]:
    """What to add to logits [n, 7] so that answers are right as if no class were rare: float64 [7], mean 0.

    They minimise the cross-entropy in which every class has the same weight, melanoma `melanoma` times as much (with a
    free temperature, which the offsets do not depend on afterwards). There is one minimum, so that adding constants to
    the logits beforehand changes nothing.
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
    slope, *offsets = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9}).x
    found = np.array(offsets) / slope
    return np.asarray(found - found.mean())


def fit_confidence(labels: Labels, logits: NDArray[np.floating]) -> float:
    """The temperature at which the mean probability of the answers is the share of right ones.

    Expectation consistency (Clarté et al., ICML 2023). Unlike the likelihood it asks nothing of the other classes'
    probabilities, which offsets for rare classes have moved away from their frequencies.
    """
    right = float((logits.argmax(axis=1) == labels).mean())

    def excess(temperature: float) -> float:
        return float(softmax(logits, temperature).max(axis=1).mean()) - right

    if excess(_LEAST) <= 0 or excess(_MOST) >= 0:  # hardly an answer is right, or all are
        return float(_MOST if excess(_MOST) >= 0 else _LEAST)
    return float(brentq(excess, _LEAST, _MOST, xtol=1e-9))
