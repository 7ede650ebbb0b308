"""Prediction sets compared with crepes, and the coverage that they promise and measure."""

import numpy as np
import pytest
from crepes import ConformalClassifier
from crepes.extras import hinge

from inference.bundle.prediction_sets import COVERAGES, fewest_images
from inference.domain.taxonomy import CLASSES
from tests.support.answers import make_answers
from training.evaluation.bootstrap import lesion_weights
from training.evaluation.cross_fitting import Part
from training.evaluation.prediction_sets import fit_prediction_sets, least_probabilities, members

pytestmark = pytest.mark.numeric
CALIBRATION, TEST = make_answers(count=617, noise=1), make_answers(count=500, noise=2)


@pytest.mark.parametrize("coverage", [0.801, 0.897, 0.953])  # crepes counts a tie at exactly (n + 1) * coverage as in
def test_the_limits_give_the_sets_of_crepes(coverage: float) -> None:
    least = least_probabilities(CALIBRATION.labels, CALIBRATION.probabilities, coverage)
    oracle = ConformalClassifier()
    oracle.fit(hinge(CALIBRATION.probabilities, np.arange(7), CALIBRATION.labels), bins=CALIBRATION.labels)
    for number in range(len(CLASSES)):
        expected = oracle.predict_set(
            hinge(TEST.probabilities)[:, [number]],
            bins=np.full(len(TEST), number),
            confidence=coverage,
            smoothing=False,
        )
        assert np.array_equal(TEST.probabilities[:, number] >= least[number], expected[:, 0].astype(bool)), number


def test_a_class_with_too_few_images_is_in_every_set() -> None:
    for coverage, needed in zip(COVERAGES, (4, 9, 19), strict=True):
        assert fewest_images(coverage) == needed
        for count, limit in ((needed - 1, 0.0), (needed, 0.3)):
            probabilities = np.full((count, 7), 0.7 / 6)
            probabilities[:, 2] = 0.3
            assert least_probabilities(np.full(count, 2), probabilities, coverage)[2] == limit


def test_no_set_is_empty() -> None:
    sets = members(np.array([[0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1]]), np.full(7, 0.9))
    assert sets.tolist() == [[True, False, False, False, False, False, False]]


def test_what_is_measured_was_fitted_to_other_images() -> None:
    parts = (Part(CALIBRATION, TEST), Part(TEST, CALIBRATION))
    lesions = np.concatenate([TEST.lesion_ids, CALIBRATION.lesion_ids])
    weights = lesion_weights(lesions, resamples=20, seed=1)
    found = fit_prediction_sets(CALIBRATION.labels, CALIBRATION.probabilities, parts=parts, weights=weights)
    rule = found.rules[1]
    covered, sizes, alone = [], [], []
    for part in parts:
        least = least_probabilities(part.calibration.labels, part.calibration.probabilities, 0.9)
        for label, probabilities in zip(part.test.labels, part.test.probabilities, strict=True):
            chosen = {c for c in range(7) if probabilities[c] >= least[c] or c == probabilities.argmax()}
            sizes.append(len(chosen))
            covered.append((label, label in chosen))
            alone += [(min(chosen), label in chosen)] if len(chosen) == 1 else []
    assert rule.size.value == pytest.approx(np.mean(sizes))
    assert rule.single.value == pytest.approx(np.mean(np.array(sizes) == 1))
    for number, code in enumerate(CLASSES):
        own = [hit for label, hit in covered if label == number]
        assert rule.measured[code].value == pytest.approx(np.mean(own))
        named = [hit for only, hit in alone if only == number]
        assert rule.single_right[code].value == pytest.approx(np.mean(named))
        assert rule.single_right[code].low <= np.mean(named) <= rule.single_right[code].high
    assert found.images["nv"] == (CALIBRATION.labels == 5).sum()


def test_coverage_holds_on_average_whatever_the_mix_of_classes() -> None:
    """2,000 draws of 19 calibration images of each class; of any class, 95 % of new images are covered."""
    generator = np.random.default_rng(5)
    p = generator.beta(2, 1, (2000, 20))  # 19 to calibrate, the last is new
    covered = [new >= least_probabilities(np.zeros(19, int), _only_first(own), 0.95)[0] for *own, new in p]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def _only_first(probabilities: list[float]) -> np.ndarray:
    first = np.array(probabilities)[:, np.newaxis]
    return np.hstack([first, np.repeat((1 - first) / 6, 6, axis=1)])
