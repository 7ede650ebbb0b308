"""Probability of malignancy, re-weighting, alarms and net benefit, compared with scikit-learn and Bayes' rule."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score, roc_curve

from inference.bundle.uncertainty import Likelihoods, log_odds
from inference.domain.prevalence import Prevalence
from inference.domain.probability import softmax
from inference.domain.taxonomy import CLASSES, MALIGNANT
from tests.support.answers import make_answers
from training.evaluation.bootstrap import lesion_weights
from training.evaluation.cross_fitting import Part
from training.evaluation.decisions import net_benefit
from training.evaluation.likelihoods import fit_posterior
from training.evaluation.malignancy import fit_logistic
from training.evaluation.metrics import calibration_errors, choose_thresholds
from training.evaluation.predictions import from_logits
from training.evaluation.uncertainty import measure_uncertainty

pytestmark = pytest.mark.numeric
CALIBRATION, TEST = make_answers(count=600, skill=1.2, noise=1), make_answers(count=500, skill=1.2, noise=2)
FOUND = measure_uncertainty(CALIBRATION, parts=[Part(CALIBRATION, TEST)], networks=1, seed=3, resamples=30)
TRUTH = np.isin(TEST.labels, MALIGNANT)
LIMITS = choose_thresholds(CALIBRATION.labels, CALIBRATION.probabilities)
SCORE = TEST.probabilities[:, list(MALIGNANT)].sum(axis=1)


def fitted(score: np.ndarray) -> np.ndarray:
    """The oracle, fitted to the calibration images."""
    own = log_odds(CALIBRATION.probabilities[:, list(MALIGNANT)].sum(axis=1))[:, np.newaxis]
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(own, np.isin(CALIBRATION.labels, MALIGNANT))
    return np.asarray(model.predict_proba(log_odds(score)[:, np.newaxis])[:, 1])


def test_the_probability_of_malignancy_is_a_logistic_regression() -> None:
    expected = fitted(SCORE)
    known = FOUND.malignancy
    assert [known.probability(float(score)) for score in SCORE[:20]] == pytest.approx(expected[:20], abs=1e-4)
    assert known.brier.value == pytest.approx(brier_score_loss(TRUTH, expected), abs=1e-5)
    assert known.brier_of_score.value == pytest.approx(brier_score_loss(TRUTH, SCORE))
    for kept, shown in ((known.reliability, expected), (known.reliability_of_score, SCORE)):
        bins = np.minimum((shown * len(kept.count)).astype(int), len(kept.count) - 1)
        assert kept.count == pytest.approx(np.bincount(bins, minlength=len(kept.count)), abs=1)  # one may be at an edge
        assert kept.highest.accuracy == pytest.approx(TRUTH[bins == bins.max()].mean(), abs=0.05)
    assert known.prior == pytest.approx(np.isin(CALIBRATION.labels, MALIGNANT).mean())


def test_a_perfect_score_still_gets_a_finite_slope() -> None:
    slope, intercept = fit_logistic(np.array([True, True, False]), np.array([0.9, 0.8, 0.1]))
    assert np.isfinite([slope, intercept]).all()


def test_reweighting_gives_the_posterior_of_the_other_mix() -> None:
    """Seven normal distributions with known means: the posterior at any mix is known."""
    generator, means = np.random.default_rng(2), np.arange(7) * 1.2
    here, there = np.array([0.05, 0.1, 0.1, 0.05, 0.2, 0.4, 0.1]), np.array([0.1, 0.1, 0.2, 0.2, 0.1, 0.1, 0.2])

    def densities(x: np.ndarray) -> np.ndarray:
        return np.asarray(norm.pdf(x[:, np.newaxis], loc=means))

    labels = generator.choice(7, 40_000, p=here)
    x = generator.normal(means[labels])
    logits = 0.5 * np.log(densities(x)) + np.linspace(1, -1, 7)  # too cautious, and leaning to the first classes
    slope, offsets = fit_posterior(labels, logits)
    known = Likelihoods(slope=slope, offsets=tuple(offsets), prior=tuple(here), error={"value": 0, "low": 0, "high": 0})
    assert slope == pytest.approx(2, abs=0.05)
    new = np.linspace(-1, 8, 50)
    expected = densities(new) * there
    expected /= expected.sum(axis=1, keepdims=True)
    answered = known.posterior(0.5 * np.log(densities(new)) + np.linspace(1, -1, 7), Prevalence("custom", tuple(there)))
    assert answered == pytest.approx(expected, abs=0.02)


def test_the_mean_posterior_is_the_mix_it_was_fitted_to() -> None:
    known = FOUND.likelihoods
    at_home = known.posterior(CALIBRATION.logits, Prevalence("custom", known.prior)).mean(axis=0)
    assert at_home == pytest.approx(np.bincount(CALIBRATION.labels, minlength=7) / len(CALIBRATION), abs=1e-3)


def test_alarms_use_thresholds_of_other_images() -> None:
    for level in ("moderate", "high"):
        alarm, found = getattr(LIMITS, level) <= SCORE, getattr(FOUND.alarms, level)
        assert found.malignant.value == pytest.approx(alarm[TRUTH].mean())
        assert found.benign.value == pytest.approx(alarm[~TRUTH].mean())
        assert found.others.value == pytest.approx(alarm[TEST.labels != 4].mean())
        for number, code in enumerate(CLASSES):
            assert found.classes[code].value == pytest.approx(alarm[TEST.labels == number].mean())


def test_net_benefit_is_what_its_authors_define() -> None:
    probability, weights = fitted(SCORE), lesion_weights(TEST.lesion_ids, resamples=3, seed=1)
    for point in FOUND.decision:
        odds = point.threshold / (1 - point.threshold)
        everybody = TRUTH.mean() - (~TRUTH).mean() * odds
        assert point.everybody.value == pytest.approx(everybody)
        referred = probability >= point.threshold
        expected = (TRUTH & referred).mean() - (~TRUTH & referred).mean() * odds
        assert point.calibrated.value == pytest.approx(expected, abs=0.01)  # one lesion may lie at the threshold
        for level in ("moderate", "high"):
            alarm = getattr(LIMITS, level) <= SCORE
            expected = (TRUTH & alarm).mean() - (~TRUTH & alarm).mean() * odds
            assert getattr(point, level).value == pytest.approx(expected)
        nobody = net_benefit(TRUTH, np.zeros_like(TRUTH), threshold=point.threshold, weights=weights)
        assert nobody.tolist() == [0, 0, 0, 0]


def test_the_partial_area_is_scikit_learns() -> None:
    expected = roc_auc_score(TEST.labels == 4, TEST.probabilities[:, 4], max_fpr=0.2)
    assert FOUND.melanoma.partial_auc.value == pytest.approx(expected, abs=1e-9)


def test_the_sensitivity_is_the_greatest_with_so_few_false_alarms() -> None:
    false_alarms, hits, _ = roc_curve(TEST.labels == 4, TEST.probabilities[:, 4], drop_intermediate=False)
    for at, measured in FOUND.melanoma.sensitivity.items():
        assert measured.value == pytest.approx(hits[false_alarms <= 1 - float(at) + 1e-9].max())


def test_the_error_of_the_posterior_is_measured_with_a_fit_to_other_images() -> None:
    slope, offsets = fit_posterior(CALIBRATION.labels, CALIBRATION.logits)
    posterior = softmax(slope * TEST.logits.astype(np.float64) + offsets)
    expected = calibration_errors(TEST.labels, posterior, np.ones((1, len(TEST))))[0]
    assert FOUND.likelihoods.error.value == pytest.approx(expected, abs=1e-4)


def test_without_a_class_there_is_no_reweighting_and_without_malignant_images_no_risk() -> None:
    rows = ~np.isin(CALIBRATION.labels, MALIGNANT)
    benign = from_logits(
        CALIBRATION.logits[rows],
        temperature=1.3,
        image_ids=CALIBRATION.image_ids[rows].tolist(),
        lesion_ids=CALIBRATION.lesion_ids[rows],
        labels=CALIBRATION.labels[rows],
    )
    found = measure_uncertainty(benign, parts=[Part(benign, TEST)], networks=1, seed=3, resamples=5)
    assert (found.likelihoods, found.malignancy, found.alarms, found.decision) == (None, None, None, ())
    assert found.prediction_sets.images["mel"] == 0
    assert all(rule.least["mel"] == 0 for rule in found.prediction_sets.rules)
