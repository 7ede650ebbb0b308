"""Structure of a WebP file: its chunks, and decoding a still picture with half the memory that Pillow takes.

Google, WebP Container Specification; RFC 9649.
"""

import struct
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.imaging.errors import UnreadableImage
from inference.imaging.opencv import imdecode

MAX_CHUNKS = 10_000

_HEADER = 12
_DAMAGED = "The WebP file is damaged or cut off."


@dataclass(slots=True)
class WebpStructure:
    """What the chunks say; size (0, 0) if none tells it."""

    size: tuple[int, int] = (0, 0)
    frames: int = 0
    profile: bytes | None = None
    exif: bytes = b""
    xmp: bytes = b""

    @property
    def animated(self) -> bool:
        """Whether the picture is made of frames."""
        return self.frames > 0

    def orientation_source(self) -> Image.Image:
        """A picture with this file's EXIF and XMP."""
        carrier = Image.new("L", (1, 1))
        carrier.info |= {"exif": self.exif} if self.exif else {}
        carrier.info |= {"xmp": self.xmp} if self.xmp else {}
        return carrier


def read_structure(data: bytes) -> WebpStructure:
    """Walk over the chunks. Raises UnreadableImage."""
    found, at, chunks = WebpStructure(), _HEADER, 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise UnreadableImage(
                f"The WebP file has more than {MAX_CHUNKS} chunks.", cause="chunks", name="WebP", most=MAX_CHUNKS
            )
        _note(found, kind, data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    if not all(found.size):
        raise UnreadableImage(_DAMAGED, cause="damaged", name="WebP")
    return found


def _note(found: WebpStructure, kind: bytes, content: bytes) -> None:
    if kind == b"VP8X" and len(content) >= 10:
        wide, high = (int.from_bytes(content[place : place + 3], "little") + 1 for place in (4, 7))
        found.size = max(found.size[0], wide), max(found.size[1], high)
    elif kind == b"VP8 " and len(content) >= 10:
        wide, high = struct.unpack_from("<HH", content, 6)
        found.size = max(found.size[0], wide & 0x3FFF), max(found.size[1], high & 0x3FFF)
    elif kind == b"VP8L" and len(content) >= 5:
        bits = int.from_bytes(content[1:5], "little")
        found.size = max(found.size[0], (bits & 0x3FFF) + 1), max(found.size[1], (bits >> 14 & 0x3FFF) + 1)
    elif kind == b"ANMF":
        found.frames += 1
    elif kind == b"ICCP":
        found.profile = content
    elif kind == b"EXIF":
        found.exif = content
    elif kind == b"XMP ":
        found.xmp = content


class StillPicture:
    """Rows of a decoded still picture, which look like a picture of Pillow to whoever crops them."""

    def __init__(self, data: bytes) -> None:
        """Decode. Raises UnreadableImage."""
        pixels = imdecode(data, cv2.IMREAD_UNCHANGED)
        if pixels is None or pixels.ndim != 3:
            raise UnreadableImage(_DAMAGED, cause="damaged", name="WebP")
        self._pixels: NDArray[np.uint8] = pixels
        self.size = (pixels.shape[1], pixels.shape[0])
        self.mode = "RGBA" if pixels.shape[2] == 4 else "RGB"

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        """The rows and columns of a box, as Pillow's `crop`."""
        left, top, right, bottom = box
        swap = cv2.COLOR_BGRA2RGBA if self.mode == "RGBA" else cv2.COLOR_BGR2RGB
        return Image.fromarray(cv2.cvtColor(self._pixels[top:bottom, left:right], swap))
