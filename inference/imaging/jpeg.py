"""Structure of a JPEG file: its segments and scans, and the file without what is not needed for its pixels.

ITU-T T.81, annex B.
"""

import re
from dataclasses import dataclass, field

from inference.imaging.errors import UnreadableImage

MAX_SCANS = 100  # encoders write about 10; each costs up to 8 ms at 50 megapixels
MAX_SEGMENTS = 5000  # a profile of the largest size has 255

_SOI, _EOI, _SOS, _DNL = b"\xff\xd8", 0xD9, 0xDA, 0xDC
END = b"\xff\xd9"
# No Huffman code is all ones: a decoder that still needs pixels consumes these bits within two blocks and then asks for
# more, as it would not at an end marker, where it makes up the rest. 64 of them, because libjpeg reads so far ahead.
_ONES = b"\xff\x00" * 8
# A file of several scans is whole if what follows its last byte has no influence on the pixels.
_ENDINGS = tuple(bytes([pattern]) * 64 + END for pattern in (0x55, 0xAA))

_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_HUFFMAN = frozenset({0xC0, 0xC1})  # sequential
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOF_LS = 0xF7  # ITU-T T.87
_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDD, _DNL})
# What of the metadata is kept: the versions that tell how colours are stored, EXIF and XMP, and the ICC profile.
_NEEDED = ((0xE0, b"JFIF\0"), (0xE1, b"Exif\0"), (0xE1, b"http://ns.adobe.com/xap/1.0/\0"), (0xE2, b"ICC_PROFILE\0"))
_ADOBE = (0xEE, b"Adobe")
# A marker, after any fill bytes. 00 after FF is a stuffed byte; restart markers belong to their scan.
_MARKER = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd8])")


@dataclass(slots=True)
class JpegStructure:
    """What the segments say.

    body: the same picture without comments, previews, fill bytes, trailing data and end marker.
    """

    body: bytes = b""
    sequential: bool = False
    progressive: bool = False
    lossless: bool = False
    components: tuple[int, ...] = ()
    scans: int = 0
    precision: dict[tuple[int, int], int] = field(default_factory=dict)  # (component, coefficient): bits still missing

    @property
    def file(self) -> bytes:
        """The picture as a file. One of a single sequential scan gets no end: it is read only if it is whole."""
        return self.body + (_ONES if self.checks_itself else END)

    @property
    def variants(self) -> tuple[bytes, ...]:
        """Files of the same picture, if it is whole. None for one that checks itself."""
        return () if self.checks_itself else tuple(self.body + ending for ending in _ENDINGS)

    @property
    def checks_itself(self) -> bool:
        """Whether a decoder that needs no end marker finds out that pixels are missing."""
        return self.sequential and self.scans == 1

    @property
    def names_every_coefficient(self) -> bool:
        """Whether the scans, if they are whole, hold every coefficient of every component to its last bit."""
        return all(self.precision.get((each, index)) == 0 for each in self.components for index in range(64))


def read_structure(data: bytes) -> JpegStructure:
    """Walk over the segments. Raises UnreadableImage for too many scans or segments."""
    found, kept, at = JpegStructure(), [_SOI], len(_SOI)
    segments, scan = 0, 0
    while match := _MARKER.search(data, at):
        marker, body = match[1][0], match.end()
        if marker == _EOI:
            break
        segments += 1
        if segments > MAX_SEGMENTS:
            raise UnreadableImage(
                f"The JPEG file has more than {MAX_SEGMENTS} segments.", cause="segments", most=MAX_SEGMENTS
            )
        at = body + int.from_bytes(data[body : body + 2], "big")
        if at < body + 2 or at > len(data):
            break
        content = data[body + 2 : at]
        if marker == _SOS:
            at = _add_scan(found, data, content, at)
            scan = len(kept)
        elif marker in _FRAMES:
            found.progressive = marker in _PROGRESSIVE
            found.sequential, found.lossless = marker in _HUFFMAN, marker in _LOSSLESS
            found.components = tuple(content[6::3])
        if marker == _SOS or marker in _FRAMES or marker in _TABLES or _is_needed(marker, content):
            kept.append(data[match.start() : at])
    if scan:
        kept = kept[: scan + 1]  # a marker behind the last scan would be an end
        kept[-1] = kept[-1].rstrip(b"\xff")  # fill bytes before the end marker, or half of that
    found.body = b"".join(kept)
    return found


def frame_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in the frame header of a JPEG or JPEG-LS stream; None if there is none."""
    at = len(_SOI)
    for _ in range(MAX_SEGMENTS):
        match = _MARKER.search(data, at)
        if match is None:
            return None
        body = match.end()
        if match[1][0] in _FRAMES or match[1][0] == _SOF_LS:
            return int.from_bytes(data[body + 5 : body + 7], "big"), int.from_bytes(data[body + 3 : body + 5], "big")
        at = body + int.from_bytes(data[body : body + 2], "big")
    return None


def _add_scan(found: JpegStructure, data: bytes, content: bytes, begin: int) -> int:
    """Note one scan and return where its data end."""
    found.scans += 1
    if found.scans > MAX_SCANS:
        raise UnreadableImage(f"The JPEG file has more than {MAX_SCANS} scans.", cause="scans", most=MAX_SCANS)
    if len(content) >= 4:
        first, last, bits = (content[-3], content[-2], content[-1] & 15) if found.progressive else (0, 63, 0)
        for component in content[1:-3:2]:
            for index in range(first, min(last, 63) + 1):
                found.precision[component, index] = bits
    end = _MARKER.search(data, begin)
    return end.start() if end else len(data)


def _is_needed(marker: int, content: bytes) -> bool:
    return any(marker == kind and content.startswith(name) for kind, name in (*_NEEDED, _ADOBE))
