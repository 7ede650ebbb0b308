"""Whether a lossless JPEG file or one of several scans is whole; others check themselves: docs/decisions/0022-*.md."""

import hashlib
import io

from PIL import Image

from inference.imaging.colours import BAND_ROWS
from inference.imaging.errors import UnreadableImage
from inference.imaging.jpeg import JpegStructure


def require_whole(found: JpegStructure) -> None:
    """Raises UnreadableImage if the pixels depend on what would follow, whether or not there is an end marker."""
    digests = {_digest(variant, lossless=found.lossless) for variant in found.variants}
    if len(digests) > 1 or not found.names_every_coefficient:
        raise UnreadableImage("The JPEG file is damaged or cut off.", cause="damaged", name="JPEG")


def keep_ycbcr(image: Image.Image) -> None:
    """Read a lossless file's samples as they are stored: libjpeg-turbo 3.2 does not convert them, nor reduce them."""
    if "jfif" in image.info or image.info.get("adobe_transform"):
        image.draft("YCbCr", None)


def _digest(file: bytes, *, lossless: bool) -> bytes:
    with Image.open(io.BytesIO(file), formats=["JPEG"]) as image:
        if lossless:
            keep_ycbcr(image)
        else:
            half = max(1, image.width // 2), max(1, image.height // 2)
            image.draft(None, half)  # costs half, and every scan still has its part
        digest = hashlib.blake2b()
        for top in range(0, image.height, BAND_ROWS):
            digest.update(image.crop((0, top, image.width, min(top + BAND_ROWS, image.height))).tobytes())
        return digest.digest()
