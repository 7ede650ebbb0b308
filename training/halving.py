"""Weights that a graph may store in 16 bits without computing anything else than the network does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras


def halve(backbone: keras.Model) -> None:
    """Move every BatchNorm into the convolution before it and round what results to float16, in place.

    An exporter does the same when it fuses them, so what it stores in float16 is exact; rounded before, the products
    would not be. Only for backbones of convolutions without bias, each followed by its BatchNorm, such as Lite2's.
    Raises ValueError for any other.
    """
    import keras

    absorbed = set()
    for norm in backbone.layers:
        if not isinstance(norm, keras.layers.BatchNormalization):
            continue
        convolution = norm.input._keras_history.operation
        if not isinstance(convolution, keras.layers.Conv2D | keras.layers.DepthwiseConv2D) or convolution.use_bias:
            raise ValueError(f"{norm.name} does not follow a convolution without bias")
        gamma, beta, mean, variance = (np.asarray(each, np.float64) for each in norm.get_weights())
        scale = gamma / np.sqrt(variance + norm.epsilon)
        (kernel,) = convolution.get_weights()
        depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
        convolution.set_weights([rounded(kernel * (scale[:, np.newaxis] if depthwise else scale))])
        one = np.ones_like(gamma)
        norm.set_weights([one, rounded(beta - mean * scale), 0 * one, (1 - norm.epsilon) * one])
        absorbed |= {norm.name, convolution.name}
    if left := [layer.name for layer in backbone.layers if layer.weights and layer.name not in absorbed]:
        raise ValueError(f"{left[0]} is no convolution with a BatchNorm")


def rounded(weights: NDArray[np.floating]) -> NDArray[np.float32]:
    """The nearest float16 values, as float32."""
    return weights.astype(np.float16).astype(np.float32)
