"""A number is compared with the model card's only where both measure the same, on enough independent groups."""

from __future__ import annotations

import numpy as np
import pytest

from inference.bundle.storage import Bundle
from inference.domain.taxonomy import CLASSES
from inference.prediction.classifier import Classifier
from lunar.validation.comparison import compare
from lunar.validation.measuring import Answered, Measured, measure
from lunar.validation.overlap import Overlap
from lunar.validation.paragraphs import Validation, paragraphs
from training.evaluation.predictions import from_logits


def measured(classifier: Classifier, counts: dict[str, int], *, groups: int | None = None) -> tuple[Answered, Measured]:
    """Numbers of a model that is wrong about every image but those of nevi, which stand in groups of their own."""
    labels = np.repeat([CLASSES.index(code) for code in counts], list(counts.values()))
    logits = np.zeros((len(labels), len(CLASSES)), np.float32)
    logits[:, CLASSES.index("nv")] = 5
    ids = [str(number) for number in range(len(labels))]
    lesions = [str(number % groups) if groups else each for number, each in enumerate(ids)]
    own = from_logits(logits, temperature=1.0, image_ids=ids, lesion_ids=lesions, labels=labels)
    answered = Answered(own, {}, (), 0, {})
    return answered, measure(classifier, answered, {}, seed=0)


def words(found: Measured, bundle: Bundle, name: str, code: str = "") -> str:
    card = bundle.manifest.metrics
    assert card
    here = found.per_class[code][name] if code else found.overall[name]
    there = card.per_class[code][name] if code else card.overall[name]
    return compare(name, code, here, there, measured=found, card=card)[0]


ALL = dict.fromkeys(CLASSES, 6)


@pytest.mark.parametrize(("counts", "name", "code", "expected"), [
    (ALL, "recall", "mel", "worse"),
    (ALL | {"mel": 1}, "recall", "mel", "fewer than 5 groups"),
    (ALL | {"df": 1}, "recall", "mel", "worse"),
    (ALL, "balanced_accuracy", "", "worse"),
    (ALL | {"df": 4}, "balanced_accuracy", "", "fewer than 5 groups"),
    (ALL | {"df": 4}, "malignant_auc", "", "worse"),
    (ALL | {"df": 0}, "balanced_accuracy", "", "other classes"),
    (ALL | {"df": 0}, "auc", "mel", "other classes"),
    (ALL | {"df": 0}, "recall", "mel", "worse"),
    (ALL, "accuracy", "", "the mix of classes"),
    (ALL, "macro_f1", "", "the mix of classes"),
    (ALL, "precision", "mel", "the mix of classes"),
])  # fmt: skip
def test_what_is_compared(
    counts: dict[str, int], name: str, code: str, expected: str, fake_classifier: Classifier, starter: Bundle
) -> None:
    _, found = measured(fake_classifier, counts)
    assert expected in words(found, starter, name, code)


def test_a_mean_over_classes_leaves_out_resamples_that_lack_one(fake_classifier: Classifier) -> None:
    """Recall is 1 for nevi and 0 for the others, so the mean is 1/3 wherever all three classes are drawn."""
    _, found = measured(fake_classifier, {"nv": 20, "mel": 1, "df": 1})
    mean = found.overall["balanced_accuracy"]
    assert mean
    assert (mean.low, mean.value, mean.high) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert (found.groups_with["malignant"], found.groups_without["malignant"]) == (1, 21)


def test_the_reader_is_warned_of_few_groups(fake_classifier: Classifier, starter: Bundle) -> None:
    answered, found = measured(fake_classifier, {"nv": 20, "mel": 1}, groups=7)
    overlap = Overlap((), "the bundle does not name its training images", known=False)
    text = "\n".join(paragraphs(Validation(starter.manifest, answered, found, overlap, "patient_id", 3, 0)))
    for expected in (
        "7 groups of images, by patient_id. 3 images have no patient_id",
        "too few melanomas to judge",
        "only 7 independent groups",
        "fewer than 5 independent groups: mel 1.",
        "It is not known whether any of these images is in the training data",
    ):
        assert expected in text
