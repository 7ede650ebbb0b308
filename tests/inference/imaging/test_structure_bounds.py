"""Files whose structure costs more than their pixels are refused before a pixel is decoded, or cost little.

No test measures time: what is refused never reaches a decoder, and what is read has little left to read.
"""

import io
import struct
import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from inference.imaging import jpeg, opencv, png, tiff, webp
from inference.imaging.decoding import decode
from inference.imaging.errors import ImageTooLarge, UnreadableImage
from inference.imaging.preprocessing import Preprocessing, allowed_reduction
from tests.support import hostile_files as hostile

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "JPEG, 101 scans more": (lambda: hostile.jpeg_of_scans(101), "more than 100 scans"),
    "JPEG, 20,000 scans": (lambda: hostile.jpeg_of_scans(20_000), "more than 100 scans"),
    "JPEG, empty segments": (lambda: hostile.jpeg_of_segments(4_000_000), "more than 5000 segments"),
    "PNG, 1.6 million chunks": (lambda: hostile.png_of_chunks(1_600_000), "more than 50000 chunks"),
    "PNG, as many of metadata": (lambda: hostile.png_of_chunks(1_600_000, b"tEXt"), "more than 50000 chunks"),
    "BMP, ends of line": (lambda: hostile.bmp_of_line_ends(50_000, 1000), "bytes for 50000 x 1000"),
    "BMP, little more than runs can hold": (lambda: hostile.bmp_of_line_ends(400, 1010), "bytes for 400 x 1010"),
    "WebP, a million chunks": (lambda: b"RIFF\0\0\0\0WEBP" + b"what\0\0\0\0" * 1_000_000, "more than 10000 chunks"),
    "TIFF, 2.4 million strips": (lambda: hostile.tiff_of_strips(2_400_000), "more than 50000 strips"),
    "TIFF, a tile of 16k": (lambda: hostile.tiff_of_tiles(16_384), "tiles of 16384 x 16384"),
    "TIFF, a tile of 26k, RGB": (lambda: hostile.tiff_of_tiles(26_000, samples=3), "tiles of 26000 x 26000"),
    "TIFF, rows of many samples": (lambda: hostile.tiff_with({258: (16,), 277: (60_000,)}), "bytes in one strip"),
    "TIFF, 25,000 entries": (lambda: hostile.tiff_of_entries(25_000), "entries; at most 1024"),
    "BigTIFF, a tile of 26k": (
        lambda: hostile.tiff_with({322: (26_000,), 323: (26_000,), 324: (8,)}, big=True),
        "tiles",
    ),
    "TIFF, a tile of 6144, then of 64": (
        lambda: hostile.tiff_with({322: (6144,), 323: (64,), 324: (8,), 325: (4096,)}, again={322: (64,)}),
        "lists the tag 322 twice",
    ),
    "BigTIFF, two heights": (lambda: hostile.tiff_with({}, big=True, again={257: (1,)}), "lists the tag 257 twice"),
    "BigTIFF, values beyond every address": (lambda: hostile.big_tiff_of_far_values(), "damaged or cut off"),
    "JPEG, a segment too many": (lambda: hostile.jpeg_of_segments(jpeg.MAX_SEGMENTS), "more than 5000 segments"),
    "PNG, a chunk too many": (lambda: hostile.png_of_chunks(png.MAX_CHUNKS), "more than 50000 chunks"),
    "WebP, a chunk too many": (
        lambda: b"RIFF\0\0\0\0WEBP" + b"what\0\0\0\0" * (webp.MAX_CHUNKS + 1),
        "more than 10000 chunks",
    ),
    "TIFF, a strip too many": (lambda: hostile.tiff_of_strips(tiff.MAX_PIECES + 1), "more than 50000 strips"),
    "TIFF, an entry too many": (lambda: hostile.tiff_of_entries(tiff.MAX_ENTRIES + 1), "entries; at most 1024"),
    "TIFF, a tile a little too wide": (lambda: hostile.tiff_of_tiles(1040), "tiles of 1040 x 1040"),
    "TIFF, no width": (lambda: hostile.tiff_with({256: (0,)}), "is zero"),
    "TIFF, rows of no height": (lambda: hostile.tiff_with({278: (0,)}), "is zero"),
}


@pytest.fixture
def no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a decoder was reached")

    monkeypatch.setattr(Image, "open", refuse)
    monkeypatch.setattr(opencv, "cv2", None)


@pytest.mark.usefixtures("no_decoder")
@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_any_decoder(case: str) -> None:
    make, reason = REFUSED[case]
    with pytest.raises(UnreadableImage, match=reason):
        decode(make())


@pytest.mark.parametrize("make", [
    lambda: hostile.jpeg_of_scans(jpeg.MAX_SCANS - 20),
    lambda: hostile.jpeg_of_segments(jpeg.MAX_SEGMENTS - 50),
    lambda: hostile.jpeg_of_fill_bytes(19_000_000),
    lambda: hostile.png_of_chunks(png.MAX_CHUNKS - 10),
    lambda: hostile.bmp_of_runs(2000, 1000, run=1),
    lambda: hostile.tiff_of_strips(tiff.MAX_PIECES),
    lambda: hostile.tiff_of_tiles(64),
    lambda: hostile.tiff_of_entries(tiff.MAX_ENTRIES - 20),
    lambda: hostile.tiff_with({}, big=True),
])  # fmt: skip
def test_what_stays_within_the_bounds_is_read(make: Callable[[], bytes]) -> None:
    assert decode(make()).rgb.size


