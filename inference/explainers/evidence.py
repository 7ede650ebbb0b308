"""Where the strongest evidence of a heat map lies: its share of the image, its centre, and the box around it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

STRONG = 128  # grey level: at least half of the map's maximum


@dataclass(frozen=True, slots=True)
class Evidence:
    """The pixels of a heat map with at least half of its maximum, in shares of the image's width and height.

    `share` is their part of the image's area, (`x`, `y`) their centre weighted by the evidence; the box around them
    begins at (`left`, `top`). All values are between 0 and 1.
    """

    share: float
    x: float
    y: float
    left: float
    top: float
    width: float
    height: float


def find_evidence(grey: NDArray[np.uint8]) -> Evidence | None:
    """The strongest evidence of a heat map uint8 [height, width]; None if the map is empty."""
    _, weights = cv2.threshold(grey, STRONG - 1, 0, cv2.THRESH_TOZERO)
    strong = cv2.countNonZero(weights)
    if not strong:
        return None
    sums = (cv2.reduce(weights, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S) for axis in (0, 1))
    (left, right, x), (top, bottom, y) = (_along(each.ravel().astype(np.float64)) for each in sums)
    return Evidence(strong / grey.size, x, y, left, top, right - left, bottom - top)


def _along(sums: NDArray[np.float64]) -> tuple[float, float, float]:
    """First and last edge of what is not 0, and the weighted centre, in shares of the length."""
    found = np.flatnonzero(sums)
    centre = float(((np.arange(len(sums)) + 0.5) * sums).sum() / sums.sum())
    return float(found[0]) / len(sums), float(found[-1] + 1) / len(sums), centre / len(sums)
