"""Names the format of a file by its content: the accepted formats, and those that an error should name."""

import struct
from functools import cache
from importlib.util import find_spec

from inference.imaging import tiff

FORMATS = ("JPEG", "PNG", "WebP", "BMP", "TIFF", "HEIC", "AVIF")
OPTIONAL = {"DICOM": "pydicom"}  # the package that reads it; an extra of the same name, in small letters, installs it

# How files of a format are usually called. Where files are named one by one, the content alone decides.
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WebP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "HEIC": (".heic", ".heif"),
    "AVIF": (".avif",),
    "DICOM": (".dcm",),
}

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),  # BigTIFF
    (b"MM\x00+", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"%PDF-", "PDF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"IIRO", "a camera raw file (Olympus ORF)"),
    (b"IIRS", "a camera raw file (Olympus ORF)"),
    (b"MMOR", "a camera raw file (Olympus ORF)"),
    (b"IIU\x00", "a camera raw file (Panasonic RW2)"),
    (b"II\x1a\x00\x00\x00HEAPCCDR", "a camera raw file (Canon CRW)"),
    (b"FUJIFILMCCD-RAW ", "a camera raw file (Fujifilm RAF)"),
    (b"FOVb", "a camera raw file (Sigma X3F)"),
    (b"\x00MRM", "a camera raw file (Minolta MRW)"),
)
# Brands of the box `ftyp` (ISO/IEC 14496-12 and 23008-12). The first three sets are looked for in this order among all
# brands of a file, because `mif1` and `msf1` tell the container and not the codec.
_BRANDS = (
    (frozenset({b"avif", b"avis"}), "AVIF"),
    (frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}), "HEIC"),
    (frozenset({b"mif1", b"mif2", b"msf1"}), "HEIC"),
    (frozenset({b"crx "}), "a camera raw file (Canon CR3)"),
    (frozenset({b"qt  ", b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"M4V "}), "a video"),
)
_MOST_BRANDS = 64
_DICOM = slice(128, 132)


@cache
def accepted_formats() -> tuple[str, ...]:
    """FORMATS, and those of OPTIONAL whose package is installed."""
    return (*FORMATS, *(name for name, package in OPTIONAL.items() if find_spec(package)))


def media_type(name: str) -> str:
    """Of one of accepted_formats()."""
    return "application/dicom" if name == "DICOM" else f"image/{name.lower()}"


def refusal(name: str | None) -> str:
    """Why a file that `identify` calls so is not read."""
    content = f"The content is {name}" if name else "The content is not an image"
    missing = (
        f"; reading it needs the extra {name.lower()}, see docs/integration.md" if name and name in OPTIONAL else ""
    )
    return f"{content}{missing}. Accepted formats: {', '.join(accepted_formats())}."


def identify(data: bytes) -> str | None:
    """Name of the format that the content shows: one of FORMATS or OPTIONAL, another known one, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        return _brand(data)
    if data[_DICOM] == b"DICM":
        return "DICOM"
    name = next((name for magic, name in _MAGIC if data.startswith(magic)), None)
    return tiff.camera_raw(data) or name if name == "TIFF" else name


def _brand(data: bytes) -> str | None:
    size = min(int.from_bytes(data[:4], "big"), 16 + 4 * _MOST_BRANDS, len(data))
    count = max(0, (size - 16) // 4)
    brands = {data[8:12], *(each[0] for each in struct.iter_unpack("4s", data[16 : 16 + 4 * count]))}
    return next((name for known, name in _BRANDS if known & brands), None)