def test_only_what_is_needed_reaches_pillow() -> None:
    assert len(jpeg.read_structure(hostile.jpeg_of_fill_bytes(1_000_000)).body) <= len(hostile.jpeg())
    assert len(png.read_structure(hostile.png_of_chunks(40_000, b"tEXt")).file) < 1000


def test_the_pixel_limit_comes_first() -> None:
    with pytest.raises(ImageTooLarge, match="100000 x 1000 pixels"):
        decode(hostile.bmp_of_runs(100_000, 1000, run=250))
    with pytest.raises(ImageTooLarge, match="70000 x 70000 pixels"):
        decode(hostile.tiff_with({256: (70_000,), 257: (70_000,)}))


@pytest.mark.usefixtures("no_decoder")
@pytest.mark.parametrize("lossless", [False, True])
def test_a_second_header_of_webp_hides_no_pixels(lossless: bool) -> None:
    small = b"VP8X" + struct.pack("<I", 10) + bytes(10)  # of 1 x 1 pixels
    with pytest.raises(ImageTooLarge, match="300 x 300 pixels"):
        decode(hostile.webp(300, 300, lossless=lossless) + small, max_pixels=1000)


@pytest.mark.parametrize(("kind", "head", "unpacked", "most"), [
    (b"iCCP", b"profile\0\0", png.MAX_PROFILE + 1, 1),
    (b"zTXt", b"Raw profile type exif\0\0", 1000, png.MAX_TEXTS),
    (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0", png.MAX_TEXT + 1, png.MAX_TEXTS),
])  # fmt: skip
def test_few_of_many_compressed_chunks_are_unpacked(
    kind: bytes, head: bytes, unpacked: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    inflate, calls = png._inflate, []

    def count(packed: bytes, *, most: int) -> bytes | None:
        calls.append(packed)
        return inflate(packed, most=most)

    monkeypatch.setattr(png, "_inflate", count)
    assert decode(hostile.png_of_chunks(200, kind, head + zlib.compress(bytes(unpacked)))).rgb.shape == (20, 20, 3)
    assert len(calls) == most


@pytest.mark.parametrize(("run", "depth"), [(1, 8), (5, 8), (250, 8)])
def test_run_lengths_are_read_right(run: int, depth: int) -> None:
    assert (decode(hostile.bmp_of_runs(500, 9, run=run)).rgb == 7).all()


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_run_lengths_that_are_cut_off_are_unreadable(kept: float, capfd: pytest.CaptureFixture[str]) -> None:
    data = hostile.bmp_of_runs(500, 90, run=5)
    with pytest.raises(UnreadableImage, match="damaged"):
        decode(data[: int(len(data) * kept)])
    assert capfd.readouterr() == ("", "")


def large(format_: str) -> bytes:
    ramp = np.linspace(0, 255, 1600).astype(np.uint8)
    rgb = np.dstack([np.tile(ramp, (1200, 1)), np.tile(ramp[::-1], (1200, 1)), np.full((1200, 1600), 90, np.uint8)])
    buffer = io.BytesIO()
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}.get(format_, {})
    Image.fromarray(rgb).save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
def test_a_reduced_picture_is_the_average_of_the_whole_one(format_: str) -> None:
    whole = decode(large(format_))
    reduced = decode(large(format_), reduction=allowed_reduction(Preprocessing(size=100, fit="squash"), side=0))
    assert (reduced.width, reduced.height) == (whole.width, whole.height) == (1600, 1200)
    height, width = reduced.rgb.shape[:2]
    factor = 1600 / width
    assert factor in (4, 1600 / 267)  # JPEG: a power of two; others: six, rounded up
    assert height == -(-1200 // (4 if factor == 4 else 6))
    cells = np.linspace(0, 1600, width + 1).round().astype(int)
    expected = np.stack([whole.rgb[:, a:b].mean(axis=(0, 1)) for a, b in pairwise(cells)])
    assert np.abs(reduced.rgb.mean(axis=0) - expected).max() <= 2  # of rounding twice


def test_what_a_heat_map_needs_limits_the_reduction() -> None:
    spec = Preprocessing(size=224, fit="center-crop")
    assert allowed_reduction(spec, side=0)(4000, 3000) == 6
    assert allowed_reduction(spec, side=1024)(4000, 3000) == 2
    assert allowed_reduction(spec, side=1024)(3000, 4000) == 2
    assert allowed_reduction(spec, side=0)(600, 450) == 1
    assert allowed_reduction(spec, side=0)(10, 4000) == 1


def test_the_files_of_the_tests_are_what_they_say() -> None:
    assert hostile.is_tiff(hostile.tiff_of_strips(10))
    assert hostile.is_tiff(hostile.tiff_with({}, big=True))
