"""Command line: write one drawn lesion to an image file, with which the service can be tried."""

import argparse
from pathlib import Path

import cv2

from inference import __version__
from training.data.synthetic_lesions import draw_lesion


def main() -> None:
    """`FILE [SEED]`: write one drawn lesion, 600 x 450 pixels. Exit status 1 if the file cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m training.drawn", description="Draw one lesion into an image file.")
    parser.add_argument("--version", action="version", version=f"Lunar {__version__}")
    parser.add_argument("file", type=Path, metavar="FILE", help="image to write, such as lesion.png")
    parser.add_argument("seed", type=int, nargs="?", default=1, metavar="SEED", help="other seeds draw other lesions")
    arguments = parser.parse_args()
    lesion = draw_lesion(width=600, height=450, seed=arguments.seed)[..., ::-1]
    try:
        written = cv2.imwrite(str(arguments.file), lesion)
    except cv2.error:  # OpenCV 5 raises for a name without the ending of an image file
        parser.error(f"{arguments.file} has no ending of an image file, such as .png or .jpg.")
    if not written:
        raise SystemExit(f"{arguments.file} cannot be written.")


if __name__ == "__main__":
    main()
