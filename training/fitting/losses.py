"""The loss on logits and soft labels, which includes the class weights."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from inference.domain.taxonomy import CLASSES
from training.config import LossConfig

Loss = Callable[[object, object], object]


def build_loss(config: LossConfig, labels: NDArray[np.int64]) -> Loss:
    """A function loss(labels [b, 7], logits [b, 7]) -> float32 [b].

    Class weights come from the training `labels` and are applied as sum_c y_c w_c: Keras's `class_weight` takes the
    argmax of a soft label, which is wrong for MixUp and CutMix. Logits are adjusted as LossConfig describes.
    """
    weights = keras.ops.convert_to_tensor(class_weights(labels, config.class_weights))
    offsets = keras.ops.convert_to_tensor(config.logit_adjustment * log_priors(labels))

    def loss(truth: object, logits: object) -> object:
        truth, logits = keras.ops.cast(truth, "float32"), keras.ops.cast(logits, "float32") + offsets
        importance = keras.ops.sum(truth * weights, axis=-1)
        if config.kind == "focal":
            entropy = keras.losses.categorical_focal_crossentropy(
                truth,
                logits,
                alpha=config.focal_alpha,
                gamma=config.focal_gamma,
                from_logits=True,
                label_smoothing=config.label_smoothing,
            )
        else:
            entropy = keras.losses.categorical_crossentropy(
                truth, logits, from_logits=True, label_smoothing=config.label_smoothing
            )
        return importance * entropy

    return loss


def class_weights(labels: NDArray[np.int64], kind: str) -> NDArray[np.float32]:
    """The weight of each class, float32 [7]: 1 ("none"), or inversely proportional to its frequency ("balanced")."""
    counts = np.bincount(labels, minlength=len(CLASSES))
    if kind == "none":
        return np.ones(len(CLASSES), np.float32)
    return (len(labels) / (len(CLASSES) * np.maximum(counts, 1))).astype(np.float32)


def log_priors(labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Logarithm of the frequency of each class, float32 [7]; a class without images counts as if it had one."""
    counts = np.maximum(np.bincount(labels, minlength=len(CLASSES)), 1)
    return np.asarray(np.log(counts / counts.sum()), np.float32)
