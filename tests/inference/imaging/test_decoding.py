"""Decoding: every format, orientation, colour space and kind of damage has one defined result."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from inference.imaging.decoding import decode
from inference.imaging.errors import ImageTooLarge, UnreadableImage, UnsupportedFormat
from inference.imaging.preprocessing import Box, Preprocessing, field_of_view, fit, prepare
from tests.support.huge_png import png_claiming
from training.data.synthetic_lesions import draw_lesion

RGB = draw_lesion(width=60, height=40, seed=3)


def encode(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def drawn(format_: str, mode: str = "RGB", **options: object) -> bytes:
    return encode(Image.fromarray(RGB).convert(mode), format_, **options)


@pytest.mark.parametrize(("format_", "options", "error"), [
    ("PNG", {}, 0),
    ("BMP", {}, 0),
    ("TIFF", {}, 0),
    ("TIFF", {"compression": "tiff_lzw"}, 0),
    ("WEBP", {"lossless": True}, 0),
    ("WEBP", {"quality": 95}, 20),
    ("JPEG", {"quality": 95, "subsampling": 0}, 20),
])  # fmt: skip
def test_formats_give_the_same_picture(format_: str, options: dict, error: int) -> None:
    picture = decode(drawn(format_, **options))
    assert picture.rgb.shape == RGB.shape
    assert picture.rgb.dtype == np.uint8
    assert not picture.more_frames
    assert np.abs(picture.rgb.astype(int) - RGB).max() <= error


def test_greyscale_has_three_equal_channels() -> None:
    rgb = decode(drawn("PNG", "L")).rgb
    assert rgb.shape == RGB.shape
    assert (rgb[..., 0] == rgb[..., 1]).all()
    assert (rgb[..., 1] == rgb[..., 2]).all()


def test_one_bit_is_black_and_white() -> None:
    assert set(np.unique(decode(drawn("PNG", "1")).rgb)) == {0, 255}


def test_palette_is_looked_up() -> None:
    image = Image.fromarray(RGB).quantize(16)
    assert (decode(encode(image, "PNG")).rgb == np.asarray(image.convert("RGB"))).all()


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled(format_: str) -> None:
    levels = np.array([[0, 257, 32896, 65535]], np.uint16)
    rgb = decode(encode(Image.fromarray(levels), format_)).rgb
    assert rgb[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_16_bit_colour_keeps_its_high_byte(extension: str) -> None:
    done, data = cv2.imencode(extension, RGB[..., ::-1].astype(np.uint16) * 256 + 255)
    assert done
    assert (decode(data.tobytes()).rgb == RGB).all()


def test_32_bit_samples_are_refused_by_name() -> None:
    with pytest.raises(UnreadableImage, match="32-bit"):
        decode(encode(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"))


def test_transparency_is_laid_on_white() -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = [0, 128, 255]
    assert decode(encode(Image.fromarray(rgba), "PNG")).rgb[0, :, 0].tolist() == [255, 127, 0]


def test_transparent_palette_is_laid_on_white() -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    assert decode(encode(image, "PNG", transparency=0)).rgb[0].tolist() == [[255, 255, 255], [40, 50, 60]]


def test_cmyk_becomes_rgb() -> None:
    rgb = decode(drawn("JPEG", "CMYK", quality=95)).rgb
    assert np.abs(rgb.astype(int) - RGB).mean() < 6


# The corner that a marked top-left pixel block comes from, by EXIF orientation (TIFF 6.0, tag 274).
CORNERS = {
    1: "top left", 2: "top right", 3: "bottom right", 4: "bottom left",
    5: "top left", 6: "top right", 7: "bottom right", 8: "bottom left",
}  # fmt: skip


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", CORNERS)
def test_exif_orientation_is_applied_once(orientation: int, format_: str) -> None:
    """Pillow rotates TIFF when it loads it, but no other format."""
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:16, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb = decode(encode(Image.fromarray(stored), format_, exif=exif)).rgb
    assert rgb.shape[:2] == ((48, 64) if orientation <= 4 else (64, 48))
    rows = slice(0, 16) if "top" in CORNERS[orientation] else slice(-16, None)
    columns = slice(0, 16) if "left" in CORNERS[orientation] else slice(-16, None)
    assert rgb[rows, columns].mean() > 250
    assert rgb.sum() == pytest.approx(stored.sum(), rel=0.02)


@pytest.mark.parametrize("exif", [b"Exif\x00\x00rubbish", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"\x00" * 50])
def test_rubbish_exif_says_nothing_about_the_picture(exif: bytes) -> None:
    assert decode(drawn("JPEG", exif=exif)).rgb.shape == RGB.shape


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF"])
def test_only_the_first_frame_counts(format_: str) -> None:
    frames = [Image.fromarray(np.full((20, 20, 3), level, np.uint8)) for level in (10, 200, 100)]
    picture = decode(encode(frames[0], format_, save_all=True, append_images=frames[1:]))
    assert picture.more_frames
    assert np.abs(picture.rgb.astype(int) - 10).max() <= 3


def test_a_tiff_of_thousands_of_pages_is_not_walked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page is listed in a chain of directories; only the first link is followed."""
    load, loaded = ImageFileDirectory_v2.load, []
    monkeypatch.setattr(ImageFileDirectory_v2, "load", lambda self, file: (loaded.append(self), load(self, file))[1])
    page = Image.new("L", (1, 1))
    data = encode(page, "TIFF", save_all=True, append_images=[page] * 3000)
    loaded.clear()
    assert decode(data).more_frames
    assert 2 <= len(loaded) < 10


