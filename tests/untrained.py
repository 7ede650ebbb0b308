"""A network of random weights that behaves like a trained one numerically."""

import numpy as np
import tensorflow as tf

from tests.configs import config_of
from training.config import Config
from training.drawn import draw_squares
from training.model import Network, build, infer


def untrained_network(backbone: str, *, size: int, **changes: object) -> tuple[Config, Network]:
    """Random weights with BatchNorm statistics taken from drawn images, and logits of order 1.

    Without the statistics the signal of a deep network explodes (EfficientNetV2M: 1e6) and the result is chaotic:
    TensorFlow's own eager and traced execution then disagree.
    """
    tf.keras.utils.set_random_seed(42)
    config = config_of(backbone, size=size, weights="random", **changes)
    network = build(config.model)
    norms = [layer for layer in network.backbone.layers if isinstance(layer, tf.keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    network.backbone(draw_squares(size=size, count=4).astype(np.float32), training=True)
    for layer in norms:
        layer.momentum = 0.99
    largest = np.abs(infer(network, draw_squares(size=size, count=2))).max()
    network.head.set_weights([array / largest for array in network.head.get_weights()])
    return config, network
