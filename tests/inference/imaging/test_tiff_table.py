"""TIFF: every combination of bits, photometric, planes, compression and samples is read right, or refused.

tifffile writes the files, and the samples that it was given are the oracle; colours are computed from them in float.
"""

import io
import struct
import warnings
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from inference.imaging.decoding import decode
from inference.imaging.errors import UnreadableImage
from tests.support.profiles import srgb_of_lab
from training.data.synthetic_lesions import draw_lesion

WIDTH, HEIGHT = 48, 40
NAMES = {0: "miniswhite", 1: "minisblack", 2: "rgb", 5: "separated", 6: "ycbcr", 8: "cielab"}
COLOURS = {0: 1, 1: 1, 2: 3, 5: 4, 6: 3, 8: 3}
UNDECLARED = -1  # a further sample, and no tag that says what it is
EXTRA_SAMPLES = 338


class Cell(NamedTuple):
    bits: int
    photometric: int
    planar: int
    compression: str | None
    extra: int | None
    order: str
    tiled: bool


def cells() -> list[Cell]:
    listed = product((8, 16), NAMES, (1, 2), (None, "zlib"), (None, UNDECLARED, 0, 1, 2), "<>", (False, True))
    return [
        cell
        for cell in map(Cell._make, listed)
        if not (cell.bits == 16 and cell.photometric in (6, 8)) and not (cell.planar == 2 and samples_of(cell) == 1)
    ]


def samples_of(cell: Cell) -> int:
    return COLOURS[cell.photometric] + (cell.extra is not None)


