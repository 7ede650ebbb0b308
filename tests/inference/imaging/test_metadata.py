"""Metadata never decides whether a picture is read: large, damaged or missing parts beside intact pixels."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from inference.imaging.decoding import decode
from inference.imaging.errors import UnreadableImage
from tests.support.profiles import ADOBE_RGB, rgb_profile
from training.data.synthetic_lesions import draw_lesion

RGB = draw_lesion(width=60, height=40, seed=3)
SIGNATURE = 8


def saved(format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, format_, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes, *, crc: int | None = None) -> bytes:
    crc = zlib.crc32(kind + content) if crc is None else crc
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def with_chunk(added: bytes) -> bytes:
    """A PNG with one more chunk behind its header."""
    png, header = saved("PNG"), SIGNATURE + 25
    return png[:header] + added + png[header:]


LARGE = b"x" * 3_000_000
ANCILLARY = {
    "tEXt over 1 MB": chunk(b"tEXt", b"Comment\0" + LARGE),
    "zTXt over 1 MB": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(LARGE)),
    "iTXt over 1 MB": chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(LARGE)),
    "EXIF as zTXt over 1 MB": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(LARGE)),
    "XMP as iTXt over 1 MB": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(LARGE)),
    "iCCP over 1 MB": chunk(b"iCCP", b"icc\0\0" + zlib.compress(os.urandom(1_200_000))),
    "iCCP over 4 MB": chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(60_000_000))),
    "iCCP that is damaged": chunk(b"iCCP", b"icc\0\0rubbish"),
    "eXIf that is damaged": chunk(b"eXIf", b"rubbish"),
    "gAMA of no length": chunk(b"gAMA", b""),
    "pHYs of no length": chunk(b"pHYs", b""),
    "many chunks": chunk(b"tEXt", b"a\0b") * 20_000,
} | {
    f"{kind.decode()} with a bad checksum": chunk(kind, content, crc=1)
    for kind, content in {
        b"tEXt": b"Comment\0words", b"pHYs": bytes(9), b"gAMA": (45455).to_bytes(4, "big"),
        b"eXIf": b"II*\0\b\0\0\0\0\0",
        b"tIME": bytes(7), b"prVt": b"private", b"iCCP": b"icc\0\0" + zlib.compress(b"no profile"),
    }.items()
}  # fmt: skip


@pytest.mark.parametrize("case", ANCILLARY)
def test_ancillary_chunks_of_png(case: str) -> None:
    assert (decode(with_chunk(ANCILLARY[case])).rgb == RGB).all()


def test_a_png_without_its_last_chunk_is_whole() -> None:
    assert (decode(saved("PNG")[:-12]).rgb == RGB).all()


def test_the_orientation_of_a_png_is_kept_in_each_of_its_places() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    text = PngImagePlugin.PngInfo()
    hexadecimal = (b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")).hex()
    text.add_text("Raw profile type exif", f"\nexif\n{len(hexadecimal) // 2}\n{hexadecimal}\n", zip=True)
    xmp = PngImagePlugin.PngInfo()
    xmp.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"/>')
    for options in ({"exif": exif}, {"pnginfo": text}, {"pnginfo": xmp}):
        assert decode(saved("PNG", **options)).rgb.shape == (60, 40, 3), options


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 1e30])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_that_is_no_integer_is_none(form: str, value: float) -> None:
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIfI", 8, 1, 0x0112, 11, 1, value, 0)  # of type FLOAT
    assert decode(saved(form, exif=exif)).rgb.shape == RGB.shape


@pytest.mark.parametrize("options", [
    {}, {"progressive": True}, {"subsampling": 2}, {"restart_marker_blocks": 3}, {"quality": 100},
])  # fmt: skip
def test_a_jpeg_without_its_end_marker_is_whole(options: dict[str, object]) -> None:
    data = saved("JPEG", **options)
    assert (decode(data[:-2]).rgb == decode(data).rgb).all()
    assert (decode(data[:-1]).rgb == decode(data).rgb).all()


END = b"\xff\xd9"


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1)])
def test_a_jpeg_may_be_one_pixel_wide_or_high(size: tuple[int, int], progressive: bool) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 120, 90)).save(buffer, "JPEG", progressive=progressive)
    assert decode(buffer.getvalue()).rgb.shape == (size[1], size[0], 3)


@pytest.mark.parametrize("progressive", [False, True])
def test_fill_bytes_may_stand_before_the_end_of_a_jpeg(progressive: bool) -> None:
    """ITU-T T.81, B.1.1.2."""
    data = saved("JPEG", progressive=progressive)
    assert (decode(data[:-2] + b"\xff\xff" + END).rgb == decode(data).rgb).all()


TABLE = b"\xff\xdb\0\x43\0" + bytes(range(1, 65))


@pytest.mark.parametrize("end", [b"", END, TABLE + END], ids=["no end", "an end", "a table and an end"])
@pytest.mark.parametrize("options", [
    {"quality": 95}, {"progressive": True}, {"subsampling": 2}, {"restart_marker_blocks": 3},
])  # fmt: skip
@pytest.mark.parametrize("missing", [6, 28, 198])
def test_a_jpeg_that_is_cut_in_its_pixels_is_not(missing: int, options: dict[str, object], end: bytes) -> None:
    """Programs that save what they got put an end marker behind it."""
    data = saved("JPEG", **options)
    for reduction in (1, 2):
        with pytest.raises(UnreadableImage, match="damaged or cut off"):
            decode(data[: -2 - missing] + end, reduction=lambda width, height, factor=reduction: factor)


def test_a_progressive_jpeg_that_ends_between_two_scans_is_not() -> None:
    """Its pixels are there, in less detail than the file had."""
    data = saved("JPEG", quality=95, progressive=True)
    scans = [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 3
    for at in scans[1:]:
        start = data.rfind(b"\xff\xc4", 0, at)  # the tables of the scan that is missing
        with pytest.raises(UnreadableImage, match="damaged or cut off"):
            decode(data[: start if start > scans[0] else at])
        with pytest.raises(UnreadableImage, match="damaged or cut off"):
            decode(data[: start if start > scans[0] else at] + END)


@pytest.mark.parametrize("tail", [b"", b"PK\3\4" + bytes(60), bytes(200_000), b"\xff" * 5000, b"\xff\xd8\xff\xe0"])
def test_what_follows_a_jpeg_does_not_matter(tail: bytes) -> None:
    assert (decode(saved("JPEG") + tail).rgb == decode(saved("JPEG")).rgb).all()


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


@pytest.mark.parametrize("added", [
    segment(0xFE, b"x" * 65_000) * 20, segment(0xED, b"Photoshop 3.0\x008BIM\xff\xff"), segment(0xE2, b"MPF\0rubbish"),
    segment(0xE1, b"Exif\0\0rubbish"), segment(0xE2, b"ICC_PROFILE\0\1\1rubbish"),
    b"\xff" * 100_000, segment(0xE5, b""),
])  # fmt: skip
def test_segments_of_jpeg(added: bytes) -> None:
    data = saved("JPEG")
    assert (decode(data[:2] + added + data[2:]).rgb == decode(data).rgb).all()


def test_a_profile_and_an_orientation_survive_among_other_segments() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved("JPEG", exif=exif, icc_profile=rgb_profile(ADOBE_RGB), comment=b"words")
    rgb = decode(data).rgb
    assert rgb.shape == (60, 40, 3)
    assert np.abs(rgb.astype(int) - decode(saved("JPEG", exif=exif)).rgb).mean() > 2
