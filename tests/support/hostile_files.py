"""Files whose structure costs more than their pixels: each kind with a count that a test chooses."""

import io
import struct
import zlib

import tifffile
from PIL import Image

from training.data.synthetic_lesions import draw_lesion


def jpeg(**options: object) -> bytes:
    """A drawn lesion."""
    buffer = io.BytesIO()
    Image.fromarray(draw_lesion(width=60, height=40, seed=3)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def jpeg_of_scans(count: int) -> bytes:
    """A progressive JPEG whose first scan comes again and again, which changes nothing."""
    data = jpeg(progressive=True)
    begin = data.find(b"\xff\xda")
    end = data.find(b"\xff\xc4", begin)
    return data[:end] + data[begin:end] * count + data[end:]


def jpeg_of_segments(count: int) -> bytes:
    """Application segments without content in front of the picture."""
    data = jpeg()
    return data[:2] + b"\xff\xe5\0\2" * count + data[2:]


def jpeg_of_fill_bytes(count: int) -> bytes:
    """Fill bytes in front of the first segment."""
    data = jpeg()
    return data[:2] + b"\xff" * count + data[2:]


def webp(width: int, height: int, **options: object) -> bytes:
    """A black picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "WEBP", **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of_chunks(count: int, kind: bytes = b"IDAT", content: bytes = b"") -> bytes:
    """A PNG with chunks of one kind, empty unless they say else, in front of its pixels."""
    header = struct.pack(">IIBBBBB", 20, 20, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(21 * 20))
    chunks = (
        png_chunk(b"IHDR", header),
        png_chunk(kind, content) * count,
        png_chunk(b"IDAT", rows),
        png_chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_rgba(width: int, height: int) -> bytes:
    """A PNG with transparency, of one half-transparent colour: a few kilobytes for every megapixel."""
    packer = zlib.compressobj(6)
    row = b"\0" + bytes((200, 120, 90, 200)) * width
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = (png_chunk(b"IHDR", header), png_chunk(b"IDAT", rows), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def bmp_of_line_ends(width: int, height: int) -> bytes:
    """A run-length encoded BMP that skips every row but for an end of line."""
    runs = b"\0\0" * height + b"\0\1"
    start = 14 + 40 + 4 * 256
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + header + bytes(4 * 256) + runs


def bmp_of_runs(width: int, height: int, *, run: int) -> bytes:
    """A run-length encoded BMP of runs of `run` pixels, all of level 7."""
    row = bytes((run, 7)) * (width // run) + b"\0\0"
    runs = row * height + b"\0\1"
    start = 14 + 40 + 4 * 256
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    palette = b"".join(bytes((level, level, level, 0)) for level in range(256))
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + header + palette + runs


def tiff_with(
    tags: dict[int, tuple[int, ...]], *, big: bool = False, again: dict[int, tuple[int, ...]] | None = None
) -> bytes:
    """A TIFF of one directory with these tags, of type LONG; 64 x 64 grey pixels in one strip unless they say else.

    `again` are entries that stand behind those of the same tag.
    """
    usual = {256: (64,), 257: (64,), 258: (8,), 259: (1,), 262: (1,), 273: (8,), 277: (1,), 278: (64,), 279: (4096,)}
    entries = sorted([*(usual | tags).items(), *(again or {}).items()], key=lambda entry: entry[0])
    room, head = 8 if big else 4, 16 if big else 8
    word = "<Q" if big else "<I"
    start = head + 4096
    after = start + (8 if big else 2) + len(entries) * (20 if big else 12) + room
    table, values = b"", b""
    for tag, numbers in entries:
        content = struct.pack(f"<{len(numbers)}I", *numbers)
        place = content.ljust(room, b"\0") if len(content) <= room else struct.pack(word, after + len(values))
        values += content if len(content) > room else b""
        table += struct.pack("<HH", tag, 4) + struct.pack(word, len(numbers)) + place
    header = struct.pack("<2sHHHQ", b"II", 43, 8, 0, start) if big else struct.pack("<2sHI", b"II", 42, start)
    return header + bytes(4096) + struct.pack("<Q" if big else "<H", len(entries)) + table + bytes(room) + values


def big_tiff_of_far_values() -> bytes:
    """One entry, whose sixteen values of two bytes are said to be at the last address of 64 bits."""
    entry = struct.pack("<HHQQ", 258, 3, 16, 2**64 - 1)
    return struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, 1) + entry + bytes(8)


def tiff_of_strips(count: int) -> bytes:
    """A strip for each of `count` rows of one pixel, all at the same place."""
    return tiff_with({256: (1,), 257: (count,), 278: (1,), 273: (8,) * count, 279: (1,) * count})


def tiff_of_tiles(side: int, *, samples: int = 1) -> bytes:
    """64 x 64 pixels in one tile of `side` x `side`."""
    tags = {258: (8,) * samples, 262: (2 if samples > 2 else 1,), 277: (samples,)}
    return tiff_with(tags | {322: (side,), 323: (side,), 324: (8,), 325: (4096,)})


def tiff_of_entries(count: int) -> bytes:
    """A directory of many entries."""
    return tiff_with({40_000 + number: (1,) for number in range(count)})


def is_tiff(data: bytes) -> bool:
    """Whether another reader takes it for a TIFF file."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return len(file.pages) > 0
