"""A network of random weights that behaves like a trained one numerically."""

from typing import Any

import keras
import numpy as np

from tests.support.configs import config_of
from training.config import Config
from training.data.synthetic_lesions import draw_squares
from training.networks.network import Network, build, infer


def untrained_network(backbone: str, *, size: int, **changes: Any) -> tuple[Config, Network]:
    """Random weights with BatchNorm statistics taken from drawn images, and logits of order 1.

    Without the statistics the signal of a deep network explodes (EfficientNetV2M: 1e6) and the result is chaotic:
    TensorFlow's own eager and traced execution then disagree.
    """
    keras.utils.set_random_seed(42)
    config = config_of(backbone, size=size, weights="random", **changes)
    network = build(config.model)
    norms = [layer for layer in network.backbone.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    network.backbone(draw_squares(size=size, count=2).astype(np.float32), training=True)
    for layer in norms:
        layer.momentum = 0.99
    largest = np.abs(infer(network, draw_squares(size=size, count=2))).max()
    network.head.set_weights([array / largest for array in network.head.get_weights()])
    return config, network
