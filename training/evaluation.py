"""What a network or a graph is worth: validation chooses, then the test part is read, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.curves import Curves
from inference.image import Preprocessing
from inference.manifest import Data, Metrics
from inference.probability import softmax
from inference.risk import Thresholds
from training import dataset, metrics
from training.backbones import BACKBONES
from training.config import Config
from training.curves import measure_curves
from training.index import limit_classes, read_index
from training.model import Responses
from training.predictions import Predictions, from_logits
from training.split import Split, split_records

_HOW = {
    "lesion": "Split by lesion: no lesion is in two parts.",
    "image": "Split by image, which leaks: lesions are in several parts, so the results are too good.",
}

CHUNK = 256  # images prepared at once: a training part may be larger than memory

Predict = Callable[[NDArray[np.uint8]], Responses]


@dataclass(frozen=True, slots=True)
class Findings:
    """What evaluation found out: what goes into the manifest, and what was answered for every image.

    The features are float32 [n, C], averaged over each image.
    """

    temperature: float
    thresholds: Thresholds
    metrics: Metrics
    curves: Curves
    data: Data
    validation: Predictions
    test: Predictions
    validation_features: NDArray[np.float32]
    test_features: NDArray[np.float32]


def read_split(config: Config, data: Path) -> Split:
    """The images of a configuration under the folder `data`, divided as it says. Raises InvalidDataset."""
    records = read_index(data / config.data.metadata, [data / images for images in config.data.images])
    if config.data.per_class:
        records = limit_classes(records, config.data.per_class, seed=config.seed)
    return split_records(records, by=config.data.split, fractions=config.data.fractions, seed=config.seed)


def evaluate(predict: Predict, *, config: Config, split: Split, command: str) -> Findings:
    """Choose temperature and thresholds on validation data, then measure on the test part.

    `predict`: uint8 [n, s, s, 3] -> Responses. `command` is what the model card names as the source.
    """
    spec = config.model.preprocessing
    on_validation, labels = respond(predict, split.validation, spec), dataset.labels_of(split.validation)
    temperature = metrics.fit_temperature(labels, on_validation.logits)
    validation = _predictions(on_validation.logits, split.validation, temperature)

    on_test = respond(predict, split.test, spec)
    test = _predictions(on_test.logits, split.test, temperature)
    measured = metrics.measure(
        test.labels,
        test.probabilities,
        lesions=test.lesion_ids,
        source="the test part",
        command=command,
        seed=config.seed,
    )
    thresholds = metrics.choose_thresholds(labels, softmax(on_validation.logits, temperature))
    return Findings(
        temperature=temperature,
        thresholds=thresholds,
        metrics=measured,
        curves=measure_curves(test, thresholds=thresholds, seed=config.seed),
        data=_describe(config, split),
        validation=validation,
        test=test,
        validation_features=on_validation.pooled,
        test_features=on_test.pooled,
    )


def respond(predict: Predict, records: dataset.Records, spec: Preprocessing) -> Responses:
    """What `predict` says of these images. Raises InvalidDataset."""
    chunks = (records[first : first + CHUNK] for first in range(0, len(records), CHUNK))
    found = [predict(dataset.prepare_images(chunk, spec)) for chunk in chunks]
    return Responses(
        logits=np.concatenate([one.logits for one in found]), pooled=np.concatenate([one.pooled for one in found])
    )


def _predictions(logits: NDArray[np.float32], records: dataset.Records, temperature: float) -> Predictions:
    return from_logits(
        logits,
        temperature=temperature,
        image_ids=[record.image_id for record in records],
        lesion_ids=[record.lesion_id for record in records],
        labels=dataset.labels_of(records),
    )


def _describe(config: Config, split: Split) -> Data:
    imagenet = config.model.weights == "imagenet"
    return Data(
        name=config.data.name,
        citation=config.data.citation,
        pretraining=BACKBONES[config.model.backbone].citation if imagenet else "random weights.",
        licence=config.data.licence,
        split=f"{_HOW[config.data.split]} Seed {config.seed}, digest {split.digest()[:12]}.",
        images={"train": len(split.train), "validation": len(split.validation), "test": len(split.test)},
        counts=dataset.counts_of((*split.train, *split.validation, *split.test)),
    )
