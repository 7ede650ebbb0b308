"""Mutated drawn images: files that begin as images and go wrong in many ways. A number always gives the same bytes."""

import io
import random
import struct
from collections.abc import Callable, Iterator
from functools import cache

from PIL import Image
from pydicom import uid

from tests.support.dicom_files import dicom_file, drawing, grey, palette, planar, ybr_full_422
from tests.support.paths import ROOT
from tests.support.structured_mutations import mutate_structure
from training.data.synthetic_lesions import draw_lesion

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "MPO")
Mutation = Callable[[bytearray, random.Random], bytes | bytearray]


@cache
def originals() -> tuple[bytes, ...]:
    """Small files of every kind: formats, modes, orientations, pages, colour profiles."""
    picture = Image.fromarray(draw_lesion(width=40, height=30, seed=1))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "words"
    variants: list[tuple[Image.Image, str, dict[str, object]]] = [(picture, name, {}) for name in FORMATS]
    variants += [(picture.convert(mode), "PNG", {}) for mode in ("1", "L", "LA", "P", "RGBA", "I;16")]
    variants += [(picture.convert("CMYK"), "JPEG", {}), (picture.convert("CMYK"), "TIFF", {})]
    variants += [(picture, "JPEG", {"exif": exif, "progressive": True}), (picture, "WEBP", {"exif": exif})]
    variants += [(picture, "TIFF", {"compression": name}) for name in ("tiff_lzw", "jpeg", "tiff_adobe_deflate")]
    variants += [
        (picture, name, {"save_all": True, "append_images": [picture] * 3}) for name in ("TIFF", "WEBP", "PNG")
    ]
    variants += [(picture, "AVIF", {}), (picture.convert("RGBA"), "TIFF", {}), (picture.convert("RGBA"), "WEBP", {})]
    heic = sorted((ROOT / "tests/inference/imaging/reference").glob("*.heic"))
    return (*(_save(*variant) for variant in variants), *(path.read_bytes() for path in heic), *dicom_originals())


@cache
def dicom_originals() -> tuple[bytes, ...]:
    """DICOM instances of every kind of pixels."""
    compressed = (uid.JPEGBaseline8Bit, uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless, uid.RLELossless)
    small = drawing(width=48, height=40)
    return (
        *(dicom_file(small, syntax=each) for each in (uid.ImplicitVRLittleEndian, *compressed)),
        *(ybr_full_422(), palette(), planar(), dicom_file(small, frames=3)),
        dicom_file(grey(), photometric="MONOCHROME1", WindowCenter=90, WindowWidth=200, RescaleSlope=2),
    )


def _save(picture: Image.Image, name: str, options: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, name, **options)
    return buffer.getvalue()


def mutations(count: int, *, start: int = 0, of: Callable[[], tuple[bytes, ...]] = originals) -> Iterator[bytes]:
    """`count` files; number i is always the same."""
    for number in range(start, start + count):
        generator = random.Random(number)  # noqa: S311 - repeatable on purpose
        data: bytes | bytearray = bytearray(generator.choice(of()))
        for _ in range(generator.choice((1, 1, 2, 3, 8))):
            data = generator.choice(KINDS)(bytearray(data), generator)
        yield bytes(data)


def _flip(data: bytearray, generator: random.Random) -> bytearray:
    for _ in range(generator.randint(1, 20)):
        if data:
            data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    return data


def _cut(data: bytearray, generator: random.Random) -> bytearray:
    return data[: generator.randint(0, len(data))]


def _remove(data: bytearray, generator: random.Random) -> bytearray:
    start = generator.randint(0, len(data))
    del data[start : start + generator.randint(1, 64)]
    return data


def _repeat(data: bytearray, generator: random.Random) -> bytearray:
    start = generator.randint(0, len(data))
    piece = data[start : start + generator.randint(1, 64)]
    return data[:start] + piece * generator.randint(2, 20) + data[start:]


def _blank(data: bytearray, generator: random.Random) -> bytearray:
    start, length = generator.randint(0, len(data)), generator.randint(1, 64)
    data[start : start + length] = bytes([generator.choice((0, 255))]) * length
    return data


def _number(data: bytearray, generator: random.Random) -> bytearray:
    """An extreme number where a size, a count or an offset may stand."""
    value = generator.choice((0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
    start = generator.randint(0, min(len(data), 200))
    data[start : start + 4] = struct.pack(generator.choice("<>") + "I", value)
    return data


def _splice(data: bytearray, generator: random.Random) -> bytearray:
    other = generator.choice(originals())
    return data[: generator.randint(0, len(data))] + other[generator.randint(0, len(other)) :]


def _header(data: bytearray, generator: random.Random) -> bytearray:
    """The content of one format behind the first bytes of another."""
    return bytearray(generator.choice(originals())[:12]) + data[12:]


def _append(data: bytearray, generator: random.Random) -> bytearray:
    tails = (
        b"<script>alert(1)</script>",
        b"PK\x03\x04",
        b"%PDF-1.7\n",
        b"\x00" * 5000,
        bytes(generator.choice(originals())),
    )
    return data + generator.choice(tails)


KINDS: tuple[Mutation, ...] = (
    *(_flip, _cut, _remove, _repeat, _blank, _number, _splice, _header, _append),
    *(mutate_structure,) * 9,  # every second one
)
