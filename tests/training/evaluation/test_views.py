"""Evaluation with several views of each image."""

from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest

from inference.bundle.storage import Head
from inference.domain.probability import softmax
from inference.imaging.preprocessing import Preprocessing
from inference.imaging.test_time_augmentation import make_views
from tests.support.answers import make_answers
from training.data.data_split import Folds, Split
from training.data.ham10000 import ImageRecord
from training.evaluation import views
from training.evaluation.evaluate import EvaluationResult
from training.evaluation.metrics import measure
from training.evaluation.views import measure_views
from training.networks.network import Responses

SPEC = Preprocessing(size=32, fit="squash")
WEIGHTS = np.random.default_rng(0).normal(0, 2, (32 * 32, 7)).astype(np.float32)


@pytest.fixture
def records(tmp_path: Path) -> tuple[ImageRecord, ...]:
    pixels = np.random.default_rng(1).integers(0, 256, (21, 32, 32, 3), np.uint8)
    for number, image in enumerate(pixels):
        cv2.imwrite(str(tmp_path / f"I{number}.png"), image[..., ::-1])
    return tuple(ImageRecord(tmp_path / f"I{n}.png", f"I{n}", f"L{n // 2}", n % 7) for n in range(21))


def predict(images: np.ndarray) -> Responses:
    """A network whose answer depends on where each pixel is, so that every view gets another one."""
    flat = images[..., 1].reshape(len(images), -1) / 255
    return Responses(logits=(flat @ WEIGHTS / 32).astype(np.float32), pooled=flat.astype(np.float32))


def evaluation() -> EvaluationResult:
    answers = make_answers()
    measured = measure(
        answers.labels, answers.probabilities, lesions=answers.lesion_ids, evaluated_on="test set", command="run",
        seed=1, resamples=20,
    )  # fmt: skip
    fields = dict.fromkeys(EvaluationResult.__dataclass_fields__)
    return EvaluationResult(**cast(dict, fields | {"temperature": 1.7, "metrics": measured}))


@pytest.mark.parametrize("count", [2, 8])
def test_the_probabilities_of_all_views_are_averaged(
    count: int, records: tuple[ImageRecord, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(views.metrics, "measure", lambda labels, probabilities, **_: seen.append(probabilities))
    split = Split(train=(), validation=(), test=records, by="lesion")
    head = Head(w=WEIGHTS, b=np.zeros(7, np.float32))
    measure_views(predict, evaluation(), split=split, head=head, spec=SPEC, count=count, seed=1)
    for record, probabilities in zip(records, seen[0], strict=True):
        image = cv2.imread(str(record.path))[..., ::-1]
        each = softmax(predict(make_views(image, count)).logits, 1.7)
        assert probabilities == pytest.approx(each.mean(axis=0), abs=1e-5)


def test_with_folds_each_image_is_answered_by_its_own_network(records: tuple[ImageRecord, ...]) -> None:
    """Two equal networks side by side answer as one."""
    head = Head(w=WEIGHTS / 32, b=np.zeros(7, np.float32))
    twice = Head(w=np.concatenate([head.w, head.w]) / 2, b=head.b)

    def predict_twice(images: np.ndarray) -> Responses:
        one = predict(images)
        return Responses(logits=one.logits, pooled=np.concatenate([one.pooled, one.pooled], axis=1))

    lesions = {record.lesion_id: record.label for record in records}
    of_lesion = {lesion: number % 2 for number, lesion in enumerate(lesions)}
    of_image = np.array([of_lesion[record.lesion_id] for record in records])
    folds = Folds(records, of_image, of_lesion, 2)
    split = Split(train=(), validation=(), test=records, by="lesion")
    one = measure_views(predict, evaluation(), split=split, head=head, spec=SPEC, count=4, seed=1)
    other = measure_views(predict_twice, evaluation(), split=folds, head=twice, spec=SPEC, count=4, seed=1)
    assert one.confusion == other.confusion
    assert one.images == 21
