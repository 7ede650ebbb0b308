"""Writes lossless JPEG: process 14, selection value 1 (ITU-T T.81, annex H), which Pillow reads and does not write."""

import numpy as np
from numpy.typing import NDArray

_CATEGORIES = 17  # of differences; each has a code of five bits


def lossless_jpeg(pixels: NDArray[np.integer], *, bits: int = 8, markers: bytes = b"") -> bytes:
    """[h, w] or [h, w, 3] of at most 15 bits; `markers` follow the start of the image."""
    samples = pixels.reshape(*pixels.shape[:2], -1).astype(int)
    height, width, count = samples.shape
    predicted = np.roll(samples, 1, axis=1)  # the sample on the left; in the first column the one above
    predicted[1:, 0], predicted[0, 0] = samples[:-1, 0], 1 << bits - 1
    coded = "".join(map(_code, (samples - predicted).ravel().tolist()))
    coded += "1" * (-len(coded) % 8)
    scan = int(coded, 2).to_bytes(len(coded) // 8, "big").replace(b"\xff", b"\xff\x00")
    numbers = range(1, count + 1)
    frame = bytes([bits, *height.to_bytes(2, "big"), *width.to_bytes(2, "big"), count])
    frame += b"".join(bytes([number, 0x11, 0]) for number in numbers)
    table = bytes([0, *(0, 0, 0, 0, _CATEGORIES), *[0] * 11, *range(_CATEGORIES)])
    start = bytes([count]) + b"".join(bytes([number, 0]) for number in numbers) + bytes([1, 0, 0])
    segments = [_segment(0xC3, frame), _segment(0xC4, table), _segment(0xDA, start)]
    return b"\xff\xd8" + markers + b"".join(segments) + scan + b"\xff\xd9"


def _code(difference: int) -> str:
    category = abs(difference).bit_length()
    value = difference if difference > 0 else difference + (1 << category) - 1
    return f"{category:05b}" + (f"{value:0{category}b}" if category else "")


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content
