"""The stages of training. So far: warm-up, the head on the frozen backbone's features."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from inference.taxonomy import CLASSES
from inference.views import GROUP
from training.config import WarmUpConfig
from training.dataset import Part
from training.model import Network, freeze, infer

History = dict[str, list[float]]


def warm_up(network: Network, *, train: Part, validation: Part, config: WarmUpConfig, seed: int) -> History:
    """Train the head; the backbone is frozen, so the features of every view are computed once."""
    freeze(network.backbone)
    features = np.concatenate(
        [infer(network, view.apply(train.images, (1, 2))).pooled for view in GROUP[: config.views]]
    )
    labels = np.tile(train.labels, config.views)
    inputs = keras.Input((features.shape[1],))
    head = keras.Model(inputs, network.head(keras.layers.Dropout(network.dropout, seed=seed)(inputs)))
    head.compile(
        optimizer=keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    fitted = head.fit(
        features,
        _one_hot(labels),
        sample_weight=class_weights(train.labels, config.class_weights)[labels],
        validation_data=(infer(network, validation.images).pooled, _one_hot(validation.labels)),
        epochs=config.epochs,
        batch_size=config.batch,
        verbose=0,
    )
    return {name: [float(value) for value in values] for name, values in fitted.history.items()}


def class_weights(labels: NDArray[np.int64], kind: str) -> NDArray[np.float32]:
    """The weight of each class in the loss, [7]: ones, or inverse to its frequency ("balanced")."""
    counts = np.bincount(labels, minlength=len(CLASSES))
    if kind == "none":
        return np.ones(len(CLASSES), np.float32)
    return (len(labels) / (len(CLASSES) * np.maximum(counts, 1))).astype(np.float32)


def _one_hot(labels: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.eye(len(CLASSES), dtype=np.float32)[labels]
