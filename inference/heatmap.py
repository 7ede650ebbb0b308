"""Class map + picture -> heat map and overlay, in the geometry of the upright image."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference import colormap
from inference.image import Box

MAX_SIDE = 1024
OPACITY = 0.6


@dataclass(frozen=True, slots=True)
class Canvas:
    """The size of the PNGs, width x height, and the field of view `box` in their pixels."""

    width: int
    height: int
    box: Box


def canvas(*, width: int, height: int, view: Box, side: int = MAX_SIDE) -> Canvas:
    """The upright image's geometry, reduced so that its longest side is at most `side` pixels."""
    scale = min(1.0, side / max(width, height))
    left, top = round(view.x * scale), round(view.y * scale)
    right, bottom = round((view.x + view.width) * scale), round((view.y + view.height) * scale)
    box = Box(left, top, max(1, right - left), max(1, bottom - top))
    return Canvas(max(1, round(width * scale)), max(1, round(height * scale)), box)


def heatmap(class_map: NDArray[np.float32], *, on: Canvas) -> NDArray[np.uint8]:
    """Scale a class map [h, w] by its own maximum and lay it bilinearly on the canvas: grey uint8 [height, width].

    Zero outside the field of view; all zero for a map without positive evidence.
    """
    grey = np.zeros((on.height, on.width), np.uint8)
    peak = class_map.max()
    if peak > 0:
        levels = (class_map / peak * 255).astype(np.float32)
        large = cv2.resize(levels, (on.box.width, on.box.height), interpolation=cv2.INTER_LINEAR)
        rows, columns = slice(on.box.y, on.box.y + on.box.height), slice(on.box.x, on.box.x + on.box.width)
        grey[rows, columns] = np.rint(large)
    return grey


def reduce(rgb: NDArray[np.uint8], *, on: Canvas) -> NDArray[np.uint8]:
    """The upright image uint8 [H, W, 3] at the canvas's size, averaged where it shrinks."""
    if rgb.shape[:2] == (on.height, on.width):
        return rgb
    return np.asarray(cv2.resize(rgb, (on.width, on.height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def overlay(rgb: NDArray[np.uint8], grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay the coloured heat map on the image: the stronger the evidence, the more opaque, at most OPACITY.

    rgb uint8 [h, w, 3] and grey uint8 [h, w] of one size -> uint8 [h, w, 3].
    """
    opacity = np.arange(256, dtype=np.float32) * (OPACITY / 255)
    colours = cv2.LUT(cv2.merge([grey] * 3), colormap.table()[np.newaxis])
    mixed = cv2.blendLinear(rgb, colours, cv2.LUT(grey, 1 - opacity), cv2.LUT(grey, opacity))
    return np.asarray(mixed, dtype=np.uint8)


# The fastest ways of OpenCV 5 that are not larger than its default's; `python -m benchmarks.drawing` compares them all.
_GREY = (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB)
_COLOUR = (
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG),
)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode grey [h, w] or RGB [h, w, 3] uint8 as PNG, fast rather than small."""
    grey = pixels.ndim == 2
    how = [cv2.IMWRITE_PNG_COMPRESSION, 1, *(_GREY if grey else _COLOUR)]
    done, encoded = cv2.imencode(".png", pixels if grey else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), how)
    if not done:
        raise RuntimeError(f"OpenCV could not encode an image of shape {pixels.shape}")
    return encoded.tobytes()
