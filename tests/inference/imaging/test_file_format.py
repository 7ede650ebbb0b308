"""Formats are named by their content: what is accepted, and what a client should be told that it sent."""

import ast
import io
import re

import numpy as np
import pytest
import tifffile
from PIL import Image

from inference.imaging.decoding import decode
from inference.imaging.errors import UnreadableImage, UnsupportedFormat
from inference.imaging.file_format import FORMATS, OPTIONAL, SUFFIXES, identify, media_type
from tests.support.paths import ROOT


def ftyp(major: bytes, *others: bytes) -> bytes:
    body = b"ftyp" + major + bytes(4) + b"".join(others)
    return (4 + len(body)).to_bytes(4, "big") + body


HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")


@pytest.mark.parametrize("brand", HEIC)
def test_every_brand_of_heic(brand: bytes) -> None:
    assert identify(ftyp(brand)) == "HEIC"
    with pytest.raises(UnreadableImage, match="HEIC file is damaged"):
        decode(ftyp(brand))


@pytest.mark.parametrize("brands", [
    (b"avif",), (b"avis",), (b"mif1", b"miaf", b"avif"), (b"msf1", b"avis", b"mif1"), (b"mif1", b"heic", b"avif"),
])  # fmt: skip
def test_avif_hides_behind_the_brands_of_its_container(brands: tuple[bytes, ...]) -> None:
    assert identify(ftyp(*brands)) == "AVIF"


def jp2(mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (9, 9)).save(buffer, "JPEG2000", **options)
    return buffer.getvalue()


def raw(tag: tuple[int, str, int, object], *, sub: bool = False, photometric: str = "rgb") -> bytes:
    """A TIFF with the small picture that camera raw files show first."""
    buffer = io.BytesIO()
    tags = [tag, (330, "I", 1, 8, True)] if sub else [tag]
    tifffile.imwrite(buffer, np.zeros((9, 9, 3), np.uint8), photometric=photometric, metadata=None, extratags=tags)
    return buffer.getvalue()


@pytest.mark.parametrize(("data", "name"), [
    (b"\xff\x0a" + bytes(20), "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), "JPEG XL"),
    (jp2(), "JPEG 2000"),
    (jp2(no_jp2=True), "JPEG 2000"),
    (raw((50706, "B", 4, b"\1\4\0\0", True)), "DNG"),
    (raw((271, "s", 0, "NIKON", True), sub=True), None),
    (b"II*\0\x10\0\0\0CR\2\0" + (0).to_bytes(4, "little") + bytes(20), "CR2"),
    (ftyp(b"crx ", b"isom"), "CR3"),
    (b"IIRO" + bytes(20), "ORF"),
    (b"IIU\0" + bytes(20), "RW2"),
    (b"FUJIFILMCCD-RAW " + bytes(20), "RAF"),
    (ftyp(b"qt  "), "video"),
    (ftyp(b"mp42", b"isom"), "video"),
])  # fmt: skip
def test_what_is_not_accepted_is_named(data: bytes, name: str | None) -> None:
    if name is None:
        assert identify(data) == "TIFF"  # a full picture in front of others
        return
    with pytest.raises(UnsupportedFormat, match=rf"The content is .*{name}.*Accepted formats: JPEG"):
        decode(data)


def test_a_preview_in_front_of_raw_pictures_is_not_classified() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:  # as Nikon and Sony write: a preview, and the picture beside it
        writer.write(np.zeros((9, 9, 3), np.uint8), photometric="rgb", metadata=None, subfiletype=1, subifds=1)
        writer.write(np.zeros((90, 90), np.uint16), metadata=None)
    with pytest.raises(UnsupportedFormat, match="camera raw"):
        decode(buffer.getvalue())


@pytest.mark.parametrize("photometric", [32803, 34892])
def test_sensor_data_are_not_a_photo(photometric: int) -> None:
    buffer = io.BytesIO()
    shape = (9, 9) if photometric == 32803 else (9, 9, 3)
    tifffile.imwrite(buffer, np.zeros(shape, np.uint16), photometric=photometric, metadata=None)
    with pytest.raises(UnsupportedFormat, match="camera raw"):
        decode(buffer.getvalue())


def test_every_format_has_its_suffixes_wherever_files_are_chosen_by_name() -> None:
    """The page's script, the page's choice of files and the example for Spark have lists of their own."""
    assert tuple(SUFFIXES) == (*FORMATS, *OPTIONAL)
    suffixes = [suffix for of_format in SUFFIXES.values() for suffix in of_format]
    pattern = re.search(r"const IMAGE = /(.*)/i;", (ROOT / "static/folders.js").read_text())
    assert pattern
    assert [suffix for suffix in (*suffixes, ".txt", ".gif") if re.search(pattern[1], f"a{suffix}")] == suffixes
    accepted = re.search('accept="(.*?)"', (ROOT / "templates/page.html").read_text())
    assert accepted
    assert {*accepted[1].split(",")} == {*map(media_type, SUFFIXES), "image/heif", *SUFFIXES["DICOM"]}
    spark = re.search(r"^SUFFIXES = (.*)$", (ROOT / "examples/score_with_spark.py").read_text(), re.MULTILINE)
    assert spark
    without_dicom = [suffix.removeprefix(".") for suffix in suffixes if suffix not in SUFFIXES["DICOM"]]
    assert list(ast.literal_eval(spark[1])) == without_dicom
