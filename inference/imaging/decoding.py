"""Decodes image files to upright 8-bit sRGB. Training and serving use the same code.

Each format has a module that knows its structure. It refuses what would be read wrongly or would cost too much before
a pixel is decoded: scans, tiles, strips, chunks, run lengths.
"""

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from inference.imaging import bmp, dicom, jpeg, png, tiff, webp
from inference.imaging.colours import Samples, to_srgb
from inference.imaging.dicom_origin import DicomOrigin
from inference.imaging.errors import ImageError, ImageTooLarge, UnreadableImage, UnsupportedFormat
from inference.imaging.file_format import accepted_formats, identify, refusal
from inference.imaging.heif import HeifPicture
from inference.imaging.whole_jpeg import require_whole

MAX_PIXELS = 50_000_000
Reduction = Callable[[int, int], int]

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
_SWAPS_SIDES = frozenset({5, 6, 7, 8})
# Raised by Pillow 13 for malformed files: OSError for truncated data, SyntaxError and ValueError by the parsers of
# headers, struct.error and IndexError for short chunks, RuntimeError by the decoder of AVIF, MemoryError for tables of
# impossible sizes, OverflowError for numbers that are infinite or beyond every address.
_MALFORMED = (
    *(OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, RuntimeError),
    *(struct.error, MemoryError, OverflowError),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image: `rgb` uint8 [h, w, 3], upright; `more_frames`: the file holds more than this frame;
    `origin`: which DICOM instance it is.

    width, height: pixels of the upright image in the file; `rgb` has fewer if a reduction was allowed.
    """

    rgb: NDArray[np.uint8]
    more_frames: bool
    width: int
    height: int
    origin: DicomOrigin | None = None


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS, reduction: Reduction = lambda width, height: 1) -> Picture:
    """Decode the first frame to upright 8-bit sRGB on white.

    Transparent images are blended with white, 16-bit grey is scaled to 8 bits, CMYK and palettes are converted, colours
    with an ICC profile are converted to sRGB, and the EXIF orientation is applied. Metadata is dropped. The chunks gAMA
    and cHRM of a PNG are not applied: docs/decisions/0022-*.md.
    `reduction` of the image's width and height is the factor by which both sides may be divided, which costs less; the
    sides of an image that stands on its side may be exchanged.

    Raises UnsupportedFormat (decided by the content, not by a file name), UnreadableImage, ImageTooLarge.
    """
    name = identify(data)
    if name not in accepted_formats():
        facts = {"cause": "content", "content": name} if name else {"cause": "no-image"}
        raise UnsupportedFormat(refusal(name), **facts, formats=", ".join(accepted_formats()))
    with _named_errors(name, max_pixels):
        stored = _READERS.get(name, _read_other)(data, name, _Bounds(max_pixels, reduction))
    upright = _UPRIGHT[stored.orientation](stored.rgb) if stored.orientation in _UPRIGHT else stored.rgb
    width, height = stored.size
    if stored.orientation in _SWAPS_SIDES:
        width, height = height, width
    return Picture(np.asarray(upright, np.uint8), stored.more_frames, width, height, stored.origin)


@contextmanager
def _named_errors(name: str, max_pixels: int) -> Iterator[None]:
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(None, max_pixels) from error
    except UnidentifiedImageError as error:
        raise UnreadableImage(
            f"The {name} file is damaged: its header cannot be read.", cause="damaged", name=name
        ) from error
    except ImageError:
        raise
    except _MALFORMED as error:
        raise UnreadableImage(f"The {name} file is damaged or cut off.", cause="damaged", name=name) from error


@dataclass(frozen=True, slots=True)
class _Bounds:
    max_pixels: int
    reduction: Reduction

    def check(self, size: tuple[int, int]) -> None:
        if size[0] * size[1] > self.max_pixels:
            raise _too_large(size, self.max_pixels)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A picture as its file stores it: rgb uint8 [h, w, 3], perhaps reduced; size in the file; EXIF orientation."""

    rgb: NDArray[np.uint8]
    size: tuple[int, int]
    orientation: int = 1
    more_frames: bool = False
    origin: DicomOrigin | None = None


def _too_large(size: tuple[int, int] | None, max_pixels: int) -> ImageTooLarge:
    most = max_pixels / 1e6
    allowed = f"at most {most:g} million are accepted."
    if size is None:
        return ImageTooLarge(f"The image has too many pixels; {allowed}", cause="many-pixels", most=most)
    width, height = size
    words = f"The image has {width} x {height} pixels; {allowed}"
    return ImageTooLarge(words, cause="pixels", width=width, height=height, most=most)


def _read_jpeg(data: bytes, name: str, bounds: _Bounds, *, profile: bytes | None = None) -> _Stored:
    """Large pictures are reduced in the domain of the DCT, which saves most of the work."""
    found = jpeg.read_structure(data)
    with Image.open(io.BytesIO(found.file), formats=[name]) as image:
        size = image.size
        bounds.check(size)
        require_whole(found)
        factor = bounds.reduction(*size)
        if factor > 1 and not found.lossless:
            image.draft(None, (size[0] // factor, size[1] // factor))
        samples = Samples(profile=profile or image.info.get("icc_profile"))
        rgb = to_srgb(image, samples, reduction=factor if found.lossless else 1)
        return _Stored(rgb, size, _orientation(image))


def _read_png(data: bytes, name: str, bounds: _Bounds) -> _Stored:
    found = png.read_structure(data)
    if found.wide_colour and found.has_colour_key:
        words = "A PNG file of 16-bit colours with a transparent colour is not supported."
        raise UnreadableImage(words, cause="png-colour-key")
    with Image.open(io.BytesIO(found.file), formats=[name]) as image:
        bounds.check(image.size)
        image.load()
        if "transparency" in image.info and found.grey_levels:  # Pillow 13 scales the pixels to 0..255, but not the key
            image.info["transparency"] = image.info["transparency"] * 255 // (found.grey_levels - 1)
        rgb = to_srgb(image, Samples(profile=found.profile), reduction=bounds.reduction(*image.size))
        return _Stored(rgb, image.size, _orientation(image), found.frames > 1)


def _read_tiff(data: bytes, name: str, bounds: _Bounds) -> _Stored:
    tiff.configure_libtiff()
    found = tiff.Directory.read(data)
    bounds.check(found.size)
    found.check()
    with Image.open(io.BytesIO(data), formats=[name]) as image:
        bounds.check(image.size)
        more_frames = tiff.has_second_page(image)
        image.load()  # Pillow 13 turns a TIFF upright here, and then reports the orientation 1
        inverted = found.white_is_zero and image.mode.startswith("I;16")
        samples = Samples(image.info.get("icc_profile"), inverted=inverted, opaque=not found.has_alpha)
        rgb = to_srgb(image, samples, reduction=bounds.reduction(*image.size))
        return _Stored(rgb, image.size, _orientation(image), more_frames)


def _read_bmp(data: bytes, name: str, bounds: _Bounds) -> _Stored:
    size = bmp.run_length_size(data)
    if size:
        bounds.check(size)
        image = bmp.decode_run_length(data)
    else:
        with Image.open(io.BytesIO(data), formats=[name]) as image:
            bounds.check(image.size)
            image.load()
    # Programs that write no transparency leave the fourth sample at 0.
    opaque = image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0)
    rgb = to_srgb(image, Samples(opaque=opaque), reduction=bounds.reduction(*image.size))
    return _Stored(rgb, image.size)


def _read_heic(data: bytes, name: str, bounds: _Bounds) -> _Stored:
    """The container's own rotation counts, not that of EXIF, which repeats it (ISO/IEC 23008-12, annex A.2)."""
    picture = HeifPicture(data)
    bounds.check(picture.size)
    profile, image = picture.profile, picture.load()
    rgb = to_srgb(image, Samples(profile=profile), reduction=bounds.reduction(*image.size))
    return _Stored(rgb, image.size, more_frames=picture.frames > 1)


def _read_webp(data: bytes, name: str, bounds: _Bounds) -> _Stored:
    found = webp.read_structure(data)
    bounds.check(found.size)
    if found.animated:
        return _read_other(data, name, bounds)
    picture = webp.StillPicture(data)
    bounds.check(picture.size)
    rgb = to_srgb(picture, Samples(profile=found.profile), reduction=bounds.reduction(*picture.size))
    return _Stored(rgb, picture.size, _orientation(found.orientation_source()))


def _read_dicom(data: bytes, name: str, bounds: _Bounds) -> _Stored:
    found = dicom.read(data, bounds.check)
    if isinstance(found.image, bytes):
        stored = _read_jpeg(found.image, "JPEG", bounds, profile=found.profile)
        return replace(stored, orientation=1, more_frames=found.frames > 1, origin=found.origin)
    rgb = to_srgb(found.image, Samples(profile=found.profile), reduction=bounds.reduction(*found.image.size))
    return _Stored(rgb, found.image.size, more_frames=found.frames > 1, origin=found.origin)


def _read_other(data: bytes, name: str, bounds: _Bounds) -> _Stored:
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # else one for each core
    with Image.open(io.BytesIO(data), formats=[name]) as image:
        bounds.check(image.size)
        more_frames = getattr(image, "n_frames", 1) > 1
        image.load()
        profile = image.info.get("icc_profile")
        rgb = to_srgb(image, Samples(profile=profile), reduction=bounds.reduction(*image.size))
        return _Stored(rgb, image.size, _orientation(image), more_frames)


_READERS: dict[str, Callable[[bytes, str, _Bounds], _Stored]] = {
    "JPEG": _read_jpeg,
    "PNG": _read_png,
    "TIFF": _read_tiff,
    "WebP": _read_webp,
    "BMP": _read_bmp,
    "HEIC": _read_heic,
    "DICOM": _read_dicom,
}


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except _MALFORMED:
        return 1  # damaged metadata does not make the pixels unreadable
