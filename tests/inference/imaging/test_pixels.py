"""Exact pixel values: rounding, ICC profiles of grey and transparent images, and enlargement."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from inference.imaging.decoding import decode
from inference.imaging.preprocessing import Preprocessing, fit


def encode(image: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def test_16_bit_grey_is_rounded_to_the_nearest_level() -> None:
    levels = np.array([[0, 128, 129, 257, 385, 386, 65406, 65407, 65535]], np.uint16)
    rgb = decode(encode(Image.fromarray(levels))).rgb
    assert rgb[0, :, 0].tolist() == [0, 0, 1, 1, 1, 2, 254, 255, 255]


@pytest.mark.parametrize("height", [1, 63, 64, 65, 200])
def test_every_row_of_a_tall_picture_is_read(height: int) -> None:
    """The pixels are copied in bands of rows."""
    pixels = np.random.default_rng(height).integers(0, 256, (height, 5, 3), np.uint8)
    assert (decode(encode(Image.fromarray(pixels))).rgb == pixels).all()


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of grey levels with one exponent, by the specification (ICC.1:2001-04), section by section."""

    def words(*values: int) -> bytes:
        return b"".join(value.to_bytes(4, "big") for value in values)

    def fixed(*values: float) -> bytes:
        return words(*(round(value * 65536) for value in values))

    white = b"XYZ " + words(0) + fixed(0.9642, 1.0, 0.8249)
    curve = b"curv" + words(0, 1) + round(gamma * 256).to_bytes(2, "big") + b"\0\0"
    text = b"desc" + words(0, 5) + b"grey\0" + bytes(8 + 3 + 67) + b"\0"
    copyright_ = b"text" + words(0) + b"none\0\0\0\0"
    tags, offset, table = (text, copyright_, white, curve), 128 + 4 + 4 * 12, b""
    for name, body in zip((b"desc", b"cprt", b"wtpt", b"kTRC"), tags, strict=True):
        table += name + words(offset, len(body))
        offset += len(body)
    header = words(offset) + bytes(4) + words(0x02400000) + b"mntrGRAYXYZ " + bytes(12) + b"acsp" + bytes(28)
    header += fixed(0.9642, 1.0, 0.8249) + bytes(48)
    return header + words(4) + table + b"".join(tags)


def test_a_profile_of_grey_levels_is_applied() -> None:
    """Linear levels: half of the light is level 188 in sRGB, not 128."""
    picture = Image.fromarray(np.full((8, 8), 128, np.uint8))
    plain, linear = (decode(encode(picture, **options)).rgb for options in ({}, {"icc_profile": grey_profile(1.0)}))
    assert (plain == 128).all()
    assert np.abs(linear.astype(int) - 188).max() <= 2


def test_a_profile_leaves_transparency_alone() -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = [0, 128, 255]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = decode(encode(Image.fromarray(rgba), icc_profile=profile)).rgb[0, :, 0].astype(int)
    assert np.abs(found - [255, 127, 0]).max() <= 2


def test_growing_is_smooth() -> None:
    """A ramp of 8 levels is enlarged to 32 pixels: neighbours differ as in bilinear interpolation."""
    ramp = np.broadcast_to((np.arange(8) * 32).astype(np.uint8)[np.newaxis, :, np.newaxis], (8, 8, 3)).copy()
    fitted = fit(ramp, Preprocessing(size=32, fit="squash"))[16, :, 0].astype(int)
    assert np.diff(fitted).max() <= 9
    assert (fitted[0], fitted[-1]) == (0, 224)