def test_big_tiff_is_tiff() -> None:
    assert (decode(encode(Image.fromarray(RGB), "TIFF", big_tiff=True)).rgb == RGB).all()


def test_a_phones_preview_is_no_second_frame() -> None:
    first = Image.fromarray(RGB)
    data = encode(first, "MPO", save_all=True, append_images=[first.resize((30, 20))])
    assert not decode(data).more_frames


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("kept", [0.3, 0.8])
def test_truncated_files_are_unreadable(format_: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)
    data = encode(Image.fromarray(noise), format_)
    with pytest.raises(UnreadableImage, match=r"damaged"):
        decode(data[: int(len(data) * kept)])


@pytest.mark.parametrize("side", [8_000, 10_000, 60_000])
def test_bombs_are_refused_before_they_are_decoded(side: int) -> None:
    with pytest.raises(ImageTooLarge, match="at most 50 million"):
        decode(png_claiming(side, side))


def test_the_pixel_limit_is_exact() -> None:
    data = drawn("PNG")
    assert decode(data, max_pixels=2400).rgb.shape == RGB.shape
    with pytest.raises(ImageTooLarge, match="60 x 40"):
        decode(data, max_pixels=2399)


@pytest.mark.parametrize(("data", "found"), [
    (b"", "not an image"),
    (b"hello", "not an image"),
    (b"<svg xmlns='x'/>", "not an image"),
    (b"%PDF-1.7 ...", "PDF"),
    (encode(Image.new("RGB", (9, 9)), "GIF"), "GIF"),
])  # fmt: skip
def test_other_content_is_named_and_the_accepted_formats_too(data: bytes, found: str) -> None:
    with pytest.raises(UnsupportedFormat, match=rf"{found}.*JPEG, PNG, WebP, BMP, TIFF, HEIC, AVIF"):
        decode(data)


@pytest.mark.parametrize(
    "start", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\x00", b"RIFF\x00\x00\x00\x00WEBP"]
)
def test_a_right_start_and_rubbish_after_it_is_unreadable(start: bytes) -> None:
    with pytest.raises(UnreadableImage, match="damaged"):
        decode(start + bytes(range(256)))


