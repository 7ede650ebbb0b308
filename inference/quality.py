"""Can the picture be judged at all? Sharpness and brightness of the square that the model sees."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Flaw = Literal["blurred", "dark"]

SIDE = 224  # pixels: sharpness depends on the scale, and models have inputs of different sizes
# Both limits were chosen on HAM10000's validation images, see docs/decisions/0012-input-quality.md.
LEAST_SHARPNESS = 14.0
LEAST_BRIGHTNESS = 80.0


def find_flaws(square: NDArray[np.uint8]) -> tuple[Flaw, ...]:
    """What is wrong with a square uint8 RGB [s, s, 3], looked at in at most SIDE pixels."""
    if square.shape[0] > SIDE:
        square = np.asarray(cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    grey = np.asarray(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY), np.uint8)
    found: list[Flaw] = []
    if sharpness(grey) < LEAST_SHARPNESS:
        found.append("blurred")
    if brightness(grey) < LEAST_BRIGHTNESS:
        found.append("dark")
    return tuple(found)


def sharpness(grey: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of grey levels [h, w]: measure LAP4 of Pertuz, Puig and Garcia, Pattern Recognition 46
    (2013). Skin without any structure is as low as blur.
    """
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())


def brightness(grey: NDArray[np.uint8]) -> float:
    """Mean grey level [h, w], 0 to 255 (luma of ITU-R BT.601)."""
    return float(grey.mean())
