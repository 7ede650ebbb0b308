"""Metrics compared with scikit-learn, and with cases that can be counted by hand."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from inference.domain.probability import softmax
from inference.domain.risk import malignant_probability, risk_level
from inference.domain.taxonomy import CLASSES, MALIGNANT
from training.evaluation.metrics import choose_thresholds, expected_calibration_error, fit_temperature, measure, roc_auc

pytestmark = pytest.mark.numeric
GENERATOR = np.random.default_rng(5)
LABELS = GENERATOR.choice(7, 600, p=[0.05, 0.1, 0.1, 0.05, 0.2, 0.4, 0.1])
LOGITS = (GENERATOR.normal(0, 1, (600, 7)) + 2 * np.eye(7)[LABELS]).astype(np.float32)
PROBABILITIES = softmax(LOGITS)
LESIONS = np.array([f"L{i // 2}" for i in range(600)])


@pytest.fixture(scope="module")
def measured():
    return measure(LABELS, PROBABILITIES, lesions=LESIONS, evaluated_on="test set", command="y", seed=1, resamples=100)


def test_overall_numbers_are_scikit_learns(measured) -> None:
    predicted = PROBABILITIES.argmax(axis=1)
    overall = measured.overall
    assert overall["accuracy"].value == pytest.approx((predicted == LABELS).mean())
    assert overall["accuracy_of_always_nv"].value == pytest.approx((LABELS == 5).mean())
    assert overall["balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(LABELS, predicted))
    assert overall["macro_f1"].value == pytest.approx(f1_score(LABELS, predicted, average="macro"))
    assert overall["weighted_f1"].value == pytest.approx(f1_score(LABELS, predicted, average="weighted"))
    assert overall["macro_auc"].value == pytest.approx(
        roc_auc_score(LABELS, PROBABILITIES, multi_class="ovr", average="macro")
    )
    assert overall["malignant_auc"].value == pytest.approx(
        roc_auc_score(np.isin(LABELS, MALIGNANT), PROBABILITIES[:, list(MALIGNANT)].sum(axis=1))
    )


def test_numbers_of_each_class_are_scikit_learns(measured) -> None:
    predicted = PROBABILITIES.argmax(axis=1)
    for name, function in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        expected = function(LABELS, predicted, average=None)
        assert [measured.per_class[code][name].value for code in CLASSES] == pytest.approx(expected.tolist())


def test_intervals_hold_the_value_and_have_a_width(measured) -> None:
    for each in (*measured.overall.values(), *(n for by in measured.per_class.values() for n in by.values())):
        assert each.low < each.high
        assert each.low <= each.value <= each.high
    width = measured.overall["accuracy"].high - measured.overall["accuracy"].low
    assert 0.03 < width < 0.15  # 2 x 1.96 x sqrt(p (1 - p) / n) is about 0.07


def test_lesions_are_drawn_not_images() -> None:
    """Ten copies of every lesion add no information, so that they must not narrow the interval."""
    options = {"evaluated_on": "test set", "command": "y", "seed": 1, "resamples": 200}
    once = measure(LABELS[:100], PROBABILITIES[:100], lesions=np.arange(100).astype(str), **options)
    rows = np.repeat(np.arange(100), 10)
    tenfold = measure(LABELS[rows], PROBABILITIES[rows], lesions=rows.astype(str), **options)
    widths = [each.overall["accuracy"].high - each.overall["accuracy"].low for each in (once, tenfold)]
    assert widths[1] == pytest.approx(widths[0], rel=0.25)
    assert (once.lesions, tenfold.lesions, tenfold.images) == (100, 100, 1000)


def test_roc_auc_by_hand() -> None:
    assert roc_auc(np.array([True, False]), np.array([0.9, 0.1])) == pytest.approx(1)
    assert roc_auc(np.array([True, False]), np.array([0.5, 0.5])) == pytest.approx(0.5)
    assert np.isnan(roc_auc(np.array([True, True]), np.array([0.5, 0.5])))


def test_calibration_error_by_hand() -> None:
    """Four predictions with confidence 0.8, of which three are right: the error is 0.05."""
    probabilities = np.full((4, 7), 0.2 / 6)
    probabilities[:, 0] = 0.8
    assert expected_calibration_error(np.array([0, 0, 0, 1]), probabilities) == pytest.approx(0.05)


def test_the_temperature_is_found_again() -> None:
    generator = np.random.default_rng(3)
    logits = generator.normal(0, 2, (4000, 7)).astype(np.float32)
    cumulated = softmax(logits).cumsum(axis=1)
    labels = (generator.random((4000, 1)) > cumulated).sum(axis=1)
    assert fit_temperature(labels, logits * 2.5) == pytest.approx(2.5, rel=0.05)


def test_thresholds_keep_their_promises() -> None:
    thresholds = choose_thresholds(LABELS, PROBABILITIES)
    score = PROBABILITIES[:, list(MALIGNANT)].sum(axis=1)
    malignant = np.isin(LABELS, MALIGNANT)
    assert (score[malignant] >= thresholds.moderate).mean() >= 0.95
    assert (score[~malignant] < thresholds.high).mean() == pytest.approx(0.90, abs=0.01)
    assert thresholds.moderate <= thresholds.high


@pytest.mark.parametrize("margin", [6, 40])
def test_thresholds_of_a_network_that_is_always_right_are_allowed(margin: int) -> None:
    """The temperature falls to its bound, and the malignant probability is 1, or 0, in float64."""
    labels = np.arange(140) % 7
    logits = (margin * np.eye(7)[labels]).astype(np.float32)
    probabilities = softmax(logits, fit_temperature(labels, logits))
    thresholds = choose_thresholds(labels, probabilities)
    levels = [risk_level(malignant_probability(row), thresholds) for row in probabilities]
    assert levels == ["high" if label in MALIGNANT else "low" for label in labels]


def test_thresholds_of_a_network_that_is_always_wrong_are_allowed() -> None:
    """Every malignant probability of a malignant image is 0, and of a benign one 1."""
    labels = np.arange(140) % 7
    swapped = np.where(np.isin(labels, MALIGNANT), CLASSES.index("nv"), CLASSES.index("mel"))
    thresholds = choose_thresholds(labels, np.eye(7)[swapped])
    assert 0 < thresholds.moderate < thresholds.high < 1
