"""The images that a precision is calibrated with and measured on, drawn from a seed and stratified by class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.bundle.manifest import HELD_OUT_IMAGES
from inference.bundle.storage import Bundle
from training.config import InvalidConfig
from training.data.data_split import Folds, Split
from training.data.origin import read_origin
from training.data.prepared_images import Records, labels_of, prepare_images
from training.data.synthetic_lesions import draw_squares
from training.evaluation.metrics import Labels
from training.quantisation.gate import EvaluationSet

CALIBRATION_IMAGES = 300
SHARE_OF_FOLDS = 0.1  # at most this share of the held-out images calibrates, because those are not measured on
DRAWN_IMAGES = 4  # enough for an untrained network, of which only the speed is of interest


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationData:
    """What a graph is calibrated with and measured on.

    `images`: uint8 [n, s, s, 3]. `calibration`: what they are, in words for the model card. `evaluation`: the images
    to measure on; None if nothing is to be measured.
    """

    images: NDArray[np.uint8]
    calibration: str
    evaluation: EvaluationSet | None


def collect_calibration_data(bundle: Bundle, data: Path, *, ungated: bool) -> CalibrationData:
    """Read the images for a bundle from the folder `data`; drawn lesions if it is untrained.

    `ungated`: without an evaluation set. Raises InvalidConfig for an untrained bundle that is to pass the gate, and
    what read_origin raises.
    """
    spec = bundle.manifest.preprocessing
    if not bundle.manifest.trained:
        if not ungated:
            raise InvalidConfig(f"{bundle.path} is untrained: there is nothing that int8 could lose. Give --ungated.")
        return CalibrationData(draw_squares(size=spec.size, count=DRAWN_IMAGES), f"{DRAWN_IMAGES} drawn lesions", None)
    config, split = read_origin(bundle, data)
    records, evaluation = split.by_kind(
        split=lambda split: _choose_from_split(split, bundle, seed=config.seed),
        folds=lambda folds: _choose_from_folds(folds, bundle, seed=config.seed),
    )
    calibration = f"{len(records)} training images"
    return CalibrationData(prepare_images(records, spec), calibration, None if ungated else evaluation)


def collect_evaluation_set(bundle: Bundle, data: Path) -> EvaluationSet:
    """Every image that a precision without calibration is measured on.

    Raises InvalidConfig for an untrained bundle, and what read_origin raises.
    """
    if not bundle.manifest.trained:
        raise InvalidConfig(f"{bundle.path} is untrained: there is nothing that bf16 could lose. Give --ungated.")
    _, split = read_origin(bundle, data)
    return split.by_kind(
        split=lambda split: _validation_images(split, bundle),
        folds=lambda folds: _held_out_images(folds, bundle, np.arange(len(folds.records))),
    )


def _choose_from_split(split: Split, bundle: Bundle, *, seed: int) -> tuple[Records, EvaluationSet]:
    """Training images calibrate, validation images are measured on."""
    rows = sample(labels_of(split.train), CALIBRATION_IMAGES, seed=seed)
    return [split.train[row] for row in rows], _validation_images(split, bundle)


def _choose_from_folds(folds: Folds, bundle: Bundle, *, seed: int) -> tuple[Records, EvaluationSet]:
    """Some of the images calibrate, all others are measured on."""
    images = len(folds.records)
    rows = sample(labels_of(folds.records), min(CALIBRATION_IMAGES, int(SHARE_OF_FOLDS * images)), seed=seed)
    others = np.setdiff1d(np.arange(images), rows)
    return [folds.records[row] for row in rows], _held_out_images(folds, bundle, others)


def _validation_images(split: Split, bundle: Bundle) -> EvaluationSet:
    manifest = bundle.manifest
    return EvaluationSet(
        split.validation, "validation images", manifest.preprocessing, bundle.head, manifest.temperature
    )


def _held_out_images(folds: Folds, bundle: Bundle, rows: NDArray[np.int64]) -> EvaluationSet:
    return EvaluationSet(
        records=[folds.records[row] for row in rows],
        source=HELD_OUT_IMAGES,
        spec=bundle.manifest.preprocessing,
        head=bundle.head,
        temperature=bundle.manifest.temperature,
        of_image=folds.of_image[rows],
        members=folds.count,
    )


def sample(labels: Labels, count: int, *, seed: int) -> NDArray[np.int64]:
    """`count` ascending row numbers of labels [n], int64, stratified by class; all n rows if there are no more."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    count = min(count, len(labels))
    places = (2 * np.arange(count) + 1) * len(labels) // (2 * max(count, 1))
    return np.sort(order[places])
