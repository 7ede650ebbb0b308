"""Whether a browser shows an uploaded file as the service reads it, so that the page need not send it back."""

from inference.imaging.file_format import identify

# Chunks of moving pictures, of which the service reads the first frame, and of the EXIF orientation, which browsers
# apply to JPEG alone with certainty. The same letters in compressed data cost one picture.
_ELSE: dict[str | None, tuple[bytes, ...]] = {
    "JPEG": (),
    "BMP": (),
    "PNG": (b"acTL", b"eXIf"),
    "WebP": (b"ANIM", b"EXIF"),
}


def is_shown_alike(data: bytes) -> bool:
    """Whether the file's own pixels, as every browser shows them, are those of the upright first frame."""
    chunks = _ELSE.get(identify(data))
    return chunks is not None and not any(chunk in data for chunk in chunks)
