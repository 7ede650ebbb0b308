"""Structure of a TIFF file: its first directory, what of it is refused before any pixel is read, and camera raw files.

Adobe, TIFF Revision 6.0 (1992), and the BigTIFF design of libtiff.
"""

import ctypes
import math
import struct
from ctypes.util import find_library
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, TiffImagePlugin

from inference.imaging.errors import UnreadableImage

MAX_ENTRIES = 1024  # of a directory; photos have 20 to 60
MAX_PIECES = 50_000  # strips or tiles
# Bytes of one strip or tile, which libtiff holds beside the picture: 50 megapixels of 8-bit RGB in one strip.
MAX_PIECE_BYTES = 160_000_000
# A tile may reach beyond a small picture, but not by much.
_LEAST_TILE_SIDE = 1024

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _MAKE = 256, 257, 258, 259, 262, 271
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _PLANAR = 273, 277, 278, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _SUB_DIRECTORIES = 322, 323, 324, 330
_EXTRA_SAMPLES, _SAMPLE_FORMAT, _SUBFILE_TYPE, _DNG_VERSION = 338, 339, 254, 50706
_KEPT = frozenset(
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _MAKE, _STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _PLANAR}
    | {_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _SUB_DIRECTORIES, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _SUBFILE_TYPE}
    | {_DNG_VERSION}
)
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # types BYTE, SHORT, LONG, LONG8
_MOST_VALUES = 16  # no value that is needed here has more
_RAW_PHOTOMETRIC = frozenset({32803, 34892})  # colour filter array, linear raw
_REDUCED = 1  # bit of _SUBFILE_TYPE: a smaller version of another picture in the file

WHITE_IS_ZERO = 0
_LAB = 8
_COLOURS = {2: 3, 5: 4, 6: 3, _LAB: 3}  # samples by photometric interpretation; else 1


@dataclass(frozen=True, slots=True)
class _Entry:
    count: int
    values: tuple[int, ...]  # the first ones, of integer types only


