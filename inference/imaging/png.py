"""Structure of a PNG file: its chunks, and the file without what is not needed for its pixels.

W3C, Portable Network Graphics (PNG) Specification (Third Edition).
"""

import struct
import zlib
from dataclasses import dataclass

from inference.imaging.errors import UnreadableImage

MAX_CHUNKS = 50_000
MAX_PROFILE = 4_000_000  # bytes of an ICC profile
MAX_TEXT = 64_000  # bytes of a text in which programs store EXIF or XMP
MAX_TEXTS = 16  # of such texts; further ones are left out

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_EXIF_TEXTS = (b"Raw profile type exif\0", b"Raw profile type APP1\0", b"XML:com.adobe.xmp\0")
_GREY, _RGB = 0, 2  # colour types
_NEEDED = {b"tRNS", b"eXIf"}  # ancillary chunks that decide what is shown


@dataclass(slots=True)
class PngStructure:
    """What the chunks say.

    file: the same picture without other metadata and frames, with right checksums in its ancillary chunks.
    profile: the ICC profile of the first iCCP chunk; None if there is none, or a damaged one.
    profiles, texts: how many iCCP chunks, and texts with EXIF or XMP, were met.
    """

    file: bytes = b""
    profile: bytes | None = None
    profiles: int = 0
    texts: int = 0
    frames: int = 1
    wide_colour: bool = False  # 16 bits a sample, and no palette and no grey
    grey_levels: int = 0  # of a grey picture of 2 or 4 bits a sample; else 0
    has_colour_key: bool = False


def read_structure(data: bytes) -> PngStructure:
    """Walk over the chunks. Raises UnreadableImage for too many of them, or if the header is missing."""
    found, kept = PngStructure(), [SIGNATURE]
    at, chunks = len(SIGNATURE), 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body, end = at + 8, at + 12 + length
        if kind == b"IEND":
            break
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise UnreadableImage(
                f"The PNG file has more than {MAX_CHUNKS} chunks.", cause="chunks", name="PNG", most=MAX_CHUNKS
            )
        content = data[body : body + length]
        if _is_critical(kind) and end <= len(data):
            kept.append(data[at:end])
        elif kind == b"IDAT" or _decides(found, kind, content):  # IDAT that is cut off may still hold every pixel
            kept.append(_chunk(kind, content))
        _note(found, kind, content)
        at = end
    kept.append(_chunk(b"IEND", b""))
    found.file = b"".join(kept)
    return found


def _note(found: PngStructure, kind: bytes, content: bytes) -> None:
    if kind == b"IHDR" and len(content) >= 10:
        bits, colour = content[8], content[9]
        found.wide_colour = bits == 16 and colour == _RGB
        found.grey_levels = 2**bits if bits in (2, 4) and colour == _GREY else 0
    elif kind == b"tRNS":
        found.has_colour_key = True
    elif kind == b"acTL" and len(content) >= 4:
        found.frames = int.from_bytes(content[:4], "big")
    elif kind == b"iCCP":
        found.profiles += 1
        if found.profiles == 1:
            found.profile = _inflate(content.partition(b"\0")[2][1:], most=MAX_PROFILE)


def _decides(found: PngStructure, kind: bytes, content: bytes) -> bool:
    if kind not in _TEXTS:
        return kind in _NEEDED
    if not content.startswith(_EXIF_TEXTS) or len(content) > MAX_TEXT:
        return False
    found.texts += 1
    return found.texts <= MAX_TEXTS and _text_is_small(kind, content)


def _text_is_small(kind: bytes, content: bytes) -> bool:
    """Whether a compressed text stays small; Pillow 13 refuses the whole picture for one that does not."""
    rest = content.partition(b"\0")[2]
    if kind == b"iTXt" and rest[:1] != b"\1":
        return True
    packed = rest[1:] if kind == b"zTXt" else rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return kind == b"tEXt" or _inflate(packed, most=MAX_TEXT) is not None


def _inflate(packed: bytes, *, most: int) -> bytes | None:
    """The unpacked bytes; None if they are damaged or more than `most`."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, most)
    except zlib.error:
        return None
    return content if unpacker.eof else None


def _is_critical(kind: bytes) -> bool:
    return not kind[0] & 0x20


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
