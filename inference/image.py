"""Bytes -> upright RGB -> the square the model sees. Training and serving both come through here."""

import ctypes
import io
import struct
from collections.abc import Callable
from ctypes.util import find_library
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field

Fit = Literal["squash", "center-crop"]

FORMATS = ("JPEG", "PNG", "WebP", "BMP", "TIFF")
MAX_PIXELS = 50_000_000

_EXIF_ORIENTATION = 0x0112
_UPRIGHT: dict[int, Callable[[NDArray[np.uint8]], cv2.typing.MatLike]] = {
    2: partial(cv2.flip, flipCode=1),
    3: partial(cv2.rotate, rotateCode=cv2.ROTATE_180),
    4: partial(cv2.flip, flipCode=0),
    5: cv2.transpose,
    6: partial(cv2.rotate, rotateCode=cv2.ROTATE_90_CLOCKWISE),
    7: lambda rgb: cv2.flip(cv2.transpose(rgb), -1),
    8: partial(cv2.rotate, rotateCode=cv2.ROTATE_90_COUNTERCLOCKWISE),
}
_BAND = 64  # rows
# What Pillow 13 raises on malformed files: OSError for truncated data, SyntaxError and ValueError from the
# plugins' header parsers, struct.error and IndexError from short chunks, MemoryError from absurd tables.
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error, MemoryError)


class ImageError(ValueError):
    """The bytes cannot become an image; the message says why and is safe to show."""


class UnsupportedFormat(ImageError):
    """Not an image, or an image in a format that is not accepted."""


class UnreadableImage(ImageError):
    """An accepted format whose content cannot be read."""


class ImageTooLarge(ImageError):
    """More pixels than allowed."""


class Preprocessing(BaseModel):
    """How an image becomes the model's input: `size` in pixels (the square's side), and the fit.

    squash: the whole frame, its aspect ratio changed. center-crop: the largest centred square.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=32, le=1024)
    fit: Fit


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the upright image."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image: `rgb` uint8 [height, width, 3], upright; `more_frames` if the file holds others after it."""

    rgb: NDArray[np.uint8]
    more_frames: bool


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode the first frame to upright 8-bit RGB.

    Transparency is laid on white, 16-bit grey is scaled to 8 bits, CMYK and palettes are converted, colours with an
    ICC profile are brought to sRGB, and the EXIF orientation is applied. Metadata is dropped.

    Raises UnsupportedFormat (by content, whatever the name says), UnreadableImage, ImageTooLarge.
    """
    name = sniff(data)
    if name not in FORMATS:
        found = f"The content is {name}" if name else "The content is not an image"
        raise UnsupportedFormat(f"{found}. Accepted formats: {', '.join(FORMATS)}.")
    _silence_libtiff()
    try:
        with Image.open(io.BytesIO(data), formats=[name]) as image:
            _check_pixels(image.size, max_pixels)
            more_frames = _has_more(image)
            image.load()
            orientation = _orientation(image)  # after loading: Pillow 13 turns TIFF by itself and then says 1
            rgb = _pixels(_to_rgb(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(_too_large(None, max_pixels)) from error
    except UnidentifiedImageError as error:
        raise UnreadableImage(f"The {name} file is damaged: its header cannot be read.") from error
    except ImageError:
        raise
    except _BROKEN as error:
        raise UnreadableImage(f"The {name} file is damaged or cut off.") from error
    upright = _UPRIGHT[orientation](rgb) if orientation in _UPRIGHT else rgb
    return Picture(rgb=np.asarray(upright, np.uint8), more_frames=more_frames)


def fit(rgb: NDArray[np.uint8], spec: Preprocessing) -> NDArray[np.uint8]:
    """Bring uint8 [h, w, 3] to the model's square, uint8 [size, size, 3].

    Area averaging where the image shrinks (plain bilinear aliases), bilinear where it grows.
    """
    box = field_of_view(width=rgb.shape[1], height=rgb.shape[0], spec=spec)
    square = rgb[box.y : box.y + box.height, box.x : box.x + box.width]
    # Shrink first, then grow: OpenCV's INTER_AREA averages only when no axis grows.
    small = _resize(square, width=min(box.width, spec.size), height=min(box.height, spec.size), method=cv2.INTER_AREA)
    return _resize(small, width=spec.size, height=spec.size, method=cv2.INTER_LINEAR)


def field_of_view(*, width: int, height: int, spec: Preprocessing) -> Box:
    """The part of a width x height image that the model sees."""
    if spec.fit == "squash":
        return Box(0, 0, width, height)
    side = min(width, height)
    return Box((width - side) // 2, (height - side) // 2, side, side)


def prepare(data: bytes, spec: Preprocessing) -> NDArray[np.uint8]:
    """fit(decode(data)): bytes to uint8 [size, size, 3]."""
    return fit(decode(data).rgb, spec)


def sniff(data: bytes) -> str | None:
    """The image format that the first bytes announce, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        return {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC"}.get(data[8:12])
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    return None


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
)


@cache
def _silence_libtiff() -> None:
    """libtiff reports damage on stderr from C, past every log. Pillow 13 leaves it so, and brings its own copy."""
    bundled = (Path(Image.__file__).parent.parent / "pillow.libs").glob("libtiff*.so*")
    library = next(map(str, bundled), None) or find_library("tiff")
    if library:
        loaded = ctypes.CDLL(library)
        loaded.TIFFSetErrorHandler(None)
        loaded.TIFFSetWarningHandler(None)


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise ImageTooLarge(_too_large(size, max_pixels))


def _too_large(size: tuple[int, int] | None, max_pixels: int) -> str:
    found = f"{size[0]} x {size[1]} pixels" if size else "too many pixels"
    return f"The image has {found}; at most {max_pixels / 1e6:g} million are accepted."


def _has_more(image: Image.Image) -> bool:
    if image.format == "MPO":
        return False  # a phone's JPEG with its preview
    if image.format != "TIFF":
        return bool(getattr(image, "n_frames", 1) > 1)
    # Counting the pages of a TIFF walks through all of them; there may be thousands.
    try:
        image.seek(1)
    except EOFError:
        return False
    image.seek(0)
    return True


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except _BROKEN:
        return 1  # unreadable metadata says nothing about the picture


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((grey + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise UnreadableImage("32-bit samples are not supported; accepted: 8 and 16 bits a sample.")
    image = _in_srgb(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # to convert would copy it


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """RGB uint8 [height, width, 3]. Band by band: at once, Pillow 13 takes three times as long over 12 megapixels."""
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _BAND):
        pixels[top : top + _BAND] = np.asarray(image.crop((0, top, width, min(top + _BAND, height))))
    return pixels


def _in_srgb(image: Image.Image) -> Image.Image:
    """As the embedded ICC profile says, if there is one that can be used; else as it is."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    target = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, embedded, ImageCms.createProfile("sRGB"), outputMode=target)
    except (ImageCms.PyCMSError, *_BROKEN):
        return image  # a damaged profile, or one for another colour space, says nothing about the picture
    return converted or image


def _resize(rgb: NDArray[np.uint8], *, width: int, height: int, method: int) -> NDArray[np.uint8]:
    if rgb.shape[:2] == (height, width):
        return rgb
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=method), dtype=np.uint8)
