"""python -m benchmarks.quality_of_skin: do artefacts hide blur, or make a picture dark; and is dark skin called dark?

Every 20th image of HAM10000 (LUNAR_DATA, centre crops at 224 pixels), spoilt, and then with what a dermoscope or a
person adds. Prints one JSON line an artefact: the shares with the warnings `blurred` and `dark`; one line for each
lightness of skin; and one for the milliseconds of an image.
"""

import argparse
import csv
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from inference.imaging.image_quality import find_quality_warnings
from inference.imaging.preprocessing import Preprocessing, prepare
from tests.support.artefacts import ARTEFACTS, Pixels, blurred, dark_skin, nothing
from training.commands import DataSettings

SIGMAS, DIVISORS, LIGHTNESS = (0.5, 1, 2), (2, 3, 4), (35, 30, 25, 20)


def main() -> None:
    """Measure and print."""
    squares = read_squares(DataSettings().data / "ham10000")
    for name, add in ARTEFACTS.items():
        shares = {
            "blurred": {"as it is": _share(squares, "blurred", add, nothing)}
            | {f"sigma {s}": _share(squares, "blurred", add, partial(blurred, sigma=s)) for s in SIGMAS},
            "dark": {"as it is": _share(squares, "dark", add, nothing)}
            | {f"1/{d}": _share(squares, "dark", add, partial(_darkened, divisor=d)) for d in DIVISORS},
        }
        _print("artefact", name, images=len(squares), **shares)
    for lightness in LIGHTNESS:
        skin = partial(dark_skin, lightness=lightness)
        _print("lightness", lightness, **{code: _share(squares, code, nothing, skin) for code in ("blurred", "dark")})
    for name in ("nothing", "circle"):
        _print("cost", name, milliseconds=_milliseconds([ARTEFACTS[name](each) for each in squares]))


def read_squares(folder: Path) -> list[Pixels]:
    """Every 20th image by name."""
    with (folder / "HAM10000_metadata.csv").open() as file:
        names = sorted(row["image_id"] for row in csv.DictReader(file))
    paths = [path for name in names if (path := folder / f"images_224_center/{name}.jpg").is_file()]
    return [prepare(path.read_bytes(), Preprocessing(size=224, fit="center-crop")) for path in paths[::20]]


def _darkened(square: Pixels, divisor: int) -> Pixels:
    return square // divisor


def _share(
    squares: list[Pixels], code: str, add: Callable[[Pixels], Pixels], spoil: Callable[[Pixels], Pixels]
) -> float:
    return round(statistics.fmean(code in find_quality_warnings(add(spoil(each))) for each in squares), 3)


def _milliseconds(squares: list[Pixels]) -> float:
    times = []
    for square in squares:
        began = time.perf_counter()
        find_quality_warnings(square)
        times.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(times), 3)


def _print(kind: str, what: object, **numbers: object) -> None:
    line = {"benchmark": "quality_of_skin", kind: what, **numbers, "cores": os.cpu_count()}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()
