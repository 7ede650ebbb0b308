"""The network: backbone, global average pooling, dropout and a dense layer. It returns logits and features."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference.domain.taxonomy import CLASSES
from training import backbones
from training.config import Config, ModelConfig, PatientConfig
from training.data.patients import width
from training.data.prepared_images import batches
from training.networks.float16 import halve, rounded

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@dataclass(frozen=True, slots=True)
class Responses:
    """The outputs of a network for n images: logits float32 [n, 7], and the last features averaged over each image,
    float32 [n, C].
    """

    logits: NDArray[np.float32]
    pooled: NDArray[np.float32]


@dataclass(frozen=True)
class Network:
    """A network, its backbone and its head.

    `model`: uint8 [n, s, s, 3] -> {"logits": float32 [n, 7], "features": [n, h, w, C]}. `forward`: the model in
    inference mode as one traced function, whose graph is exported. `strategy`: how it is distributed over devices.
    `patients`: what is known of the patient, float32 [n, m] -> what it adds to the logits in training, float32 [n, 7].
    """

    model: keras.Model
    backbone: keras.Model
    head: keras.layers.Dense
    forward: tf.types.experimental.GenericFunction
    strategy: tf.distribute.Strategy
    patients: keras.Model | None = None


def build(
    config: ModelConfig, *, strategy: tf.distribute.Strategy | None = None, patients: PatientConfig | None = None
) -> Network:
    """Build the network under Keras's current dtype policy; pooling and head are float32, the head returns logits."""
    import keras
    import tensorflow as tf

    size = config.preprocessing.size
    weights: backbones.Weights = None if config.weights == "random" else config.weights
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        backbone = backbones.build(config.backbone, size=size, weights=weights)
        head = keras.layers.Dense(len(CLASSES), dtype="float32", name="head")
        image = keras.Input((size, size, 3), dtype="uint8", name="image")
        features = backbone(keras.layers.Rescaling(1.0, name="to_float")(image))
        pooled = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(features)
        logits = head(keras.layers.Dropout(config.dropout, dtype="float32", name="dropout")(pooled))
        model = keras.Model(image, {"logits": logits, "features": features}, name=config.backbone.replace("-", "_"))
        addition = patients_addition(patients) if patients else None

    forward = traced(model, size)
    return Network(model, backbone, head, forward=forward, strategy=strategy, patients=addition)


def patients_addition(config: PatientConfig) -> keras.Model:
    """What the patient's attributes add to the logits. Without a bias, zeros (nothing is known) add nothing.

    Its last weights begin as zeros, so that training begins with the network of the images alone.
    """
    import keras

    known = keras.Input((width(config.attributes),), name="patients")
    hidden = keras.layers.Dense(config.units, "relu", use_bias=False, dtype="float32", name="patients_hidden")(known)
    last = keras.layers.Dense(
        len(CLASSES), use_bias=False, kernel_initializer="zeros", dtype="float32", name="patients_logits"
    )
    return keras.Model(known, last(hidden), name="of_patients")


def traced(model: keras.Model, size: int) -> tf.types.experimental.GenericFunction:
    """The model on uint8 [n, size, size, 3] in inference mode as one traced function."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8, name="image")])
    def forward(image: tf.Tensor) -> Any:
        return model(image, training=False)

    return forward


def build_for(config: Config) -> Network:
    """Build the network of a run in its precision, distributed over the machine's GPUs if the run is."""
    import keras
    import tensorflow as tf

    keras.config.set_dtype_policy(config.optimiser.precision)
    mirrored = config.optimiser.distribute == "mirrored"
    try:
        strategy = tf.distribute.MirroredStrategy() if mirrored else None
        return build(config.model, strategy=strategy, patients=config.patients)
    finally:
        keras.config.set_dtype_policy("float32")


def resized(network: Network, config: Config, size: int | None) -> Network:
    """A network with the same weights for images of `size` pixels; the network itself if that is its size."""
    spec = config.model.preprocessing
    if size in (None, spec.size):
        return network
    other = spec.at(size)
    built = build_for(config.model_copy(update={"model": config.model.model_copy(update={"preprocessing": other})}))
    copy_weights(network, built)
    return built


def copy_weights(source: Network, target: Network) -> None:
    """Give a network the weights of another one of the same architecture, for images of any size."""
    target.model.set_weights(source.model.get_weights())
    if source.patients and target.patients:
        target.patients.set_weights(source.patients.get_weights())


def for_export(network: Network, config: Config) -> Network:
    """A float32 network on one device with the same weights, which is evaluated and exported. It takes images alone.

    If the graph stores its weights in float16, the weights are rounded to float16 values.
    """
    single = build(config.model)
    copy_weights(network, single)
    if config.stored_as == "float16":
        halve(single.backbone)
        single.head.set_weights([rounded(weights) for weights in single.head.get_weights()])
    return single


def shift_bias(network: Network, offsets: NDArray[np.float64]) -> None:
    """Add offsets [7] to the bias of the head, and thereby to the logits."""
    w, b = network.head.get_weights()
    network.head.set_weights([w, (b + offsets).astype(np.float32)])


def infer(network: Network, images: NDArray[np.uint8], *, batch: int = 32) -> NDArray[np.float32]:
    """The logits float32 [n, 7] of images uint8 [n, s, s, 3], in inference mode."""
    return respond(network, images, batch=batch).logits


def respond(network: Network, images: NDArray[np.uint8], *, batch: int = 32) -> Responses:
    """The responses to images uint8 [n, s, s, 3], in inference mode."""
    outputs = [network.forward(rows) for rows in batches(images, batch=batch)]
    return Responses(
        logits=np.concatenate([np.asarray(output["logits"], np.float32) for output in outputs]),
        pooled=np.concatenate([np.asarray(output["features"], np.float32).mean(axis=(1, 2)) for output in outputs]),
    )


def features(network: Network, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The last feature maps float32 [n, h, w, C] of images uint8 [n, s, s, 3], in inference mode."""
    return np.asarray(network.forward(images)["features"], np.float32)


def unfreeze(backbone: keras.Model, layers: int, *, batch_norm: int = 0) -> None:
    """Make the last `layers` layers of the flat backbone trainable, and BatchNorm only among the last `batch_norm`.

    Every other BatchNorm layer is frozen individually: in Keras 3.15 an outer `training=True` overrides
    `backbone(x, training=False)` and would update its statistics.
    """
    import keras

    backbone.trainable = True
    for position, layer in enumerate(backbone.layers):
        last = batch_norm if isinstance(layer, keras.layers.BatchNormalization) else layers
        layer.trainable = position >= len(backbone.layers) - last


@contextmanager
def frozen_dropout_off(backbone: keras.Model) -> Iterator[None]:
    """Within the context, the rate of Dropout layers that are not trainable is 0. Keras reads it when it traces a step.

    Stochastic depth regularises trainable blocks. In a frozen block it would only add noise to constant features, and
    Keras 3.15 does not switch it off there: the outer `training=True` reaches every layer.
    """
    import keras

    rates = {layer: layer.rate for layer in backbone.layers if isinstance(layer, keras.layers.Dropout)}
    try:
        for layer, rate in rates.items():
            layer.rate = rate if layer.trainable else 0.0
        yield
    finally:
        for layer, rate in rates.items():
            layer.rate = rate
