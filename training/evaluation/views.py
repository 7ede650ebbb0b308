"""Evaluation with several views of each image, as `tta` of the service averages them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.bundle.manifest import TEST_SET, Metrics
from inference.bundle.storage import Head
from inference.domain.probability import softmax
from inference.imaging.preprocessing import Preprocessing
from inference.imaging.test_time_augmentation import DIHEDRAL_GROUP, View, ViewCount
from training.data.data_split import DataSplit
from training.data.prepared_images import labels_of
from training.evaluation import metrics
from training.evaluation.evaluate import EvaluationResult, Predict, respond
from training.networks.ensemble import held_out
from training.networks.network import Responses


def measure_views(
    predict: Predict,
    evaluation: EvaluationResult,
    *,
    split: DataSplit,
    head: Head,
    spec: Preprocessing,
    count: ViewCount,
    seed: int,
) -> Metrics | None:
    """The metrics of the test set when the calibrated probabilities of `count` views are averaged; None for one view.

    `predict` and `head` are those of the network after its bias was shifted. After a cross-validation each image is
    answered by the network that was not trained on it, with the temperature of the bundle. Raises InvalidDataset.
    """
    if count == 1:
        return None
    records = split.test
    probabilities = np.zeros((len(records), len(evaluation.metrics.confusion)))
    for view in DIHEDRAL_GROUP[:count]:
        responses = respond(_seen_through(view, predict), records, spec)
        logits = _logits(responses, split, head)
        probabilities += softmax(logits, evaluation.temperature) / count
    return metrics.measure(
        labels_of(records),
        probabilities,
        lesions=np.array([record.lesion_id for record in records]),
        evaluated_on=evaluation.metrics.evaluated_on or TEST_SET,
        command=evaluation.metrics.command,
        seed=seed,
    )


def _logits(responses: Responses, split: DataSplit, head: Head) -> NDArray[np.float32]:
    return split.by_kind(
        split=lambda _: responses.logits,
        folds=lambda folds: held_out(responses, head=head, of_image=folds.of_image, count=folds.count).logits,
    )


def _seen_through(view: View, predict: Predict) -> Predict:
    def predict_view(images: NDArray[np.uint8]) -> Responses:
        return predict(np.ascontiguousarray(view.apply(images, axes=(1, 2))))

    return predict_view
