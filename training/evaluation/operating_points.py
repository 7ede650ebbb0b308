"""Operating points of one class (sensitivity at a specificity and the reverse), and calibration before and after
temperature scaling.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inference.bundle.manifest import Interval, StrictModel
from inference.domain.taxonomy import CLASSES
from training.evaluation.bootstrap import Draws, Weights, interval, interval_if_defined, lesion_weights
from training.evaluation.metrics import by_score, calibration_errors
from training.evaluation.predictions import Predictions

LEVELS = (0.80, 0.90, 0.95)
_SLACK = 1e-9  # in floating point 1 - 0.9 is not exactly 0.1


class OperatingPoint(StrictModel):
    """The highest `measured` rate of one class against all others at which the `given` rate is at least `at`.

    `threshold`: the probability from which an image counts as the class; None if no image may. `value`: the measured
    rate; None without images of the class or without others. The threshold is chosen on the measured images, and again
    in each resample: it describes the curve and must not be deployed.
    """

    code: str
    measured: Literal["sensitivity", "specificity"]
    given: Literal["specificity", "sensitivity"]
    at: float
    threshold: float | None
    value: Interval | None


class Calibration(StrictModel):
    """Expected calibration error before and after temperature scaling."""

    before: Interval
    after: Interval


def operating_points(
    predictions: Predictions, *, code: str = "mel", seed: int, resamples: int = 1000
) -> tuple[OperatingPoint, ...]:
    """Sensitivity at each specificity of LEVELS, then specificity at each sensitivity; bootstrap over lesions."""
    number = CLASSES.index(code)
    positives, negatives, scores = by_score(
        predictions.labels == number,
        predictions.probabilities[:, number],
        lesion_weights(predictions.lesion_ids, resamples=resamples, seed=seed),
    )
    with np.errstate(invalid="ignore"):
        sensitivity, false_alarms = _from_above(positives), _from_above(negatives)
    points = []
    for at in LEVELS:
        allowed = false_alarms <= 1 - at + _SLACK
        value = _where_defined(np.where(allowed, sensitivity, 0).max(axis=1), sensitivity, false_alarms)
        threshold = float(scores[allowed[0]].min()) if allowed[0].any() else None
        points.append(_point(code, "sensitivity", at=at, threshold=threshold, draws=value))
    for at in LEVELS:
        enough = sensitivity >= at - _SLACK
        value = _where_defined(1 - np.where(enough, false_alarms, 1).min(axis=1), sensitivity, false_alarms)
        threshold = float(scores[enough[0]].max()) if enough[0].any() else None
        points.append(_point(code, "specificity", at=at, threshold=threshold, draws=value))
    return tuple(points)


def calibration(predictions: Predictions, *, seed: int, resamples: int = 1000) -> Calibration:
    """Both errors, with intervals from the same resamples of lesions."""
    weights = lesion_weights(predictions.lesion_ids, resamples=resamples, seed=seed)
    before, after = (
        interval(calibration_errors(predictions.labels, probabilities, weights))
        for probabilities in (predictions.uncalibrated, predictions.probabilities)
    )
    return Calibration(before=before, after=after)


def _from_above(weights: Weights) -> NDArray[np.float64]:
    """The fraction of the weights [r, k] at or above each score, [r, k]; NaN in rows whose weights are all 0."""
    return np.asarray(weights[:, ::-1].cumsum(axis=1)[:, ::-1] / weights.sum(axis=1, keepdims=True))


def _where_defined(draws: Draws, *rates: NDArray[np.float64]) -> Draws:
    undefined = np.logical_or.reduce([np.isnan(rate[:, 0]) for rate in rates])
    return np.where(undefined, np.nan, draws)


def _point(
    code: str,
    measured: Literal["sensitivity", "specificity"],
    *,
    at: float,
    threshold: float | None,
    draws: Draws,
) -> OperatingPoint:
    given: Literal["sensitivity", "specificity"] = "specificity" if measured == "sensitivity" else "sensitivity"
    value = interval_if_defined(draws)
    return OperatingPoint(
        code=code, measured=measured, given=given, at=at, threshold=threshold if value else None, value=value
    )
