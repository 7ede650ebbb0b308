"""What a prediction says of itself: whether it is reliable, and how often similar answers were right."""

from dataclasses import replace

import pytest

from inference.bundle.evaluation_curves import Curves
from inference.bundle.storage import Bundle
from inference.prediction.classifier import UNRELIABLE, Classifier, Prediction
from inference.prediction.serialization import prediction_reply
from tests.support.fakes import FakeRuntime
from tests.support.lesion_images import lesion


def predict(bundle: Bundle, *, trained: bool, curves: Curves | None) -> Prediction:
    manifest = bundle.manifest.model_copy(update={"trained": trained})
    classifier = Classifier(replace(bundle, manifest=manifest, curves=curves), FakeRuntime(bundle))
    prepared = classifier.prepare(lesion())
    return classifier.predict(prepared, classifier.run(prepared.batch))


def test_similar_answers_are_counted_on_the_bundles_own_curve(fake_bundle: Bundle, starter: Bundle) -> None:
    prediction = predict(fake_bundle, trained=True, curves=starter.curves)
    assert prediction.reliable
    expected = starter.curves.calibrated.accuracy_near(float(prediction.probabilities.max()))
    assert prediction.measured_accuracy == expected
    assert expected is not None
    reply = prediction_reply(prediction, "en")
    assert (reply.prediction.measured_accuracy, reply.risk.reliable) == (expected, True)


def test_without_a_curve_nobody_knows(fake_bundle: Bundle) -> None:
    assert predict(fake_bundle, trained=True, curves=None).measured_accuracy is None


def test_the_curve_says_nothing_of_an_answer_that_is_not_reliable(fake_bundle: Bundle, starter: Bundle) -> None:
    prediction = predict(fake_bundle, trained=False, curves=starter.curves)
    assert not prediction.reliable
    assert prediction.measured_accuracy is None
    assert prediction_reply(prediction, "en").risk.reliable is False


@pytest.mark.parametrize(
    ("warning", "reliable"),
    [("out_of_distribution", False), ("untrained_model", False), ("blurred", True), ("stale_model", True)],
)
def test_which_warnings_void_an_answer(fake_bundle: Bundle, warning: str, reliable: bool) -> None:
    prediction = replace(predict(fake_bundle, trained=True, curves=None), warnings=(warning,))
    assert prediction.reliable == reliable == (warning not in UNRELIABLE)
