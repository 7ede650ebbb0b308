"""Make the HEIC files of this folder: `python make_heic_reference.py FOLDER`, in an environment with pillow-heif 1.x.

No package that Lunar needs can write HEIC (pi-heif only reads it), and pillow-heif contains x265, which is under the
GPL. The files show drawn pictures: what test_heif_and_avif.py draws again and compares.
"""

import argparse
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image


def blocks() -> np.ndarray:
    """Six coloured blocks, uint8 [96, 128, 3]: no two alike, so that a turned or mirrored picture differs."""
    colours = [[200, 60, 40], [60, 160, 70], [50, 80, 190], [230, 220, 90], [120, 120, 120], [240, 200, 180]]
    return np.kron(np.array(colours, np.uint8).reshape(2, 3, 3), np.ones((48, 43, 1), np.uint8))[:, :128]


def main(folder: Path) -> None:
    """Write the files."""
    picture = Image.fromarray(blocks())
    best = {"quality": 100, "chroma": "444"}
    heif = pillow_heif.from_pillow(picture)
    heif.save(folder / "blocks.heic", **best)
    turned = Image.Exif()
    turned[0x0112] = 6
    pillow_heif.from_pillow(picture.transpose(Image.Transpose.ROTATE_90)).save(
        folder / "turned.heic", exif=turned.tobytes(), **best
    )
    opaque_left = np.dstack([blocks(), np.where(np.arange(128) < 64, 255, 0) * np.ones((96, 1))]).astype(np.uint8)
    pillow_heif.from_pillow(Image.fromarray(opaque_left)).save(folder / "transparent.heic", **best)
    two = pillow_heif.from_pillow(picture)
    two.add_from_pillow(Image.new("RGB", (64, 64), "blue"))
    two.save(folder / "two.heic", **best)


if __name__ == "__main__":
    pillow_heif.register_heif_opener()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the files are written")
    main(parser.parse_args().folder)
