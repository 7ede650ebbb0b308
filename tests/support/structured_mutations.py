"""Mutations that know where a format keeps its counts, offsets and sizes, and leave everything else valid."""

import random
import struct
import zlib
from collections.abc import Callable, Iterator

EXTREMES = (0, 1, 2, 3, 0x7F, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_CONTAINERS = frozenset({b"meta", b"iprp", b"ipco", b"dinf"})


def mutate_structure(data: bytearray, generator: random.Random) -> bytearray:
    """One number of the structure becomes another one; formats without a rule stay as they are."""
    for magic, mutation in _RULES.items():
        if data.startswith(magic, 4 if magic == b"ftyp" else 0):
            try:
                return mutation(data, generator)
            except (struct.error, IndexError, ValueError):
                return data  # an earlier mutation left no structure
    return data


def _other(value: int, generator: random.Random) -> int:
    """An extreme number, or one that differs slightly."""
    return generator.choice((*EXTREMES, value + 1, value - 1, 2 * value, value ^ 1 << generator.randrange(32))) % 2**32


def _replace(data: bytearray, at: int, form: str, generator: random.Random) -> None:
    (value,) = struct.unpack_from(form, data, at)
    struct.pack_into(form, data, at, _other(value, generator) % 2 ** (8 * struct.calcsize(form)))


def _tiff(data: bytearray, generator: random.Random) -> bytearray:
    """The tag, type, count or value of an entry, or the number of entries."""
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    entry = start + 2 + 12 * generator.randrange(max(1, count))
    at, form = generator.choice(((start, "H"), (entry, "H"), (entry + 2, "H"), (entry + 4, "I"), (entry + 8, "I")))
    _replace(data, at, order + form, generator)
    return data


def _png(data: bytearray, generator: random.Random) -> bytearray:
    """The length of a chunk, or a number inside it with the checksum made right again."""
    chunks = list(_png_chunks(data))
    at, length = generator.choice(chunks)
    if not length or generator.random() < 0.3:
        _replace(data, at, ">I", generator)
        return data
    inside = at + 8 + generator.randrange(min(length, 32))
    data[inside] = _other(data[inside], generator) % 256
    struct.pack_into(">I", data, at + 8 + length, zlib.crc32(data[at + 4 : at + 8 + length]))
    return data


def _png_chunks(data: bytearray) -> Iterator[tuple[int, int]]:
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield at, length
        at += 12 + length


def _jpeg(data: bytearray, generator: random.Random) -> bytearray:
    """The length of a segment or a byte near its begin: sizes, sampling, table numbers, bounds of a scan."""
    segments, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        segments.append(at)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    chosen = generator.choice(segments)
    if generator.random() < 0.3:
        _replace(data, chosen + 2, ">H", generator)
    else:
        inside = chosen + 4 + generator.randrange(18)
        data[inside] = _other(data[inside], generator) % 256
    return data


def _bmp(data: bytearray, generator: random.Random) -> bytearray:
    """A field of one of the two headers."""
    at, form = generator.choice(
        ((2, "<I"), (10, "<I"), (26, "<H"), (28, "<H"), *((at, "<I") for at in range(14, 66, 4)))
    )
    _replace(data, at, form, generator)
    return data


def _webp(data: bytearray, generator: random.Random) -> bytearray:
    """The size of a chunk or a byte near its begin."""
    at, places = 12, []
    while at + 8 <= len(data):
        places.append(at)
        at += 8 + struct.unpack_from("<I", data, at + 4)[0]
    chosen = generator.choice(places)
    if generator.random() < 0.4:
        _replace(data, chosen + 4, "<I", generator)
    else:
        data[chosen + 8 + generator.randrange(12)] = generator.randrange(256)
    return data


def _boxes(data: bytearray, generator: random.Random) -> bytearray:
    """The size of a box of HEIC or AVIF, or a number inside it: item places, picture sizes, properties."""
    at, size = generator.choice(list(_find_boxes(data, 0, len(data))))
    if size < 16 or generator.random() < 0.3:
        _replace(data, at, ">I", generator)
    else:
        _replace(data, at + generator.randrange(8, min(size, 64) - 3), ">I", generator)
    return data


def _find_boxes(data: bytearray, at: int, end: int) -> Iterator[tuple[int, int]]:
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            return
        yield at, size
        if kind in _CONTAINERS:
            yield from _find_boxes(data, at + (12 if kind == b"meta" else 8), min(at + size, end))
        at += size


_RULES: dict[bytes, Callable[[bytearray, random.Random], bytearray]] = {
    b"II*\0": _tiff,
    b"MM\0*": _tiff,
    b"\x89PNG": _png,
    b"\xff\xd8": _jpeg,
    b"BM": _bmp,
    b"RIFF": _webp,
    b"ftyp": _boxes,
}
