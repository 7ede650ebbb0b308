"""Opens HEIC files, which phones write. libheif reads them; it applies the container's rotation and mirroring."""

import pi_heif
from PIL import Image

from inference.imaging.errors import UnreadableImage
from inference.imaging.heif_items import check_items

# Errors of pi-heif 1.4 for what it cannot read.
_FAILURES = (ValueError, EOFError, SyntaxError, RuntimeError, OSError, IndexError)
_WIDE_RANGE = (16, 18)  # transfer characteristics PQ and HLG (ITU-T H.273)


class HeifPicture:
    """The primary picture of a file. `size` is known before a pixel is decoded."""

    def __init__(self, data: bytes) -> None:
        """Read the header. Raises UnreadableImage."""
        check_items(data)
        pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False
        pi_heif.options.DECODE_THREADS = 1
        try:
            self._file = pi_heif.open_heif(data)
            self.size: tuple[int, int] = self._file.size
        except _FAILURES as error:
            raise UnreadableImage("The HEIC file is damaged, or its codec is not HEVC.", cause="heic-codec") from error

    @property
    def frames(self) -> int:
        """How many pictures the file holds, without previews."""
        return len(self._file)

    @property
    def profile(self) -> bytes | None:
        """The ICC profile. Raises UnreadableImage for brightness that no screen of sRGB shows."""
        described = self._file.info.get("nclx_profile") or {}
        if described.get("transfer_characteristics") in _WIDE_RANGE:
            raise UnreadableImage(
                "The HEIC file has high dynamic range (PQ or HLG); save it with standard range.", cause="dynamic-range"
            )
        profile = self._file.info.get("icc_profile")
        return bytes(profile) if profile else None

    def load(self) -> Image.Image:
        """Decode to Pillow's RGB, RGBA or L, 8 bits. Raises UnreadableImage."""
        try:
            picture = self._file[self._file.primary_index]
            mode, stride = picture.mode, picture.stride
            pixels = Image.frombuffer(mode, picture.size, picture.data, "raw", mode, stride, 1)
        except _FAILURES as error:
            raise UnreadableImage("The HEIC file is damaged or cut off.", cause="damaged", name="HEIC") from error
        return pixels.convert("RGBA") if mode == "RGBa" else pixels
