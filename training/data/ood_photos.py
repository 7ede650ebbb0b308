"""Photos that are not dermoscopic: those in the wheels of scikit-image and scikit-learn, the same on every machine."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.imaging.decoding import decode

# All photos in the wheels: scenes, textures, astronomy, microscopy, a retina. Not included: drawings by a program
# (chessboard_*, color, horse, logo, phantom), the right image of the motorcycle's stereo pair, faces of 25 pixels
# (lfw_subset.npy), and files that test readers (multipage*, no_time_for_that_tiny).
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
    """A whole photo or a square cut from it (`whole` says which), uint8 RGB [h, w, 3]. `photo` is the photo's name."""

    photo: str
    whole: bool
    rgb: NDArray[np.uint8]


def source() -> str:
    """The packages that the photos come from, with versions, for the model card."""
    return " and ".join(f"{name} {version(name)}" for name in ("scikit-image", "scikit-learn"))


def photo_files() -> tuple[Path, ...]:
    """The paths of the photos. Raises ModuleNotFoundError without the packages."""
    folders = (
        (package_folder("skimage", "data"), _SCIKIT_IMAGE),
        (package_folder("sklearn", "datasets/images"), _SCIKIT_LEARN),
    )
    return tuple(folder / name for folder, names in folders for name in names)


def windows(path: Path) -> Iterator[Window]:
    """The whole photo, then the squares in its four corners; their side is half of the photo's shorter side."""
    rgb = decode(path.read_bytes()).rgb
    yield Window(path.stem, True, rgb)
    height, width = rgb.shape[:2]
    side = min(height, width) // 2
    for y in (0, height - side):
        for x in (0, width - side):
            yield Window(path.stem, False, rgb[y : y + side, x : x + side])


def package_folder(package: str, folder: str) -> Path:
    """A folder inside an installed package. Raises ModuleNotFoundError."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed; training needs the photos in it.")
    return Path(spec.origin).parent / folder
