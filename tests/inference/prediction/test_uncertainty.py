"""What the classifier adds from a bundle's uncertainty: sets, calibrated risk, re-weighted probabilities."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from inference.bundle.prediction_sets import COVERAGES, PredictionSets
from inference.bundle.storage import Bundle
from inference.bundle.uncertainty import Uncertainty
from inference.domain.prevalence import Prevalence
from inference.domain.probability import softmax
from inference.domain.taxonomy import CLASSES
from inference.prediction.classifier import Classifier, Prediction
from inference.prediction.serialization import prediction_reply
from tests.support.fakes import FakeRuntime
from tests.support.lesion_images import lesion

CLINIC = Prevalence.parse("1,2,3,1,1,90,2")


def predict(
    bundle: Bundle, *, uncertainty: Uncertainty | None, prevalence: Prevalence | None = None, trained: bool = True
) -> Prediction:
    manifest = bundle.manifest.model_copy(update={"trained": trained})
    whole = replace(bundle, manifest=manifest, uncertainty=uncertainty)
    classifier = Classifier(whole, FakeRuntime(bundle), prevalence)
    prepared = classifier.prepare(lesion(), tta=2)
    return classifier.predict(prepared, classifier.run(prepared.batch))


def test_the_set_and_the_calibrated_risk_come_from_the_bundle(fake_bundle: Bundle, starter: Bundle) -> None:
    known = starter.uncertainty
    prediction = predict(fake_bundle, uncertainty=known)
    for coverage, rule in zip(COVERAGES, known.prediction_sets.rules, strict=True):
        probabilities = dict(zip(CLASSES, prediction.probabilities, strict=True))
        expected = {code for code, p in probabilities.items() if p >= rule.least[code]} | {prediction.code}
        reply = prediction_reply(prediction, "en", coverage)
        assert (reply.prediction_set.coverage, set(reply.prediction_set.classes)) == (coverage, expected)
        ordered = sorted(expected, key=lambda code: -probabilities[code])
        assert reply.prediction_set.classes == ordered
    calibration, score = known.malignancy, prediction.malignant_probability
    odds = calibration.intercept + calibration.slope * np.log(score / (1 - score))
    assert prediction.calibrated_malignant == pytest.approx(1 / (1 + np.exp(-odds)))
    assert reply.risk.calibrated_probability == prediction.calibrated_malignant
    assert reply.prevalence == "model"


def test_another_mix_reweights_the_probabilities_and_nothing_that_a_threshold_needs(
    fake_bundle: Bundle, starter: Bundle
) -> None:
    known = starter.uncertainty
    own = predict(fake_bundle, uncertainty=known)
    there = predict(fake_bundle, uncertainty=known, prevalence=CLINIC)
    classifier = Classifier(fake_bundle, FakeRuntime(fake_bundle))
    logits = classifier.run(classifier.prepare(lesion(), tta=2).batch).logits
    at_home = softmax(known.likelihoods.slope * logits + np.array(known.likelihoods.offsets))
    expected = at_home * np.array(CLINIC.shares) / np.array(known.likelihoods.prior)
    expected = (expected / expected.sum(axis=1, keepdims=True)).mean(axis=0)
    assert there.probabilities == pytest.approx(expected)
    assert (there.malignant_probability, there.risk) == (own.malignant_probability, own.risk)
    for coverage, rule in zip(COVERAGES, known.prediction_sets.rules, strict=True):
        reached = {code for code, p in zip(CLASSES, own.probabilities, strict=True) if p >= rule.least[code]}
        served = dict(zip(CLASSES, there.probabilities, strict=True))
        assert there.sets[coverage] == tuple(sorted(reached | {there.code}, key=lambda code: -served[code]))
    assert own.sets[0.95] != there.sets[0.95]  # another order
    assert own.calibrated_malignant is not None
    assert there.calibrated_malignant is None  # two classes at another mix would contradict the seven
    assert there.measured_accuracy is None  # it was counted at the model's own mix
    assert prediction_reply(there, "en").prevalence == dict(zip(CLASSES, CLINIC.shares, strict=True))


def test_an_older_bundle_answers_as_before_and_says_that_nothing_was_reweighted(fake_bundle: Bundle) -> None:
    plain, asked = (predict(fake_bundle, uncertainty=None, prevalence=prevalence) for prevalence in (None, CLINIC))
    assert np.array_equal(plain.probabilities, asked.probabilities)
    for prediction in (plain, asked):
        reply = prediction_reply(prediction, "en")
        assert (reply.prediction_set, reply.risk.calibrated_probability, reply.prevalence) == (None, None, "model")


def test_an_answer_that_is_not_reliable_has_no_set(fake_bundle: Bundle, starter: Bundle) -> None:
    prediction = predict(fake_bundle, uncertainty=starter.uncertainty, trained=False)
    assert (prediction.sets, prediction.calibrated_malignant) == (None, None)


@pytest.mark.parametrize("part", ["rules", "least", "measured"])
def test_a_missing_class_or_coverage_is_refused(starter: Bundle, part: str) -> None:
    content = starter.uncertainty.prediction_sets.model_dump()
    if part == "rules":
        content["rules"] = content["rules"][:2]
    else:
        del content["rules"][0][part]["mel"]
    with pytest.raises(ValidationError, match="is required"):
        PredictionSets.model_validate(content)
