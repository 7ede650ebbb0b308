"""Preprocessing of a decoded image: its field of view, and the square that is the model's input."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from inference.imaging.decoding import decode

Fit = Literal["squash", "center-crop"]
MARGIN = 2  # what a reduced decoding keeps of what is needed


class Preprocessing(BaseModel):
    """How an image is fitted to the model's input, a square of `size` x `size` pixels.

    squash: the whole image is used, and its aspect ratio changes. center-crop: the largest centred square is used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=32, le=1024)
    fit: Fit

    def at(self, size: int) -> Self:
        """The same preprocessing for another input size in pixels. Raises ValueError."""
        return self.model_validate({"size": size, "fit": self.fit})


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the upright image."""

    x: int
    y: int
    width: int
    height: int


def reduced_size(*, width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height of an image whose longest side is reduced to `side` pixels; a smaller image keeps its size."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def allowed_reduction(spec: Preprocessing, *, side: int) -> Callable[[int, int], int]:
    """By which factor an image of (width, height) may be reduced before it is fitted.

    Of what the model's square needs, each side of the field of view keeps at least twice as much; of a picture whose
    longest side is `side` pixels, at least twice as many pixels remain; with side 0 no picture is needed.
    """

    def reduction(width: int, height: int) -> int:
        view = field_of_view(width=width, height=height, spec=spec)
        factor = min(view.width, view.height) / (MARGIN * spec.size)
        if side:
            wanted = max(reduced_size(width=width, height=height, side=side))
            factor = min(factor, max(width, height) / (MARGIN**0.5 * wanted))
        return max(1, int(factor))

    return reduction


def fit(rgb: NDArray[np.uint8], spec: Preprocessing) -> NDArray[np.uint8]:
    """Resize RGB uint8 [h, w, 3] to the model's input, uint8 [size, size, 3].

    Area averaging where the image shrinks, because bilinear interpolation aliases; bilinear where it grows.
    """
    box = field_of_view(width=rgb.shape[1], height=rgb.shape[0], spec=spec)
    square = rgb[box.y : box.y + box.height, box.x : box.x + box.width]
    # Shrink first, then grow: OpenCV's INTER_AREA averages only if neither axis grows.
    shrunk = _resize(square, width=min(box.width, spec.size), height=min(box.height, spec.size), method=cv2.INTER_AREA)
    return _resize(shrunk, width=spec.size, height=spec.size, method=cv2.INTER_LINEAR)


def field_of_view(*, width: int, height: int, spec: Preprocessing) -> Box:
    """The part of an image of width x height pixels that becomes the model's input."""
    if spec.fit == "squash":
        return Box(0, 0, width, height)
    side = min(width, height)
    return Box((width - side) // 2, (height - side) // 2, side, side)


def prepare(data: bytes, spec: Preprocessing) -> NDArray[np.uint8]:
    """Decode an image file and fit it: uint8 [size, size, 3]. Raises ImageError."""
    return fit(decode(data, reduction=allowed_reduction(spec, side=0)).rgb, spec)


def _resize(rgb: NDArray[np.uint8], *, width: int, height: int, method: int) -> NDArray[np.uint8]:
    if rgb.shape[:2] == (height, width):
        return rgb
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=method), dtype=np.uint8)
