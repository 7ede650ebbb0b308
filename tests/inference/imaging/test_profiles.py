"""ICC profiles: every mode of a file, spaces of phones and cameras, transparency beside a profile."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from inference.imaging.decoding import decode
from tests.support.profiles import ADOBE_RGB, DISPLAY_P3, SRGB, Space, encode_in, rgb_profile
from training.data.synthetic_lesions import draw_lesion

RGB = draw_lesion(width=60, height=40, seed=3)
SPACES = {"Display P3": DISPLAY_P3, "Adobe RGB": ADOBE_RGB, "sRGB": SRGB}


def saved(image: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def exact(format_: str) -> dict[str, object]:
    return {"WEBP": {"lossless": True}}.get(format_, {})


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("format_", ["PNG", "TIFF", "WEBP"])
def test_a_photo_equals_its_srgb_twin(space: str, format_: str) -> None:
    twin = Image.fromarray(encode_in(SPACES[space], RGB))
    data = saved(twin, format_, icc_profile=rgb_profile(SPACES[space]), **exact(format_))
    assert np.abs(decode(data).rgb.astype(int) - RGB).max() <= 2


@pytest.mark.parametrize("space", SPACES)
def test_a_jpeg_equals_its_srgb_twin(space: str) -> None:
    """As far as JPEG keeps the levels of each."""
    options = {"quality": 100, "subsampling": 0}
    twin = saved(
        Image.fromarray(encode_in(SPACES[space], RGB)), "JPEG", icc_profile=rgb_profile(SPACES[space]), **options
    )
    plain = saved(Image.fromarray(RGB), "JPEG", **options)
    assert np.abs(decode(twin).rgb.astype(int) - decode(plain).rgb).mean() <= 1


def grey_in(space: Space) -> tuple[np.ndarray, np.ndarray]:
    """Grey levels in sRGB [h, w], and the same in another space."""
    grey = np.tile(np.arange(0, 255, 5, dtype=np.uint8), (8, 1))
    return grey, encode_in(space, np.dstack([grey] * 3))[..., 0]


@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "P", "PA", "RGB", "RGBA"])
def test_every_mode_is_converted(mode: str) -> None:
    """Adobe RGB has another curve, so that greys show whether the profile was used."""
    grey, there = grey_in(ADOBE_RGB)
    if mode == "I;16":
        image = Image.fromarray(there.astype(np.uint16) * 257)
    elif mode in ("P", "PA"):
        image = Image.fromarray(there, "P")
        image.putpalette([level for level in range(256) for _ in range(3)])
    else:
        image = Image.fromarray(there).convert(mode)
    format_ = "TIFF" if mode == "PA" else "PNG"
    if mode == "PA":
        image = image.convert("PA")
    rgb = decode(saved(image, format_, icc_profile=rgb_profile(ADOBE_RGB))).rgb.astype(int)
    assert np.abs(rgb - grey[..., np.newaxis]).max() <= 2
    assert np.abs(there.astype(int) - grey).max() >= 6, "the profile makes a difference"


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_transparent_colours_stay_transparent_beside_a_profile(mode: str) -> None:
    """Each mode has another kind of tRNS chunk."""
    image = Image.new(mode, (4, 2), (40, 80, 120) if mode == "RGB" else 40)
    if mode == "P":
        image.putpalette([level for level in range(256) for _ in range(3)])
    key = (9, 9, 9) if mode == "RGB" else 9
    image.putpixel((1, 1), key)
    for profile in ({}, {"icc_profile": rgb_profile(ADOBE_RGB)}):
        rgb = decode(saved(image, transparency=key, **profile)).rgb
        assert rgb[1, 1].tolist() == [255, 255, 255]
        assert rgb[0, 0].max() < 130


def test_a_cmyk_profile_is_used_for_cmyk_and_one_of_rgb_is_not() -> None:
    cmyk = Image.fromarray(RGB).convert("CMYK")
    plain, other = (decode(saved(cmyk, "TIFF", **options)).rgb for options in ({}, {"icc_profile": rgb_profile(SRGB)}))
    assert (plain == other).all()


def test_a_profile_in_many_rows_of_bands_is_applied_everywhere() -> None:
    tall = np.broadcast_to(np.array([120, 60, 30], np.uint8), (300, 5, 3)).copy()
    rgb = decode(saved(Image.fromarray(encode_in(ADOBE_RGB, tall)), icc_profile=rgb_profile(ADOBE_RGB))).rgb
    assert np.abs(rgb.astype(int) - tall).max() <= 2


def test_the_profiles_of_the_tests_are_profiles() -> None:
    for space in SPACES.values():
        profile = ImageCms.ImageCmsProfile(io.BytesIO(rgb_profile(space)))
        assert profile.profile.xcolor_space.strip() == "RGB"
