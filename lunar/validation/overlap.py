"""Which of the user's images stand in the training data too, as far as the bundle tells."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from inference.bundle.storage import Bundle
from training.config import InvalidConfig
from training.data.ham10000 import InvalidDataset
from training.data.origin import read_origin, trained_images

_HAM10000 = range(24306, 34321)  # the numbers of its images, all of them: ISIC_0024306 to ISIC_0034320


@dataclass(frozen=True, slots=True)
class Overlap:
    """The images that are in the training data too, and in words how that is known, or why it is not `known`."""

    images: tuple[str, ...]
    words: str
    known: bool = True


def find_overlap(bundle: Bundle, images: Collection[str], *, data: Path) -> Overlap:
    """Compare the names with the bundle's own training images, if `data` holds them, else with HAM10000's numbers."""
    try:
        config, split = read_origin(bundle, data)
        trained = {_isic_name(name) for name in trained_images(config, split, data)}
        words = f"by the names of the bundle's own training images, from {data.name}"
    except (InvalidConfig, InvalidDataset, OSError):
        if bundle.manifest.data is None or "HAM10000" not in bundle.manifest.data.name:
            return Overlap((), "the bundle does not name its training images", known=False)
        trained = {f"ISIC_{number:07}" for number in _HAM10000}
        words = "by the numbers of HAM10000's images; some of them may have been the bundle's test set"
    found = sorted(image for image in images if _isic_name(image) in trained)
    return Overlap(tuple(found), words)


def _isic_name(image: str) -> str:
    """ISIC's own name of an image that was renamed, such as P1/ISIC_0024306_downsampled."""
    name = PurePosixPath(image).name
    found = re.match(r"ISIC_\d{7}", name)
    return found[0] if found else name
