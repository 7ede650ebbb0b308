"""Backbone + global average pooling + dropout + dense: the network, returning logits and features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference.taxonomy import CLASSES
from training import backbones
from training.config import Config, ModelConfig
from training.dataset import batches
from training.halving import halve, rounded

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@dataclass(frozen=True, slots=True)
class Responses:
    """What a network says of n images: logits float32 [n, 7] and its last features, averaged over the image,
    float32 [n, C].
    """

    logits: NDArray[np.float32]
    pooled: NDArray[np.float32]


@dataclass(frozen=True)
class Network:
    """One network and its two parts. `model`: uint8 [n, s, s, 3] -> {"logits" [n, 7], "features" [n, h, w, C]}.

    `forward` is the same as one traced function, never training; export takes its graph. `strategy` distributes it.
    """

    model: keras.Model
    backbone: keras.Model
    head: keras.layers.Dense
    forward: tf.types.experimental.GenericFunction
    strategy: tf.distribute.Strategy


def build(config: ModelConfig, *, strategy: tf.distribute.Strategy | None = None) -> Network:
    """Build the network under Keras's current dtype policy; pooling and head are float32, the head gives logits."""
    import keras
    import tensorflow as tf

    size = config.preprocessing.size
    weights: backbones.Weights = "imagenet" if config.weights == "imagenet" else None
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        backbone = backbones.build(config.backbone, size=size, weights=weights)
        head = keras.layers.Dense(len(CLASSES), dtype="float32", name="head")
        image = keras.Input((size, size, 3), dtype="uint8", name="image")
        features = backbone(keras.layers.Rescaling(1.0, name="to_float")(image))
        pooled = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(features)
        logits = head(keras.layers.Dropout(config.dropout, dtype="float32", name="dropout")(pooled))
        model = keras.Model(image, {"logits": logits, "features": features}, name=config.backbone.replace("-", "_"))

    return Network(model=model, backbone=backbone, head=head, forward=traced(model, size), strategy=strategy)


def traced(model: keras.Model, size: int) -> tf.types.experimental.GenericFunction:
    """The model on uint8 [n, size, size, 3] as one traced function, never training."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8, name="image")])
    def forward(image: tf.Tensor) -> Any:
        return model(image, training=False)

    return forward


def build_for(config: Config) -> Network:
    """The network of a run, in its precision and distributed over the machine's GPUs if it says so."""
    import keras
    import tensorflow as tf

    keras.config.set_dtype_policy(config.optimiser.precision)
    mirrored = config.optimiser.distribute == "mirrored"
    try:
        return build(config.model, strategy=tf.distribute.MirroredStrategy() if mirrored else None)
    finally:
        keras.config.set_dtype_policy("float32")


def resized(network: Network, config: Config, size: int | None) -> Network:
    """A network for images of `size` pixels with the same weights; the network itself if that is its size."""
    spec = config.model.preprocessing
    if size in (None, spec.size):
        return network
    other = spec.model_copy(update={"size": size})
    built = build_for(config.model_copy(update={"model": config.model.model_copy(update={"preprocessing": other})}))
    built.model.set_weights(network.model.get_weights())
    return built


def for_export(network: Network, config: Config) -> Network:
    """The same weights in a network that computes in float32 on one device: what is evaluated and exported.

    If the graph is to store 16 bits, the weights are rounded to what those can hold.
    """
    single = build(config.model)
    single.model.set_weights(network.model.get_weights())
    if config.stored_as == "float16":
        halve(single.backbone)
        single.head.set_weights([rounded(each) for each in single.head.get_weights()])
    return single


def shift_bias(network: Network, offsets: NDArray[np.float64]) -> None:
    """Add offsets [7] to the head's bias, and so to every logit."""
    w, b = network.head.get_weights()
    network.head.set_weights([w, (b + offsets).astype(np.float32)])


def infer(network: Network, images: NDArray[np.uint8], *, batch: int = 32) -> NDArray[np.float32]:
    """The logits float32 [n, 7] of uint8 [n, s, s, 3], without training."""
    return respond(network, images, batch=batch).logits


def respond(network: Network, images: NDArray[np.uint8], *, batch: int = 32) -> Responses:
    """Logits and pooled features of uint8 [n, s, s, 3], without training."""
    found = [network.forward(rows) for rows in batches(images, batch=batch)]
    return Responses(
        logits=np.concatenate([np.asarray(one["logits"], np.float32) for one in found]),
        pooled=np.concatenate([np.asarray(one["features"], np.float32).mean(axis=(1, 2)) for one in found]),
    )


def unfreeze(backbone: keras.Model, layers: int, *, batch_norm: int = 0) -> None:
    """Let only the last `layers` layers of the flat backbone train, and BatchNorm only among the last `batch_norm`.

    Every other BatchNorm is frozen itself: under Keras 3.15 an outer `training=True` overrides
    `backbone(x, training=False)` and moves its statistics otherwise.
    """
    import keras

    backbone.trainable = True
    for position, layer in enumerate(backbone.layers):
        last = batch_norm if isinstance(layer, keras.layers.BatchNormalization) else layers
        layer.trainable = position >= len(backbone.layers) - last
