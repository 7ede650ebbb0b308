"""Structure of a BMP file: whether it is run-length encoded, and decoding it if so."""

import struct

import cv2
from PIL import Image

from inference.imaging.errors import UnreadableImage
from inference.imaging.opencv import imdecode

_INFO_HEADER = 40  # bytes; older headers know no compression
_RUN_LENGTH = (1, 2)  # RLE8, RLE4
_PIXELS_PER_BYTE = 128  # a run of 255 pixels takes two bytes


def run_length_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a run-length encoded file, None for other files.

    Raises UnreadableImage for fewer bytes than the pixels need: most pixels would be skipped.
    """
    if len(data) < 54:
        return None
    header, width, height, _, _, compression = struct.unpack_from("<IiiHHI", data, 14)
    if header < _INFO_HEADER or compression not in _RUN_LENGTH:
        return None
    if width < 1 or height < 1:
        raise UnreadableImage(
            "The BMP file is damaged: its width or height is not positive.", cause="damaged", name="BMP"
        )
    if width * height > _PIXELS_PER_BYTE * len(data):
        raise UnreadableImage(
            f"The BMP file has {len(data)} bytes for {width} x {height} pixels.", cause="damaged", name="BMP"
        )
    return width, height


def decode_run_length(data: bytes) -> Image.Image:
    """Decode a run-length encoded file, which Pillow 13 does in Python. Raises UnreadableImage."""
    bgr = imdecode(data, cv2.IMREAD_COLOR)
    if bgr is None:
        raise UnreadableImage("The BMP file is damaged or cut off.", cause="damaged", name="BMP")
    return Image.fromarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
