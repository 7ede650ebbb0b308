"""The images that an int8 graph is made from and measured on: drawn by a seed, every class in its share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.bundle import Bundle
from training.config import InvalidConfig
from training.dataset import labels_of, prepare_images
from training.drawn import draw_squares
from training.evaluation import HELD_OUT_IMAGES
from training.fidelity import EvaluationSet
from training.folds import Folds
from training.metrics import Labels
from training.refit import read_origin

CALIBRATION_IMAGES = 300
SHARE_OF_FOLDS = 0.1  # held-out images that calibrate are not measured on: at most so many
DRAWN_IMAGES = 4  # enough for a network that nobody trained: only its speed will be looked at


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a graph is calibrated and measured on: images uint8 [n, s, s, 3], and in words what they are.

    Without an evaluation nothing is measured.
    """

    images: NDArray[np.uint8]
    calibration: str
    evaluation: EvaluationSet | None


def gather(bundle: Bundle, data: Path, *, ungated: bool) -> Material:
    manifest = bundle.manifest
    spec = manifest.preprocessing
    if not manifest.trained:
        if not ungated:
            raise InvalidConfig(f"{bundle.path} is untrained: there is nothing that int8 could lose. Give --ungated.")
        return Material(draw_squares(size=spec.size, count=DRAWN_IMAGES), f"{DRAWN_IMAGES} drawn lesions", None)
    config, split = read_origin(bundle, data)
    pool = split.records if isinstance(split, Folds) else split.train
    count = min(CALIBRATION_IMAGES, int(SHARE_OF_FOLDS * len(pool)) if isinstance(split, Folds) else len(pool))
    rows = sample(labels_of(pool), count, seed=config.seed)
    images = prepare_images([pool[row] for row in rows], spec)
    calibration = f"{count} training images"
    if ungated:
        return Material(images, calibration, None)
    if isinstance(split, Folds):
        kept = np.setdiff1d(np.arange(len(pool)), rows)
        evaluation = EvaluationSet(
            records=[pool[row] for row in kept],
            source=HELD_OUT_IMAGES,
            spec=spec,
            head=bundle.head,
            temperature=manifest.temperature,
            of_image=split.of_image[kept],
            members=split.count,
        )
    else:
        evaluation = EvaluationSet(split.validation, "validation images", spec, bundle.head, manifest.temperature)
    return Material(images, calibration, evaluation)


def sample(labels: Labels, count: int, *, seed: int) -> NDArray[np.int64]:
    """`count` row numbers of labels [n], rising, each class in its share: all of them if there are no more."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    count = min(count, len(labels))
    places = (2 * np.arange(count) + 1) * len(labels) // (2 * max(count, 1))
    return np.sort(order[places])
