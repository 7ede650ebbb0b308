"""A backbone with every kind of layer that training treats in its own way, and few of each: it is traced in moments."""

import keras

from training.backbones import BACKBONES, Backbone, Weights

NAME, CHANNELS = "small", 128
BLOCKS = ((16, 1), (16, 1), (48, 2), (48, 1), (CHANNELS, 2), (CHANNELS, 1))  # channels and strides


def register_small_backbone() -> None:
    """Let configurations of this process name it."""
    BACKBONES[NAME] = Backbone(NAME, 64, "Made for tests.", _build, float16=True)


def _build(name: str, size: int, weights: Weights) -> keras.Model:
    """Depthwise and pointwise convolutions with BatchNorm; a block that keeps its shape is skipped at random."""
    if weights is not None:
        raise ValueError(f"{name} has no weights {weights!r}")
    image = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = _normalised(keras.layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(x), "relu6")
    for channels, strides in BLOCKS:
        depthwise = keras.layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)
        y = _normalised(depthwise(x), "relu6")
        y = _normalised(keras.layers.Conv2D(channels, 1, use_bias=False)(y))
        if strides == 1 and x.shape[-1] == channels:
            y = keras.layers.Add()([x, keras.layers.Dropout(0.2, noise_shape=(None, 1, 1, 1))(y)])
        x = y
    return keras.Model(image, keras.layers.ReLU(max_value=6)(x), name=name)


def _normalised(x: keras.KerasTensor, activation: str | None = None) -> keras.KerasTensor:
    x = keras.layers.BatchNormalization(momentum=0.5)(x)  # the statistics of few steps are enough
    return keras.layers.Activation(activation)(x) if activation else x