def stored(cell: Cell) -> NDArray[np.uint8]:
    """What the samples are, 8 bits, [h, w, samples]."""
    rgb = draw_lesion(width=WIDTH, height=HEIGHT, seed=7)
    pixels = np.dstack([rgb, 255 - rgb[..., :1]])[..., : COLOURS[cell.photometric]]
    if cell.photometric == 8:  # a* and b* are signed: stay within the colours of a screen
        pixels = np.dstack([rgb[..., 0], (rgb[..., 1].astype(int) - 128) // 8, (rgb[..., 2].astype(int) - 128) // 8])
    if cell.extra is None:
        return pixels.astype(np.uint8)
    alpha = np.broadcast_to(np.linspace(40, 250, WIDTH).astype(np.uint8), (HEIGHT, WIDTH))
    if cell.extra == 1:  # associated: the colours are multiplied by it
        pixels = np.rint(pixels * (alpha[..., np.newaxis] / 255))
    return np.dstack([pixels, alpha]).astype(np.uint8)


def expected(cell: Cell) -> NDArray[np.float64]:
    pixels = stored(cell).astype(float)
    colours = pixels[..., : COLOURS[cell.photometric]]
    if cell.photometric in (0, 1):
        grey = 255 - colours if cell.photometric == 0 else colours
        rgb = np.repeat(grey, 3, axis=-1)
    elif cell.photometric == 5:
        rgb = (255 - colours[..., :3]) * (255 - colours[..., 3:]) / 255
    elif cell.photometric == 6:
        y, blue, red = colours[..., 0], colours[..., 1] - 128, colours[..., 2] - 128
        rgb = np.dstack([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue]).clip(0, 255)
    elif cell.photometric == 8:
        signed = stored(cell)[..., 1:3].view(np.int8).astype(float)
        rgb = srgb_of_lab(np.dstack([colours[..., 0] / 2.55, signed]))
    else:
        rgb = colours
    if cell.extra not in (1, 2):
        return rgb
    share = pixels[..., -1:] / 255
    return rgb * (1 if cell.extra == 1 else share) + 255 * (1 - share)


def write(cell: Cell) -> bytes:
    samples = stored(cell).astype(np.uint16) * 257 if cell.bits == 16 else stored(cell)
    data = samples[..., 0] if samples_of(cell) == 1 else np.moveaxis(samples, -1, 0) if cell.planar == 2 else samples
    options: dict[str, object] = {"photometric": NAMES[cell.photometric], "compression": cell.compression}
    if samples_of(cell) > 1:
        options["planarconfig"] = {1: "contig", 2: "separate"}[cell.planar]
    if cell.extra is not None:
        options["extrasamples"] = (max(cell.extra, 0),)
    if cell.photometric == 6:
        options["subsampling"] = (1, 1)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), tifffile.TiffWriter(buffer, byteorder=cell.order) as writer:
        warnings.simplefilter("ignore")
        writer.write(data, metadata=None, tile=(16, 32) if cell.tiled else None, **options)
    file = buffer.getvalue()
    return without_tag(file, EXTRA_SAMPLES) if cell.extra == UNDECLARED else file


def without_tag(file: bytes, tag: int) -> bytes:
    """The tag's number is replaced by one that means nothing here (337, a printer)."""
    order = "<" if file[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", file, 4)
    (count,) = struct.unpack_from(order + "H", file, start)
    changed = bytearray(file)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from(order + "H", file, at)[0] == tag:
            struct.pack_into(order + "H", changed, at, 337)
    return bytes(changed)


READ_OR_REFUSED = cells()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("photometric", NAMES)
def test_every_cell_is_right_or_refused(bits: int, photometric: int) -> None:
    wrong = []
    for cell in READ_OR_REFUSED:
        if (cell.bits, cell.photometric) != (bits, photometric):
            continue
        try:
            found = decode(write(cell)).rgb
        except UnreadableImage:
            continue
        # 16 bits are cut to 8, associated alpha is divided out and multiplied again, lcms rounds.
        error = np.abs(found - expected(cell)).max()
        if error > 4:
            wrong.append((cell, error))
    assert wrong == []


def test_common_cells_are_read() -> None:
    """Refusing everything would pass the test above."""
    common = [
        cell
        for cell in READ_OR_REFUSED
        if cell.photometric in (1, 2, 5) and cell.extra is None
    ] + [cell for cell in READ_OR_REFUSED if cell.photometric == 2 and cell.extra == 2]  # fmt: skip
    assert len(common) > 60
    for cell in common:
        assert decode(write(cell)).rgb.shape == (HEIGHT, WIDTH, 3), cell


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg", "zstd", "lzma", None])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_compression_that_pillow_writes(mode: str, compression: str | None) -> None:
    picture = Image.fromarray(draw_lesion(width=WIDTH, height=HEIGHT, seed=7))
    image = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257) if mode == "I;16" else picture
    image = image if mode == "I;16" else image.convert(mode)
    buffer, plain = io.BytesIO(), io.BytesIO()
    try:
        image.save(buffer, "TIFF", compression=compression)
    except (OSError, ValueError, RuntimeError):
        pytest.skip(f"Pillow's libtiff does not write {mode} with {compression}")
    image.save(plain, "PNG" if mode != "CMYK" else "TIFF")
    difference = np.abs(decode(buffer.getvalue()).rgb.astype(int) - decode(plain.getvalue()).rgb)
    assert difference.max() <= (40 if compression == "jpeg" else 0)


@pytest.mark.parametrize(("bits", "named"), [(12, "12 bits"), (32, "32-bit"), (64, "64-bit")])
def test_other_sample_sizes_are_named(bits: int, named: str) -> None:
    levels = np.zeros((8, 8), {12: np.uint16, 32: np.float32, 64: np.float64}[bits])
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, levels, metadata=None, photometric="minisblack")
    file = bytearray(buffer.getvalue())
    if bits == 12:  # tifffile writes it with another package only
        (start,) = struct.unpack_from("<I", file, 4)
        at = next(at for at in range(start + 2, len(file), 12) if struct.unpack_from("<H", file, at)[0] == 258)
        struct.pack_into("<H", file, at + 8, 12)
    with pytest.raises(UnreadableImage, match=named):
        decode(bytes(file))


def test_signed_samples_are_refused() -> None:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((8, 8), np.int16), metadata=None)
    with pytest.raises(UnreadableImage, match="unsigned"):
        decode(buffer.getvalue())
