"""What a network or a graph is worth: validation chooses, then the test part is read, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.bundle import Head
from inference.curves import Curves
from inference.image import Preprocessing
from inference.manifest import Data, Metrics
from inference.probability import softmax
from inference.risk import Thresholds
from inference.taxonomy import CLASSES
from training import dataset, metrics
from training.backbones import BACKBONES
from training.balance import fit_confidence, fit_offsets
from training.config import Config
from training.curves import measure_curves
from training.ensemble import held_out
from training.folds import Folds, fold_records
from training.halving import rounded
from training.index import limit_classes, read_index, read_lesions
from training.model import Responses
from training.predictions import Predictions, from_logits
from training.split import Split, split_records

_HOW = {
    "lesion": "Split by lesion: no lesion is in two parts.",
    "image": "Split by image, which leaks: lesions are in several parts, so the results are too good.",
}

TEST_PART, HELD_OUT_IMAGES = "the test part", "held-out images"
HELD_OUT = (
    "Every image is answered by the one of the {count} networks that was not trained on its lesion. What is served is "
    "the mean of the {count}, which these images cannot measure"
)

CHUNK = 256  # images prepared at once: a training part may be larger than memory

Predict = Callable[[NDArray[np.uint8]], Responses]


@dataclass(frozen=True, slots=True)
class Findings:
    """What evaluation found out: what goes into the manifest, and what was answered for every image.

    The features are float32 [n, C], averaged over each image. After a cross-validation both are all images, as the
    network answered that had not seen them; `test` with offsets and temperature from the other folds. `offsets` float64
    [7] are what the head's bias still lacks: with them every class counts the same.
    """

    temperature: float
    offsets: NDArray[np.float64]
    thresholds: Thresholds
    metrics: Metrics
    curves: Curves
    data: Data
    validation: Predictions
    test: Predictions
    validation_features: NDArray[np.float32]
    test_features: NDArray[np.float32]


def read_split(config: Config, data: Path) -> Split | Folds:
    """The images of a configuration under the folder `data`, divided as it says. Raises InvalidDataset."""
    metadata = data / config.data.metadata
    records = read_index(metadata, [data / images for images in config.data.images])
    if config.data.per_class:
        records = limit_classes(records, config.data.per_class, seed=config.seed)
    if config.data.folds:
        lesions = read_lesions(metadata)
        if config.data.per_class:
            lesions = {record.lesion_id: record.label for record in records}
        return fold_records(records, lesions=lesions, count=config.data.folds, seed=config.seed)
    assert config.data.fractions  # for the type checker: the configuration has either  # nosec B101
    return split_records(records, by=config.data.split, fractions=config.data.fractions, seed=config.seed)


def evaluate(
    predict: Predict, *, head: Head, config: Config, split: Split | Folds, command: str, rebalance: bool = False
) -> Findings:
    """Choose temperature and thresholds on validation data, then measure on the test part.

    `predict`: uint8 [n, s, s, 3] -> Responses of the network with this `head`. `command` is what the model card names
    as the source. `rebalance`: the head has not got its offsets yet; after a cross-validation, find them.
    """
    if isinstance(split, Folds):
        return _evaluate_folds(predict, head=head, config=config, folds=split, command=command, rebalance=rebalance)
    spec = config.model.preprocessing
    on_validation, labels = respond(predict, split.validation, spec), dataset.labels_of(split.validation)
    temperature = metrics.fit_temperature(labels, on_validation.logits)
    on_test = respond(predict, split.test, spec)
    return _measure(
        validation=_predictions(on_validation.logits, split.validation, temperature),
        test=_predictions(on_test.logits, split.test, temperature),
        features=(on_validation.pooled, on_test.pooled),
        temperature=temperature,
        offsets=np.zeros(len(CLASSES)),
        source=TEST_PART,
        config=config,
        split=split,
        command=command,
    )


def _evaluate_folds(
    predict: Predict, *, head: Head, config: Config, folds: Folds, command: str, rebalance: bool
) -> Findings:
    responses = respond(predict, folds.records, config.model.preprocessing)
    labels = dataset.labels_of(folds.records)
    own = held_out(responses, head=head, of_image=folds.of_image, count=folds.count).logits.astype(np.float64)
    # As a head in 16 bits will hold them.
    melanoma = config.melanoma_weight
    missing = fit_offsets(labels, own, melanoma=melanoma) if rebalance else np.zeros(len(CLASSES))
    offsets = (rounded(head.b + missing) - head.b).astype(np.float64)
    tested = np.empty_like(own)
    for fold in range(folds.count):
        others = folds.of_image != fold
        shifted = own + fit_offsets(labels[others], own[others], melanoma=melanoma)
        tested[~others] = softmax(shifted[~others], fit_confidence(labels[others], shifted[others]))
    temperature = fit_confidence(labels, own + offsets)
    answered = _predictions((own + offsets).astype(np.float32), folds.records, temperature)
    return _measure(
        validation=answered,
        test=replace(answered, probabilities=tested),
        features=(responses.pooled, responses.pooled),
        temperature=temperature,
        offsets=offsets,
        source=HELD_OUT_IMAGES,
        config=config,
        split=folds,
        command=command,
    )


def _measure(
    *,
    validation: Predictions,
    test: Predictions,
    features: tuple[NDArray[np.float32], NDArray[np.float32]],
    temperature: float,
    offsets: NDArray[np.float64],
    source: str,
    config: Config,
    split: Split | Folds,
    command: str,
) -> Findings:
    measured = metrics.measure(
        test.labels, test.probabilities, lesions=test.lesion_ids, source=source, command=command, seed=config.seed
    )
    thresholds = metrics.choose_thresholds(validation.labels, validation.probabilities)
    return Findings(
        temperature=temperature,
        offsets=offsets,
        thresholds=thresholds,
        metrics=measured,
        curves=measure_curves(test, thresholds=thresholds, seed=config.seed),
        data=_describe(config, split),
        validation=validation,
        test=test,
        validation_features=features[0],
        test_features=features[1],
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


def _describe(config: Config, split: Split | Folds) -> Data:
    sources = [BACKBONES[config.model.backbone].citation if config.model.weights == "imagenet" else "random weights."]
    if config.pretrain:
        sources.append(f"Then {config.pretrain.name}: {config.pretrain.citation}")
    how = _HOW[config.data.split]
    if isinstance(split, Folds):
        how = f"{split.count} folds by lesion. {HELD_OUT.format(count=split.count)}."
    parts = split.parts()
    return Data(
        name=config.data.name,
        citation=config.data.citation,
        pretraining=" ".join(sources),
        licence=config.data.licence,
        split=f"{how} Seed {config.seed}, digest {split.digest()[:12]}.",
        images={name: len(part) for name, part in parts.items()},
        counts=dataset.counts_of([record for part in parts.values() for record in part]),
    )
