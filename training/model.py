"""Backbone + global average pooling + dropout + dense: the network, returning logits and features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference.taxonomy import CLASSES
from training import backbones
from training.config import ModelConfig
from training.dataset import batches

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@dataclass(frozen=True)
class Network:
    """One network and its two parts. `model`: uint8 [n, s, s, 3] -> {"logits" [n, 7], "features" [n, h, w, C]}.

    `forward` is the same as one traced function, never training; export takes its graph.
    """

    model: keras.Model
    backbone: keras.Model
    head: keras.layers.Dense
    dropout: float
    forward: tf.types.experimental.GenericFunction


def build(config: ModelConfig) -> Network:
    """Build the network; its head is float32 and works on logits."""
    import keras
    import tensorflow as tf

    size = config.preprocessing.size
    weights: backbones.Weights = "imagenet" if config.weights == "imagenet" else None
    backbone = backbones.build(config.backbone, size=size, weights=weights)
    head = keras.layers.Dense(len(CLASSES), dtype="float32", name="head")

    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    features = backbone(keras.layers.Rescaling(1.0, name="to_float")(image))
    pooled = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(features)
    logits = head(keras.layers.Dropout(config.dropout, name="dropout")(pooled))
    model = keras.Model(image, {"logits": logits, "features": features}, name=config.backbone.replace("-", "_"))

    @tf.function(input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8, name="image")])
    def forward(image: tf.Tensor) -> Any:
        return model(image, training=False)

    return Network(model=model, backbone=backbone, head=head, dropout=config.dropout, forward=forward)


@dataclass(frozen=True, slots=True)
class Inferred:
    """The network's answers: logits float32 [n, 7], and the features averaged over space, float32 [n, C]."""

    logits: NDArray[np.float32]
    pooled: NDArray[np.float32]


def infer(network: Network, images: NDArray[np.uint8], *, batch: int = 32) -> Inferred:
    """Run the network on uint8 [n, s, s, 3] without training it."""
    found = [network.forward(rows) for rows in batches(images, batch=batch)]
    logits = np.concatenate([np.asarray(outputs["logits"], np.float32) for outputs in found])
    pooled = np.concatenate([np.asarray(outputs["features"], np.float32).mean(axis=(1, 2)) for outputs in found])
    return Inferred(logits, pooled)


def freeze(backbone: keras.Model) -> None:
    """Let no weight of the backbone move.

    Every BatchNorm is named too: under Keras 3.15 an outer `training=True` overrides `backbone(x, training=False)`
    and moves its statistics, unless the layer itself is frozen.
    """
    backbone.trainable = False
    for layer in backbone.layers:
        layer.trainable = False
