"""Evaluation of a network or a graph: choose its parameters on the validation set, measure it on the test set."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.bundle.evaluation_curves import Curves
from inference.bundle.manifest import HELD_OUT_IMAGES, TEST_SET, Data, EvaluatedOn, Metrics
from inference.bundle.storage import Head
from inference.bundle.uncertainty import Uncertainty
from inference.domain.probability import softmax
from inference.domain.risk import Thresholds
from inference.domain.taxonomy import CLASSES
from inference.imaging.preprocessing import Preprocessing
from inference.progress import long_step
from training.backbones import BACKBONES
from training.backbones.weight_files import digest_of_weights
from training.config import Config, ModelConfig
from training.data import prepared_images
from training.data.data_split import DataSplit, Folds, Split
from training.evaluation import metrics
from training.evaluation.calibration import fit_confidence, fit_offsets
from training.evaluation.cross_fitting import Part
from training.evaluation.curves import measure_curves
from training.evaluation.predictions import Predictions, from_logits
from training.evaluation.uncertainty import measure_uncertainty
from training.networks.ensemble import held_out
from training.networks.float16 import rounded
from training.networks.network import Responses

CHUNK = 256  # images prepared at once: all images of a split may be larger than memory

Predict = Callable[[NDArray[np.uint8]], Responses]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """What an evaluation measured, and the answers that it was measured on.

    `offsets`: float64 [7], to be added to the head's bias so that every class counts the same; zeros if the network
    has them already. `validation_features`, `test_features`: float32 [n, C], the features averaged over each image.
    After a cross-validation `validation` and `test` are both all images, each answered by the network that was not
    trained on it, and the probabilities of `test` use offsets and temperature from the other folds.
    """

    temperature: float
    offsets: NDArray[np.float64]
    thresholds: Thresholds
    metrics: Metrics
    curves: Curves
    uncertainty: Uncertainty
    data: Data
    validation: Predictions
    test: Predictions
    validation_features: NDArray[np.float32]
    test_features: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Answers:
    """The answers to measure; fields as in EvaluationResult. `evaluated_on`: the kind of the test images.

    `parts`: for what is fitted to answers and measured on others.
    """

    validation: Predictions
    test: Predictions
    validation_features: NDArray[np.float32]
    test_features: NDArray[np.float32]
    temperature: float
    offsets: NDArray[np.float64]
    evaluated_on: EvaluatedOn
    parts: tuple[Part, ...]


def evaluate(
    predict: Predict, *, head: Head, config: Config, split: DataSplit, command: str, rebalance: bool = False
) -> EvaluationResult:
    """Choose temperature and thresholds on the validation set, then measure on the test set, which is read once.

    `predict`: uint8 [n, s, s, 3] -> Responses of the network with this `head`. `command`: named by the model card as
    the source of the numbers. `rebalance`: after a cross-validation, fit the offsets that the head still lacks. Raises
    InvalidDataset.
    """
    spec = config.model.preprocessing
    answers = split.by_kind(
        split=lambda split: _answer_split(predict, split, spec=spec),
        folds=lambda folds: _answer_folds(
            predict, folds, spec=spec, head=head, melanoma=config.melanoma_weight, rebalance=rebalance
        ),
    )
    test, validation = answers.test, answers.validation
    log.info("computing metrics and their bootstrap intervals")
    thresholds = metrics.choose_thresholds(validation.labels, validation.probabilities)
    measured = metrics.measure(
        test.labels,
        test.probabilities,
        lesions=test.lesion_ids,
        evaluated_on=answers.evaluated_on,
        command=command,
        seed=config.seed,
    )
    return EvaluationResult(
        temperature=answers.temperature,
        offsets=answers.offsets,
        thresholds=thresholds,
        metrics=measured,
        curves=measure_curves(test, thresholds=thresholds, seed=config.seed),
        uncertainty=measure_uncertainty(validation, parts=answers.parts, networks=len(answers.parts), seed=config.seed),
        data=_describe(config, split),
        validation=validation,
        test=test,
        validation_features=answers.validation_features,
        test_features=answers.test_features,
    )


def _answer_split(predict: Predict, split: Split, *, spec: Preprocessing) -> _Answers:
    on_validation, labels = respond(predict, split.validation, spec), prepared_images.labels_of(split.validation)
    temperature = metrics.fit_temperature(labels, on_validation.logits)
    on_test = respond(predict, split.test, spec)
    validation = _predictions(on_validation.logits, split.validation, temperature)
    test = _predictions(on_test.logits, split.test, temperature)
    return _Answers(
        validation=validation,
        test=test,
        validation_features=on_validation.pooled,
        test_features=on_test.pooled,
        temperature=temperature,
        offsets=np.zeros(len(CLASSES)),
        evaluated_on=TEST_SET,
        parts=(Part(validation, test),),
    )


def _answer_folds(
    predict: Predict, folds: Folds, *, spec: Preprocessing, head: Head, melanoma: float, rebalance: bool
) -> _Answers:
    responses = respond(predict, folds.records, spec)
    labels = prepared_images.labels_of(folds.records)
    own = held_out(responses, head=head, of_image=folds.of_image, count=folds.count).logits.astype(np.float64)
    missing = fit_offsets(labels, own, melanoma=melanoma) if rebalance else np.zeros(len(CLASSES))
    offsets = (rounded(head.b + missing) - head.b).astype(np.float64)  # rounded as in a head that is stored in float16
    temperature = fit_confidence(labels, own + offsets)
    validation = _predictions((own + offsets).astype(np.float32), folds.records, temperature)
    test_probabilities = np.empty_like(own)
    parts = []
    for fold in range(folds.count):
        others = folds.of_image != fold
        shifted = own + fit_offsets(labels[others], own[others], melanoma=melanoma)
        probabilities = softmax(shifted, fit_confidence(labels[others], shifted[others]))
        test_probabilities[~others] = probabilities[~others]
        of_fold = replace(validation, probabilities=probabilities)
        parts.append(Part(of_fold.at(others), of_fold.at(~others)))
    return _Answers(
        validation=validation,
        test=replace(validation, probabilities=test_probabilities),
        validation_features=responses.pooled,
        test_features=responses.pooled,
        temperature=temperature,
        offsets=offsets,
        evaluated_on=HELD_OUT_IMAGES,
        parts=tuple(parts),
    )


def respond(predict: Predict, records: prepared_images.Records, spec: Preprocessing) -> Responses:
    """The responses of `predict` to the n images, prepared by `spec` in chunks. Raises InvalidDataset."""
    responses = []
    with long_step("evaluating", total=len(records)) as step:
        for first in range(0, len(records), CHUNK):
            chunk = records[first : first + CHUNK]
            responses.append(predict(prepared_images.prepare_images(chunk, spec)))
            step.advance(len(chunk))
    return Responses(
        logits=np.concatenate([chunk.logits for chunk in responses]),
        pooled=np.concatenate([chunk.pooled for chunk in responses]),
    )


def _predictions(logits: NDArray[np.float32], records: prepared_images.Records, temperature: float) -> Predictions:
    return from_logits(
        logits,
        temperature=temperature,
        image_ids=[record.image_id for record in records],
        lesion_ids=[record.lesion_id for record in records],
        labels=prepared_images.labels_of(records),
    )


def _describe_weights(config: ModelConfig) -> str:
    if config.weights == "random":
        return "random weights."
    if config.weights == "imagenet":
        return BACKBONES[config.backbone].citation
    return f"The weights of the file {Path(config.weights).name}, SHA-256 {digest_of_weights(config.weights) or '-'}."


def _describe(config: Config, split: DataSplit) -> Data:
    sources = [_describe_weights(config.model)]
    if config.pretrain:
        sources.append(f"Then {config.pretrain.name}: {config.pretrain.citation}")
    if config.extra:
        sources.append(f"Beside the images above, training sees {config.extra.name}: {config.extra.citation}")
    splits = split.splits()
    return Data(
        name=config.data.name,
        citation=config.data.citation,
        pretraining=" ".join(sources),
        licence="; ".join(dict.fromkeys(each.licence for each in (config.data, config.pretrain, config.extra) if each)),
        split=f"{split.describe()} Seed {config.seed}, digest {split.digest()[:12]}.",
        split_digest=split.digest(),
        images={name: len(records) for name, records in splits.items()},
        counts=prepared_images.counts_of([record for records in splits.values() for record in records]),
    )
