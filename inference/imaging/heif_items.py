"""The items that a HEIC file lists, checked before libheif reads them (ISO/IEC 14496-12: `meta`, `iinf`, `infe`)."""

import struct
from collections.abc import Iterator

from inference.imaging.errors import UnreadableImage

Box = tuple[bytes, int, int]  # its type, and where its content begins and ends


def check_items(data: bytes) -> None:
    """Raises UnreadableImage if the type, the name or the content type of an item is no text.

    pi-heif 1.4 crashes on these, because it makes a string of each without asking whether that is possible.
    """
    for start, end in _descriptions(data):
        version = data[start]
        text = start + (10 if version == 3 else 8)  # behind version, flags, number and protection
        names = text + (4 if version >= 2 else 0)
        try:
            data[text:names].decode("ascii")
            data[names:end].decode()
        except UnicodeDecodeError as error:
            raise UnreadableImage("The HEIC file is damaged or cut off.", cause="damaged", name="HEIC") from error


def _descriptions(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the content of each box `infe` begins and ends."""
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind != b"meta":
            continue
        for inner, first, last in _boxes(data, start + 4, end):
            if inner == b"iinf" and first < last:
                counted = 4 if data[first] else 2  # bytes of the number of items
                for item, begin, stop in _boxes(data, first + 4 + counted, last):
                    if item == b"infe" and begin < stop:
                        yield begin, stop


def _boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes beside each other between two places; ends before one that does not fit."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1 and start + 16 <= end:
            (size,), header = struct.unpack_from(">Q", data, start + 8), 16
        elif size == 0:
            size = end - start
        if size < header or start + size > end:
            return
        yield kind, start + header, start + size
        start += size
