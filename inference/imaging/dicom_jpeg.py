"""JPEG pictures in DICOM instances: their colours, which a stream need not name, and lossless streams."""

import io
import re

from PIL import Image

from inference.imaging import jpeg
from inference.imaging.whole_jpeg import keep_ycbcr, require_whole

# The colour transform in Adobe's marker (ITU-T T.872, 6.5.3) by Photometric Interpretation.
INTERPRETATIONS = {"RGB": 0, "YBR_FULL": 1, "YBR_FULL_422": 1}
_SOI, _SOS = b"\xff\xd8", b"\xff\xda"
_NAMED = re.compile(rb"\xff\xe0..JFIF\x00|\xff\xee..Adobe", re.DOTALL)


def name_colours(frame: bytes, interpretation: str) -> bytes:
    """The stream with a marker for its colours, if it has none; a decoder of JPEG would guess."""
    if _NAMED.search(frame, 0, max(0, frame.find(_SOS))) or not frame.startswith(_SOI):
        return frame
    marker = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([INTERPRETATIONS[interpretation]])
    return _SOI + marker + frame[len(_SOI) :]


def decode_lossless(frame: bytes, interpretation: str) -> Image.Image:
    """The picture of a lossless stream (process 14) of 8 bits, in RGB or L. Raises UnreadableImage if it is cut off."""
    if interpretation in INTERPRETATIONS:
        frame = name_colours(frame, interpretation)
    found = jpeg.read_structure(frame)
    require_whole(found)
    image = Image.open(io.BytesIO(found.file), formats=["JPEG"])
    keep_ycbcr(image)
    image.load()
    return image.convert("RGB") if image.mode == "YCbCr" else image
