"""Draws class maps as heat maps and overlays, in the geometry of the upright image."""

import struct
from dataclasses import dataclass

import cv2
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from inference.explainers import colormap
from inference.imaging.preprocessing import Box, reduced_size

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
    return Canvas(*reduced_size(width=width, height=height, side=side), box)


def levels(class_map: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A class map [h, w] in grey levels of its own maximum: uint8 [h, w]; all zero without positive evidence."""
    peak = class_map.max()
    return np.rint(class_map / peak * 255).astype(np.uint8) if peak > 0 else np.zeros(class_map.shape, np.uint8)


def heatmap(class_map: NDArray[np.float32], *, on: Canvas) -> NDArray[np.uint8]:
    """Scale a class map [h, w] by its own maximum and resize it bilinearly to the field of view: uint8 [height, width].

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
    """The upright image uint8 [H, W, 3] at the canvas's size, area-averaged if it shrinks."""
    if rgb.shape[:2] == (on.height, on.width):
        return rgb
    return np.asarray(cv2.resize(rgb, (on.width, on.height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def overlay(rgb: NDArray[np.uint8], grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blend the coloured heat map with the image; opacity grows with the evidence, up to OPACITY.

    rgb uint8 [h, w, 3] and grey uint8 [h, w] of one size -> uint8 [h, w, 3].
    """
    opacity = np.arange(256, dtype=np.float32) * (OPACITY / 255)
    mixed = rgb.copy()
    x, y, width, height = cv2.boundingRect(grey)
    if width:  # where nothing is evident, nothing is blended
        part = np.s_[y : y + height, x : x + width]
        colours = cv2.applyColorMap(grey[part], colormap.table()[:, np.newaxis])  # a fifth of the time of cv2.LUT
        weights = cv2.LUT(grey[part], 1 - opacity), cv2.LUT(grey[part], opacity)
        mixed[part] = cv2.blendLinear(rgb[part], colours, *weights)
    return mixed


_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {(): 0, (3,): 2}  # grey and RGB, by what follows height and width in the shape
_UP = 2  # the filter of every row: what it has more than the row above


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode grey [h, w] or RGB [h, w, 3] uint8 as PNG, with the deflate of ISA-L: `python -m benchmarks.drawing`.

    Format: ISO/IEC 15948, W3C's "Portable Network Graphics", third edition. Raises ValueError for another shape or
    dtype, and without pixels.
    """
    if pixels.dtype != np.uint8 or not pixels.size or pixels.ndim < 2 or pixels.shape[2:] not in _COLOUR_TYPES:
        raise ValueError(f"A PNG has uint8 [h, w] or [h, w, 3], not {pixels.dtype} {list(pixels.shape)}.")
    height, width = pixels.shape[:2]
    colour_type = _COLOUR_TYPES[pixels.shape[2:]]
    rows = pixels.reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    data = isal_zlib.compress(filtered, 1)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", isal_zlib.crc32(data, isal_zlib.crc32(kind)))