def test_fields_of_view() -> None:
    crop, squash = Preprocessing(size=32, fit="center-crop"), Preprocessing(size=32, fit="squash")
    assert field_of_view(width=600, height=450, spec=crop) == Box(75, 0, 450, 450)
    assert field_of_view(width=450, height=601, spec=crop) == Box(0, 75, 450, 450)
    assert field_of_view(width=600, height=450, spec=squash) == Box(0, 0, 600, 450)


def test_fit_leaves_a_square_of_the_right_size_alone() -> None:
    square = draw_lesion(width=32, height=32, seed=1)
    assert (fit(square, Preprocessing(size=32, fit="center-crop")) == square).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (2000, 1), (31, 33), (500, 40)])
@pytest.mark.parametrize("mode", ["squash", "center-crop"])
def test_fit_takes_any_shape(shape: tuple[int, int], mode: str) -> None:
    grey = np.full((*shape, 3), 77, np.uint8)
    fitted = fit(grey, Preprocessing(size=32, fit=mode))
    assert fitted.shape == (32, 32, 3)
    assert (fitted == 77).all()


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    fitted = fit(stripes, Preprocessing(size=32, fit="squash"))
    assert np.abs(fitted.astype(int) - 127).max() <= 1


def test_shrinking_one_axis_while_the_other_grows_does_not_alias() -> None:
    stripes = np.zeros((16, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    fitted = fit(stripes, Preprocessing(size=32, fit="squash"))
    assert np.abs(fitted.astype(int) - 127).max() <= 1


def test_prepare_is_fit_of_decode() -> None:
    spec = Preprocessing(size=32, fit="center-crop")
    assert (prepare(drawn("PNG"), spec) == fit(RGB, spec)).all()


def profiled(profile: bytes, *, mode: str = "RGB", format_: str = "PNG") -> bytes:
    picture = Image.fromarray(np.full((20, 20, 3), (200, 100, 50), np.uint8)).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, format_, icc_profile=profile)
    return buffer.getvalue()


def swapped_profile() -> bytes:
    """sRGB with the primaries of red and green exchanged: a profile whose effect cannot be overlooked."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"tmpX").replace(b"gXYZ", b"rXYZ").replace(b"tmpX", b"gXYZ")


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_colours_with_a_profile_become_srgb(format_: str) -> None:
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = decode(profiled(plain, format_=format_)).rgb[10, 10].astype(int)
    assert np.abs(same - (200, 100, 50)).max() <= 4
    swapped = decode(profiled(swapped_profile(), format_=format_)).rgb[10, 10].astype(int)
    assert swapped[1] > swapped[0] + 50, "the profile was not applied"


@pytest.mark.parametrize("profile", [b"rubbish", b"\0" * 200, swapped_profile()[:-100], swapped_profile()[:130]])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_a_profile_that_cannot_be_used_is_ignored(profile: bytes, mode: str) -> None:
    assert decode(profiled(profile, mode=mode)).rgb.shape == (20, 20, 3)


def test_a_whole_frame_and_its_centre_give_the_same_input(real_data: Path) -> None:
    """The starter's training images (centre crops at 224 pixels) equal its input for an image of 600 x 450 pixels."""
    spec = Preprocessing(size=224, fit="center-crop")
    frames = sorted((real_data / "ham10000/originals_600x450").glob("*.jpg"))
    crops = real_data / "ham10000/images_224_center"
    distances = []
    for path in frames:
        seen = prepare(path.read_bytes(), spec)
        centre = Image.open(path).crop((75, 0, 525, 450))
        assert np.abs(prepare(encode(centre, "PNG"), spec).astype(int) - seen).max() <= 1
        if (crops / path.name).is_file():  # made by others: another way to reduce, and once more JPEG
            stored = prepare((crops / path.name).read_bytes(), spec)
            distances.append(np.abs(stored.astype(int) - seen).mean())
    assert len(frames) > 50
    assert len(distances) > 30
    assert max(distances) < 4
