"""OpenCV's decoders for the formats that it reads better than Pillow; silent about what they cannot read."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray


def imdecode(data: bytes, flags: int) -> NDArray[np.uint8] | None:
    """Pixels uint8 in OpenCV's order (blue first), None for a file that cannot be read."""
    _silence()
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return None if pixels is None else np.asarray(pixels, np.uint8)


@cache
def _silence() -> None:
    """OpenCV 5 writes to stderr about every file that it cannot read."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
