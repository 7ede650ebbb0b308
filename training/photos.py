"""Photos that are no dermoscopy: those that scikit-image and scikit-learn ship, so that anybody has the same ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.image import decode

# Every photo in the wheels: scenes, textures, telescopes, microscopes, a retina. Left out: what was drawn by a program
# (chessboard_*, color, horse, logo, phantom), the right eye of the motorcycle's stereo pair, faces of 25 pixels
# (lfw_subset.npy), and files for testing readers (multipage*, no_time_for_that_tiny).
_SCIKIT_IMAGE = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "microaneurysms.png",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)
_SCIKIT_LEARN = ("china.jpg", "flower.jpg")


@dataclass(frozen=True, slots=True)
class Window:
    """A photo or a part of it, uint8 RGB [h, w, 3]; `whole` says which."""

    photo: str
    whole: bool
    rgb: NDArray[np.uint8]


def source() -> str:
    """Where the photos come from, with versions."""
    return " and ".join(f"{name} {version(name)}" for name in ("scikit-image", "scikit-learn"))


def photo_files() -> tuple[Path, ...]:
    """The photos as they lie on disk."""
    places = ((_data("skimage", "data"), _SCIKIT_IMAGE), (_data("sklearn", "datasets/images"), _SCIKIT_LEARN))
    return tuple(folder / name for folder, names in places for name in names)


def windows(path: Path) -> Iterator[Window]:
    """The whole photo, then the squares in its four corners, half as wide as its shorter side."""
    rgb = decode(path.read_bytes()).rgb
    yield Window(path.stem, True, rgb)
    height, width = rgb.shape[:2]
    side = min(height, width) // 2
    for y in (0, height - side):
        for x in (0, width - side):
            yield Window(path.stem, False, rgb[y : y + side, x : x + side])


def _data(package: str, folder: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed; training needs it for its photos.")
    return Path(spec.origin).parent / folder
