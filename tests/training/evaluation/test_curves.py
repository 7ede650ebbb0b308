"""The curves of a bundle compared with scikit-learn, loops and the metrics."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score, roc_curve

from inference.bundle.evaluation_curves import Roc
from inference.bundle.storage import Bundle
from inference.domain.risk import Thresholds, risk_level
from inference.domain.taxonomy import CLASSES, MALIGNANT
from tests.support.answers import make_answers
from training.evaluation.curves import POINTS, measure_curves, reliability, roc
from training.evaluation.metrics import BINS, expected_calibration_error

pytestmark = pytest.mark.numeric
ANSWERS = make_answers(count=3000, skill=1.0)
LIMITS = Thresholds(moderate=0.3, high=0.6)
FOUND = measure_curves(ANSWERS, thresholds=LIMITS, seed=3, resamples=50)


def area(curve: Roc) -> float:
    return float(np.trapezoid(curve.true_positive_rate, curve.false_positive_rate))


def seen_from_the_corner(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The curve's distance from the diagonal by position along it: unique also where the curve is vertical."""
    x, y = np.asarray(x), np.asarray(y)
    return np.interp(np.linspace(0, 2, 801), x + y, (y - x) / np.sqrt(2))


def test_a_small_curve_is_scikit_learns() -> None:
    few = make_answers(count=60)
    for code, curve in measure_curves(few, thresholds=LIMITS, seed=3, resamples=5).roc.items():
        number = CLASSES.index(code)
        score = few.probabilities[:, number]
        rates = roc_curve(few.labels == number, score, drop_intermediate=False)[:2]
        known = {(round(x, 9), round(y, 9)) for x, y in zip(*rates, strict=True)}
        points = zip(curve.false_positive_rate, curve.true_positive_rate, strict=True)
        assert {(round(x, 9), round(y, 9)) for x, y in points} <= known, code
        assert area(curve) == pytest.approx(roc_auc_score(few.labels == number, score), abs=1e-12)  # none is missing


def test_ties_are_one_step() -> None:
    curve = roc(np.array([True, False, True, False]), np.array([0.9, 0.5, 0.5, 0.1]))
    assert curve.false_positive_rate == (0, 0, 0.5, 1)
    assert curve.true_positive_rate == (0, 0.5, 1, 1)


@pytest.mark.parametrize("code", [*CLASSES, "malignant"])
def test_thinning_changes_neither_the_picture_nor_the_area(code: str) -> None:
    if code == "malignant":
        positive = np.isin(ANSWERS.labels, MALIGNANT)
        score, curve = ANSWERS.probabilities[:, list(MALIGNANT)].sum(axis=1), FOUND.malignant
    else:
        number = CLASSES.index(code)
        positive, score, curve = ANSWERS.labels == number, ANSWERS.probabilities[:, number], FOUND.roc[code]
    every = roc_curve(positive, score, drop_intermediate=False)[:2]
    assert len(every[0]) > 10 * POINTS >= 10 * len(curve.false_positive_rate)
    assert area(curve) == pytest.approx(roc_auc_score(positive, score), abs=1e-3)
    drawn = seen_from_the_corner(curve.false_positive_rate, curve.true_positive_rate)
    assert np.abs(drawn - seen_from_the_corner(*every)).max() < 0.01  # two of a panel's 200 pixels


def test_the_risk_levels_are_counted() -> None:
    levels = [risk_level(row[list(MALIGNANT)].sum(), LIMITS) for row in ANSWERS.probabilities]
    malignant = np.isin(ANSWERS.labels, MALIGNANT)
    for name, counted in (("moderate", ("moderate", "high")), ("high", ("high",))):
        alarm = np.isin(levels, counted)
        found = getattr(FOUND.risk, name)
        assert found.sensitivity.value == pytest.approx(alarm[malignant].mean())
        assert found.specificity.value == pytest.approx(1 - alarm[~malignant].mean())
        assert found.sensitivity.low < found.sensitivity.value < found.sensitivity.high


@pytest.mark.parametrize("calibrated", [True, False])
def test_reliability_is_scikit_learns_and_gives_the_calibration_error(calibrated: bool) -> None:
    probabilities = ANSWERS.probabilities if calibrated else ANSWERS.uncalibrated
    found = FOUND.calibrated if calibrated else FOUND.uncalibrated
    right, confidence = ANSWERS.predicted == ANSWERS.labels, probabilities.max(axis=1)
    accuracy, mean = calibration_curve(right, confidence, n_bins=BINS)
    assert [each for each in found.accuracy if each is not None] == pytest.approx(accuracy.tolist())
    assert [each for each in found.confidence if each is not None] == pytest.approx(mean.tolist())
    assert sum(found.count) == len(ANSWERS)
    gaps = [n * abs(a - c) for n, a, c in zip(found.count, found.accuracy, found.confidence, strict=True) if n]
    assert sum(gaps) / len(ANSWERS) == pytest.approx(expected_calibration_error(ANSWERS.labels, probabilities))


def test_an_empty_bin_has_no_means() -> None:
    found = reliability(np.array([0]), np.eye(7)[:1])
    assert (found.count, found.accuracy) == ((0,) * 14 + (1,), (None,) * 14 + (1.0,))


def test_what_was_not_tested_has_no_curve() -> None:
    some = ANSWERS.at(np.isin(ANSWERS.labels, [2, 5]))
    found = measure_curves(some, thresholds=LIMITS, seed=3, resamples=5)
    assert set(found.roc) == {"bkl", "nv"}
    assert found.malignant is found.risk is None
    assert measure_curves(ANSWERS.at(ANSWERS.labels == 5), thresholds=LIMITS, seed=3, resamples=5).roc == {}


def test_the_starters_curves_belong_to_its_numbers(starter: Bundle) -> None:
    metrics, curves = starter.manifest.metrics, starter.curves
    assert list(curves.roc) == list(CLASSES)
    for code, curve in curves.roc.items():
        assert area(curve) == pytest.approx(metrics.per_class[code]["auc"].value, abs=1e-3)
    assert area(curves.malignant) == pytest.approx(metrics.overall["malignant_auc"].value, abs=1e-3)
    assert sum(curves.calibrated.count) == sum(curves.uncalibrated.count) == metrics.images
    right = sum(n * (share or 0) for n, share in zip(curves.calibrated.count, curves.calibrated.accuracy, strict=True))
    assert right / metrics.images == pytest.approx(metrics.overall["accuracy"].value)
