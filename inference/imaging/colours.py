"""From the samples of a picture to sRGB on white, in bands of rows, so that a large picture is never held twice."""

import io
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from inference.imaging.errors import UnreadableImage

BAND_ROWS = 64
_LEVELS_16 = 257  # 65535 / 255
# Modes of Pillow by what their colours are; an alpha channel is handled beside them.
_OPAQUE = {"La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "1": "L"}
_SPACES = {"GRAY": ("L",), "RGB": ("RGB", "L"), "CMYK": ("CMYK",), "Lab": ("LAB",)}


@dataclass(frozen=True, slots=True)
class Samples:
    """How a picture's samples are to be read, beside what its mode says.

    profile: ICC profile. inverted: 16-bit grey whose 0 is white. opaque: a fourth sample is no transparency.
    """

    profile: bytes | None = None
    inverted: bool = False
    opaque: bool = False


class Rows(Protocol):
    """A picture whose rows can be had as a picture of Pillow; Pillow's pictures are such."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    @property
    def mode(self) -> str:
        """Pillow's name for the kind of samples."""

    def crop(self, box: tuple[int, int, int, int], /) -> Image.Image:
        """The pixels of a box: left, top, right, bottom."""


def to_srgb(image: Rows, samples: Samples, *, reduction: int = 1) -> NDArray[np.uint8]:
    """RGB uint8 [ceil(height / reduction), ceil(width / reduction), 3], reduced by averaging areas.

    Transparent pixels are laid on white. Raises UnreadableImage if no pixel is opaque at all, or for 32-bit samples.
    """
    if image.mode in ("I", "F"):
        raise UnreadableImage("32-bit samples are not supported; accepted: 8 and 16 bits a sample.", cause="samples")
    width, height = image.size
    convert = _Conversion(image.mode, samples)
    small = np.empty((-(-height // reduction), -(-width // reduction), 3), np.uint8)
    rows = max(1, BAND_ROWS // reduction)
    for top in range(0, len(small), rows):
        out = small[top : top + rows]
        below = min(height, (top + len(out)) * reduction)
        # Pillow 13 takes three times as long to hand over 12 megapixels at once as in bands.
        band = convert.band(image.crop((0, top * reduction, width, below)))
        out[:] = band if reduction == 1 else cv2.resize(band, out.shape[1::-1], interpolation=cv2.INTER_AREA)
    if not convert.most_opaque:
        raise UnreadableImage("The image is transparent throughout: it shows nothing.", cause="transparent")
    return small


class _Conversion:
    """Converts bands of one picture. `most_opaque`: the largest alpha so far, 255 without transparency."""

    def __init__(self, mode: str, samples: Samples) -> None:
        self.most_opaque = 0
        self._samples = samples
        self._profile = _open_profile(samples.profile)
        self._transforms: dict[str, ImageCms.ImageCmsTransform | None] = {}

    def band(self, band: Image.Image) -> NDArray[np.uint8]:
        """sRGB uint8 [rows, width, 3] of some rows."""
        colour, alpha = self._split(band)
        rgb = self._in_srgb(colour)
        if alpha is None:
            self.most_opaque = 255
            return rgb
        self.most_opaque = max(self.most_opaque, int(alpha.max()))
        share = alpha[:, :, np.newaxis].astype(np.uint16)
        return ((rgb * share + 255 * (255 - share) + 127) // 255).astype(np.uint8)

    def _split(self, band: Image.Image) -> tuple[Image.Image, NDArray[np.uint8] | None]:
        """Colours in a mode that a profile may describe, and alpha uint8 [rows, width]."""
        if band.mode.startswith("I;16"):
            return self._from_16_bits(band)
        if band.mode == "P":
            band = band.convert("RGBA" if "transparency" in band.info else "RGB")
        elif band.mode == "PA" or "transparency" in band.info:
            band = band.convert("LA" if band.mode in ("1", "L") else "RGBA")
        band = band.convert(_OPAQUE[band.mode]) if band.mode in _OPAQUE else band
        if band.mode not in ("LA", "RGBA"):
            return band, None
        alpha = None if self._samples.opaque else np.asarray(band.getchannel("A"), np.uint8)
        return band.convert("L" if band.mode == "LA" else "RGB"), alpha

    def _from_16_bits(self, band: Image.Image) -> tuple[Image.Image, NDArray[np.uint8] | None]:
        levels = np.asarray(band).astype(np.uint32)
        grey = ((levels + _LEVELS_16 // 2) // _LEVELS_16).astype(np.uint8)
        key = band.info.get("transparency")
        alpha = np.where(levels == key, 0, 255).astype(np.uint8) if isinstance(key, int) else None
        return Image.fromarray(255 - grey if self._samples.inverted else grey), alpha

    def _in_srgb(self, colour: Image.Image) -> NDArray[np.uint8]:
        if colour.mode not in self._transforms:
            self._transforms[colour.mode] = self._transform(colour.mode)
        transform = self._transforms[colour.mode]
        if transform:
            colour = colour.convert(transform.input_mode) if colour.mode != transform.input_mode else colour
            colour = transform.apply(colour)
        return np.asarray(colour if colour.mode == "RGB" else colour.convert("RGB"), np.uint8)

    def _transform(self, mode: str) -> ImageCms.ImageCmsTransform | None:
        """From the profile's space to sRGB; None without a profile, or for one that describes other colours."""
        if self._profile is None:
            return None
        modes = _SPACES.get(self._profile.profile.xcolor_space.strip(), ())
        if mode not in modes:
            return None
        try:
            return ImageCms.buildTransform(self._profile, ImageCms.createProfile("sRGB"), modes[0], "RGB")
        except (ImageCms.PyCMSError, ValueError):
            return None


def _open_profile(profile: bytes | None) -> ImageCms.ImageCmsProfile | None:
    if not profile:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError):
        return None  # a damaged profile does not make the pixels unreadable
