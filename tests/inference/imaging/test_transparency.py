"""A fourth sample that is no transparency, and pictures that are transparent throughout."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from inference.imaging.decoding import decode
from inference.imaging.errors import UnreadableImage
from training.data.synthetic_lesions import draw_lesion

RGB = draw_lesion(width=30, height=20, seed=2)
MASKS = (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000)
# Bytes of the header: Windows 3, with three and with four masks, and versions 4 and 5.
HEADERS = (40, 52, 56, 108, 124)


def bmp32(header: int, alpha: np.ndarray) -> bytes:
    """A BMP of 32 bits a pixel; headers of 52 bytes and more have masks of their own."""
    pixels = np.dstack([RGB[..., ::-1], alpha])[::-1].tobytes()
    compression = 0 if header == 40 else 3
    masks = MASKS[: min(4, (header - 40) // 4)]
    body = struct.pack("<IiiHHIIiiII", header, 30, 20, 1, 32, compression, len(pixels), 0, 0, 0, 0)
    body += struct.pack(f"<{len(masks)}I", *masks)
    body += bytes(header - len(body))
    start = 14 + len(body)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + body + pixels


@pytest.mark.parametrize("header", HEADERS)
def test_a_bmp_whose_fourth_sample_is_unused_is_opaque(header: int) -> None:
    assert (decode(bmp32(header, np.zeros(RGB.shape[:2], np.uint8))).rgb == RGB).all()


@pytest.mark.parametrize("header", [56, 108, 124])
def test_a_bmp_with_transparency_is_laid_on_white(header: int) -> None:
    alpha = np.zeros(RGB.shape[:2], np.uint8)
    alpha[:, 15:] = 255
    rgb = decode(bmp32(header, alpha)).rgb
    assert (rgb[:, :15] == 255).all()
    assert (rgb[:, 15:] == RGB[:, 15:]).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_transparent_level_of_a_grey_png_is_white(bits: int) -> None:
    """The levels 0 and 1 in turn, of which the second is transparent."""
    rows = np.resize(np.array([0, 1], np.uint8), (4, 8))
    packed = np.packbits(np.unpackbits(rows[..., np.newaxis], axis=2)[..., 8 - bits :].reshape(4, -1), axis=1)
    body = b"".join(b"\0" + row.tobytes() for row in packed)
    header = struct.pack(">IIBBBBB", 8, 4, bits, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"tRNS", struct.pack(">H", 1)), (b"IDAT", zlib.compress(body)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )
    rgb = decode(data).rgb
    assert (rgb[:, 0::2] == 0).all()
    assert (rgb[:, 1::2] == 255).all()


def with_alpha(mode: str, level: int) -> Image.Image:
    image = Image.fromarray(RGB).convert(mode.removesuffix("A").replace("L", "L"))
    image.putalpha(level)
    return image


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def colour_key(mode: str) -> bytes:
    """A picture of one colour, which its tRNS chunk declares to be transparent."""
    colour = (10, 20, 30) if mode == "RGB" else 10
    image = Image.new(mode, (30, 20), colour)
    if mode == "P":
        image.putpalette([5, 5, 5] * 20)
    return saved(image, "PNG", transparency=colour)


def grey16_key() -> bytes:
    return saved(Image.fromarray(np.full((20, 30), 3000, np.uint16)), "PNG", transparency=3000)


INVISIBLE: dict[str, Callable[[], bytes]] = {
    "PNG RGBA": lambda: saved(with_alpha("RGBA", 0), "PNG"),
    "PNG LA": lambda: saved(with_alpha("LA", 0), "PNG"),
    "PNG palette": lambda: colour_key("P"),
    "PNG RGB key": lambda: colour_key("RGB"),
    "PNG grey key": lambda: colour_key("L"),
    "WebP": lambda: saved(with_alpha("RGBA", 0), "WEBP", lossless=True, exact=True),
    "TIFF": lambda: saved(with_alpha("RGBA", 0), "TIFF"),
    "AVIF": lambda: saved(with_alpha("RGBA", 0), "AVIF"),
}


@pytest.mark.parametrize("case", INVISIBLE)
def test_what_shows_nothing_is_refused(case: str) -> None:
    with pytest.raises(UnreadableImage, match="transparent throughout"):
        decode(INVISIBLE[case]())


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_one_visible_pixel_is_enough(format_: str) -> None:
    image = with_alpha("RGBA", 0)
    image.putpixel((3, 4), (*RGB[4, 3].tolist(), 255))
    options = {"WEBP": {"lossless": True, "exact": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}
    rgb = decode(saved(image, format_, **options.get(format_, {}))).rgb.astype(int)
    assert np.abs(rgb[4, 3] - RGB[4, 3]).max() <= 12
    assert rgb[0, 20].min() >= 250


def test_a_transparent_grey_level_of_16_bits_is_exact() -> None:
    levels = np.array([[3000, 3001, 65535]], np.uint16)
    assert decode(saved(Image.fromarray(levels), "PNG", transparency=3000)).rgb[0, :, 0].tolist() == [255, 12, 255]
