"""Rounds the weights of a network so that a graph can store them in float16 without a change of its outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras


def halve(backbone: keras.Model) -> None:
    """Fuse every BatchNorm into the convolution before it and round the result to float16 values, in place.

    An exporter also fuses them, and can then store the products in float16 exactly; products of weights that were
    rounded before fusing would not be float16 values. The backbone must consist of convolutions without bias, each
    followed by its BatchNorm, such as Lite2. Raises ValueError for any other backbone.
    """
    import keras

    fused = set()
    for norm in backbone.layers:
        if not isinstance(norm, keras.layers.BatchNormalization):
            continue
        convolution = norm.input._keras_history.operation
        if not isinstance(convolution, keras.layers.Conv2D | keras.layers.DepthwiseConv2D) or convolution.use_bias:
            raise ValueError(f"{norm.name} does not follow a convolution without bias")
        gamma, beta, mean, variance = (np.asarray(weights, np.float64) for weights in norm.get_weights())
        scale = gamma / np.sqrt(variance + norm.epsilon)
        (kernel,) = convolution.get_weights()
        depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
        convolution.set_weights([rounded(kernel * (scale[:, np.newaxis] if depthwise else scale))])
        one = np.ones_like(gamma)
        norm.set_weights([one, rounded(beta - mean * scale), 0 * one, (1 - norm.epsilon) * one])
        fused |= {norm.name, convolution.name}
    if left := [layer.name for layer in backbone.layers if layer.weights and layer.name not in fused]:
        raise ValueError(f"{left[0]} is not a convolution followed by a BatchNorm")


def rounded(weights: NDArray[np.floating]) -> NDArray[np.float32]:
    """The nearest float16 values, as float32 of the same shape."""
    return weights.astype(np.float16).astype(np.float32)