@dataclass(frozen=True, slots=True)
class Directory:
    """The first directory: by tag, how many values there are and the first of them."""

    entries: dict[int, _Entry]

    @classmethod
    def read(cls, data: bytes) -> "Directory":
        """Read the first directory. Raises UnreadableImage."""
        try:
            return cls(_read_entries(data))
        except (struct.error, OverflowError) as error:  # a place beyond the file, and beyond every address
            raise UnreadableImage("The TIFF file is damaged or cut off.", cause="damaged", name="TIFF") from error

    def first(self, tag: int, default: int) -> int:
        """The first value of a tag."""
        entry = self.entries.get(tag)
        return entry.values[0] if entry and entry.values else default

    def all(self, tag: int) -> tuple[int, ...]:
        """The values of a tag, none if it is missing."""
        entry = self.entries.get(tag)
        return entry.values if entry else ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, 0 where they are missing."""
        return self.first(_WIDTH, 0), self.first(_HEIGHT, 0)

    @property
    def white_is_zero(self) -> bool:
        """Whether 0 is white in a grey picture."""
        return self.first(_PHOTOMETRIC, WHITE_IS_ZERO) == WHITE_IS_ZERO

    @property
    def has_alpha(self) -> bool:
        """Whether a sample is declared to be transparency; a sample without declaration is not."""
        return any(kind in (1, 2) for kind in self.all(_EXTRA_SAMPLES))

    def check(self) -> None:
        """Refuse what would cost too much or would be decoded wrongly. Raises UnreadableImage."""
        _check_samples(self)
        _check_pieces(self)


def _read_entries(data: bytes) -> dict[int, _Entry]:
    order = "<" if data[:2] == b"II" else ">"
    (version,) = struct.unpack_from(order + "H", data, 2)
    big = version == 43
    start = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    entry = struct.Struct(order + ("HHQ" if big else "HHI"))
    head, room = (8, 8) if big else (2, 4)
    if start + head > len(data):
        raise UnreadableImage("The TIFF file is damaged or cut off.", cause="damaged", name="TIFF")
    count = struct.unpack_from(order + ("Q" if big else "H"), data, start)[0]
    if count > MAX_ENTRIES:
        raise UnreadableImage(
            f"The TIFF file has a directory of {count} entries; at most {MAX_ENTRIES} are accepted.",
            cause="damaged",
            name="TIFF",
        )
    entries: dict[int, _Entry] = {}
    for number in range(count):
        at = start + head + number * (entry.size + room)
        tag, kind, values = entry.unpack_from(data, at)
        if tag in _KEPT:
            if tag in entries:  # libtiff takes the first one, others the last one
                raise UnreadableImage(
                    f"The TIFF file is damaged: its directory lists the tag {tag} twice.", cause="damaged", name="TIFF"
                )
            form = _INTEGERS.get(kind, "")
            where = at + entry.size
            if form and values * struct.calcsize("<" + form) > room:
                where = struct.unpack_from(order + ("Q" if big else "I"), data, where)[0]
            read = min(values, _MOST_VALUES) if form else 0
            entries[tag] = _Entry(values, struct.unpack_from(f"{order}{read}{form}", data, where) if read else ())
    return entries


def _check_samples(found: Directory) -> None:
    bits = set(found.all(_BITS)) or {1}
    if max(bits) > 16:
        raise UnreadableImage(
            f"{max(bits)}-bit samples are not supported; accepted: 8 and 16 bits a sample.", cause="samples"
        )
    if len(bits) > 1 or not bits <= {1, 2, 4, 8, 16}:
        listed = ", ".join(map(str, sorted(bits)))
        raise UnreadableImage(
            f"The TIFF file has samples of {listed} bits; accepted: 1, 2, 4, 8 and 16, all alike.", cause="samples"
        )
    if found.first(_PLANAR, 1) == 2 and not _planes_are_known(found):
        raise UnreadableImage("The TIFF file stores planes of L*a*b* colours or of undeclared samples.")
    if not set(found.all(_SAMPLE_FORMAT)) <= {1, 4}:
        raise UnreadableImage("The TIFF file has samples that are not unsigned integers.", cause="samples")


def _planes_are_known(found: Directory) -> bool:
    """Pillow 13 reads some planes as others."""
    photometric, samples = found.first(_PHOTOMETRIC, WHITE_IS_ZERO), found.first(_SAMPLES, 1)
    extra = found.entries.get(_EXTRA_SAMPLES)
    return photometric != _LAB and samples - (extra.count if extra else 0) == _COLOURS.get(photometric, 1)


def _check_pieces(found: Directory) -> None:
    width, height = found.size
    samples = found.first(_SAMPLES, 1)
    tiled = _TILE_OFFSETS in found.entries
    across, down = found.first(_TILE_WIDTH, width), found.first(_TILE_HEIGHT, height)
    if not tiled:
        across, down = width, min(height, found.first(_ROWS_PER_STRIP, height))
    if min(width, height, across, down, samples) < 1:
        raise UnreadableImage(
            "The TIFF file is damaged: a size in its directory is zero.", cause="damaged", name="TIFF"
        )
    pieces = math.ceil(width / across) * math.ceil(height / down)
    planes = samples if found.first(_PLANAR, 1) == 2 else 1
    listed = found.entries.get(_TILE_OFFSETS if tiled else _STRIP_OFFSETS)
    if max(pieces * planes, listed.count if listed else 0) > MAX_PIECES:
        raise UnreadableImage(
            f"The TIFF file has more than {MAX_PIECES} strips or tiles.", cause="pieces", most=MAX_PIECES
        )
    if tiled and (across > max(2 * width, _LEAST_TILE_SIDE) or down > max(2 * height, _LEAST_TILE_SIDE)):
        raise UnreadableImage(
            f"The TIFF file has tiles of {across} x {down} for {width} x {height} pixels.", cause="large-pieces"
        )
    if across * down * samples * max(found.all(_BITS) or (1,)) > 8 * MAX_PIECE_BYTES:
        raise UnreadableImage(
            f"The TIFF file has more than {MAX_PIECE_BYTES} bytes in one strip or tile.", cause="large-pieces"
        )


def camera_raw(data: bytes) -> str | None:
    """A name for camera raw files, which are TIFF files whose first picture is a preview; None for others."""
    try:
        found = Directory.read(data)
    except UnreadableImage:
        return None
    if _DNG_VERSION in found.entries:
        return "a camera raw file (DNG)"
    if data[8:10] == b"CR":
        return "a camera raw file (Canon CR2)"
    preview = found.first(_SUBFILE_TYPE, 0) & _REDUCED and _SUB_DIRECTORIES in found.entries
    if preview or found.first(_PHOTOMETRIC, WHITE_IS_ZERO) in _RAW_PHOTOMETRIC:
        return "a camera raw file"
    return None


@cache
def configure_libtiff() -> None:
    """Let libtiff read every TIFF file, and keep it from writing errors to stderr.

    Pillow 13 reads uncompressed files with code of its own, which takes planes of 16 bits for planes of 8. It bundles a
    copy of libtiff whose handlers write to stderr from C.
    """
    TiffImagePlugin.READ_LIBTIFF = True
    bundled = (Path(Image.__file__).parent.parent / "pillow.libs").glob("libtiff*.so*")
    library = next(map(str, bundled), None) or find_library("tiff")
    if library:
        loaded = ctypes.CDLL(library)
        loaded.TIFFSetErrorHandler(None)
        loaded.TIFFSetWarningHandler(None)


def has_second_page(image: Image.Image) -> bool:
    """Reading n_frames of a TIFF would read every page, and there may be thousands."""
    try:
        image.seek(1)
    except EOFError:
        return False
    image.seek(0)
    return True
