"""Image quality: sharpness and brightness of the skin that the model sees, and the warnings that follow from them."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

QualityWarning = Literal["blurred", "dark"]

MAX_SIDE = 224  # pixels: sharpness depends on the scale, and models have inputs of different sizes
# These limits were chosen on HAM10000's images, see docs/decisions/0012-input-quality.md.
LEAST_SHARPNESS = 11.5
LEAST_BRIGHTNESS = 50.0

_USUAL_BRIGHTNESS = 150.0  # of HAM10000's images; contrast, and with it sharpness, falls with the light
_BLACK = 16  # grey level of what a dermoscope's tube or a frame leaves unlit
_MOST_UNLIT = 0.7  # share; what is darker than that is a dark picture and not a frame
_UNLIT_EDGE = 9  # pixels by which the unlit part is widened: its edge is sharp
# Captions, rulers and ink: strong edges of what is nearly black or white, or more blue or green than red.
_STRONG_EDGE = 20.0
_NEARLY_BLACK, _NEARLY_WHITE, _NOT_SKIN = 30, 235, 10
_ARTEFACT_EDGE = 9


def find_quality_warnings(square: NDArray[np.uint8]) -> tuple[QualityWarning, ...]:
    """Warnings for the model's input, RGB uint8 [s, s, 3]; it is measured at a side of at most MAX_SIDE pixels."""
    if square.shape[0] > MAX_SIDE:
        square = np.asarray(cv2.resize(square, (MAX_SIDE, MAX_SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    grey = np.asarray(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY), np.uint8)
    lit = find_lit_part(grey)
    warnings: list[QualityWarning] = []
    if sharpness(square, lit) < LEAST_SHARPNESS:
        warnings.append("blurred")
    if brightness(grey, lit) < LEAST_BRIGHTNESS:
        warnings.append("dark")
    return tuple(warnings)


def find_lit_part(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where grey levels uint8 [h, w] are not the black surround of a dermoscope or a frame, bool [h, w]."""
    black = (grey < _BLACK).astype(np.uint8)
    everything = np.ones(grey.shape, np.bool_)
    border = np.zeros(grey.shape, np.bool_)
    border[[0, -1], :] = border[:, [0, -1]] = True
    if not black[border].any():
        return everything
    _, labels = cv2.connectedComponents(black, connectivity=8)
    outside = np.isin(labels, np.unique(labels[border & (black > 0)])) | border
    unlit = _widened(outside, _UNLIT_EDGE)
    return everything if unlit.mean() > _MOST_UNLIT else ~unlit


def sharpness(rgb: NDArray[np.uint8], lit: NDArray[np.bool_]) -> float:
    """Variance of the Laplacian of the grey levels of RGB uint8 [h, w, 3], as in an image of usual brightness.

    lit: the pixels that count, bool [h, w]; captions, rulers and ink do not. Skin without structure scores as low as a
    blurred image. Measure LAP4 of Pertuz, Puig and Garcia, Pattern Recognition 46 (2013).
    """
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
    laplacian = cv2.Laplacian(grey, cv2.CV_64F)
    skin = lit & ~_find_artefacts(rgb, grey, laplacian)
    seen = laplacian[skin] if skin.any() else laplacian
    return float(seen.var()) * _USUAL_BRIGHTNESS / max(1.0, brightness(grey, lit))


def _find_artefacts(
    rgb: NDArray[np.uint8], grey: NDArray[np.uint8], laplacian: NDArray[np.float64]
) -> NDArray[np.bool_]:
    red, green, blue = cv2.split(rgb)
    cold = np.asarray(cv2.subtract(cv2.max(green, blue), red))  # at least 0
    unlike_skin = (grey < _NEARLY_BLACK) | (grey > _NEARLY_WHITE) | (cold > _NOT_SKIN)
    strong = _widened(unlike_skin, 3) & (np.abs(laplacian) > _STRONG_EDGE)
    return _widened(strong, _ARTEFACT_EDGE)


def _widened(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0)


def brightness(grey: NDArray[np.uint8], lit: NDArray[np.bool_]) -> float:
    """Mean of the lit grey levels uint8 [h, w], 0 to 255 (luma of ITU-R BT.601)."""
    return float(grey[lit].mean())
