"""A network of a few hundred weights, which trains in moments, without BatchNorm and dropout."""

import keras
import tensorflow as tf

from training.networks.network import Network, traced


def tiny_network(size: int = 32, seed: int = 1) -> Network:
    """One convolution and the head; the same seed gives the same weights."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((size, size, 3))
    backbone = keras.Model(inputs, keras.layers.Conv2D(6, 8, strides=8, activation="relu")(inputs / 255))
    head = keras.layers.Dense(7, name="head")
    image = keras.Input((size, size, 3), dtype="uint8")
    features = backbone(keras.layers.Rescaling(1.0)(image))
    logits = head(keras.layers.GlobalAveragePooling2D()(features))
    model = keras.Model(image, {"logits": logits, "features": features})
    return Network(
        model=model, backbone=backbone, head=head, forward=traced(model, size), strategy=tf.distribute.get_strategy()
    )
