"""What stands beside skin in a dermoscopic image, drawn on squares of 224 pixels; and the same lesion on dark skin."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
SIDE = 224


def circle(square: Pixels) -> Pixels:
    """A dermoscope's black surround."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return np.asarray(np.where((np.hypot(rows, columns) > 104)[..., np.newaxis], 3, square), np.uint8)


def touching_circle(square: Pixels) -> Pixels:
    """Its edge lies on the edge of the picture."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    light = np.clip(112 - np.hypot(rows, columns) + 0.5, 0, 1)[..., np.newaxis]
    return np.asarray(square * light, np.uint8)


def frame(square: Pixels) -> Pixels:
    """Black bars above and below."""
    framed = square.copy()
    framed[:30] = framed[-30:] = 0
    return framed


def caption(square: Pixels) -> Pixels:
    """Words in white and in black."""
    text = square.copy()
    for words, place, colour in (("IMG 2041 12:30", (8, 215), (255,) * 3), ("Dr. 10x", (8, 20), (20,) * 3)):
        cv2.putText(text, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1)
    return text


def ruler(square: Pixels) -> Pixels:
    """A scale with ticks."""
    ruled = square.copy()
    ruled[190:192] = 10
    for column in range(0, SIDE, 8):
        ruled[180 if column % 40 == 0 else 185 : 190, column] = 10
    return ruled


def ink(square: Pixels) -> Pixels:
    """A line of a marker."""
    return np.asarray(cv2.ellipse(square.copy(), (112, 112), (90, 80), 0, 20, 200, (70, 40, 120), 6), np.uint8)


def nothing(square: Pixels) -> Pixels:
    """The square as it is."""
    return square


ARTEFACTS: dict[str, Callable[[Pixels], Pixels]] = {
    each.__name__: each for each in (nothing, circle, touching_circle, frame, caption, ruler, ink)
}


def blurred(square: Pixels, sigma: float) -> Pixels:
    """Gaussian blur."""
    return np.asarray(cv2.GaussianBlur(square, (0, 0), sigma), np.uint8)


def dark_skin(square: Pixels, lightness: float) -> Pixels:
    """The same structure on skin whose median lightness L* is this; 25 to 35 is the darkest skin type."""
    lab = cv2.cvtColor(square.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lab[..., 0] *= lightness / np.median(lab[..., 0])
    lab[..., 1:] *= 0.7
    return np.asarray((255 * cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)).clip(0, 255), np.uint8)
