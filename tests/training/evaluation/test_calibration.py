"""Offsets that balance the classes, and the temperature."""

import numpy as np
import pytest

from inference.domain.probability import softmax
from training.evaluation.calibration import fit_confidence, fit_offsets

pytestmark = pytest.mark.numeric


def draw(seed: int, *, counts: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and logits that separate all classes equally well and contain the logarithms of their frequencies."""
    labels = np.repeat(np.arange(7), counts)
    evidence = np.random.default_rng(seed).normal(0, 1, (len(labels), 7)) + 2 * np.eye(7)[labels]
    return labels, 2 * evidence + np.log(np.array(counts) / sum(counts))


COUNTS = (200, 300, 600, 60, 500, 4000, 80)


def recalls(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    answers = logits.argmax(axis=1)
    return np.array([(answers[labels == number] == number).mean() for number in range(7)])


def test_the_offsets_take_the_frequencies_back() -> None:
    labels, logits = draw(1, counts=COUNTS)
    offsets = fit_offsets(labels, logits, melanoma=1)
    expected = -np.log(COUNTS)
    assert offsets == pytest.approx(expected - expected.mean(), abs=0.4)
    assert recalls(labels, logits + offsets).min() > recalls(labels, logits).min() + 0.1
    assert recalls(labels, logits + offsets).mean() > recalls(labels, logits).mean() + 0.03


def test_constants_that_were_added_before_change_nothing() -> None:
    """A bundle whose head has its offsets is therefore evaluated with the same result."""
    labels, logits = draw(2, counts=COUNTS)
    shift = np.array([0.5, -1, 2, 0, 1, -3, 0.5])
    one, other = (fit_offsets(labels, each, melanoma=1.5) for each in (logits, logits + shift))
    assert one == pytest.approx(other + shift - shift.mean(), abs=1e-5)


def test_a_melanoma_that_counts_more_is_found_more_often() -> None:
    labels, logits = draw(3, counts=COUNTS)
    found = [recalls(labels, logits + fit_offsets(labels, logits, melanoma=weight))[4] for weight in (1, 2, 4)]
    assert found[0] < found[1] < found[2]


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_answers_are_as_sure_as_they_are_right(scale: float) -> None:
    labels, logits = draw(4, counts=COUNTS)
    temperature = fit_confidence(labels, scale * logits)
    sure = softmax(scale * logits, temperature).max(axis=1).mean()
    assert sure == pytest.approx((logits.argmax(axis=1) == labels).mean(), abs=1e-6)
    assert temperature == pytest.approx(scale * fit_confidence(labels, logits), rel=1e-4)


def test_all_right_and_all_wrong_have_a_temperature_too() -> None:
    labels = np.arange(7)
    assert fit_confidence(labels, 9 * np.eye(7)) == pytest.approx(np.exp(-3))
    assert fit_confidence((labels + 1) % 7, 9 * np.eye(7)) == pytest.approx(np.exp(3))
