"""Which of the user's images stand in the training data too, as far as the bundle tells."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from inference.bundle.storage import Bundle
from training.config import InvalidConfig
from training.data.ham10000 import InvalidDataset
from training.data.origin import read_config, read_origin, trained_images

_HAM10000 = range(24306, 34321)  # the numbers of its images, all of them: ISIC_0024306 to ISIC_0034320


@dataclass(frozen=True, slots=True)
class Overlap:
    """The images that are in the training data too, and in words how that is known.

    `known`: whether every image of the training data would be found; if not, `words` say why.
    """

    images: tuple[str, ...]
    words: str
    known: bool = True


def find_overlap(bundle: Bundle, images: Collection[str], *, data: Path) -> Overlap:
    """Compare the names with the bundle's own training images, if `data` holds them, else with HAM10000's numbers."""
    try:
        config, split = read_origin(bundle, data)
        trained = {_isic_name(name) for name in trained_images(config, split, data)}
    except (InvalidConfig, InvalidDataset, OSError):
        return _by_numbers(bundle, images)
    return Overlap(_among(images, trained), f"by the names of the bundle's own training images, from {data.name}")


def _by_numbers(bundle: Bundle, images: Collection[str]) -> Overlap:
    if bundle.manifest.data is None or "HAM10000" not in bundle.manifest.data.name:
        return Overlap((), "the bundle does not name its training images", known=False)
    found = _among(images, {f"ISIC_{number:07}" for number in _HAM10000})
    words = "by the numbers of HAM10000's images; some of them may have been the bundle's test set"
    if not (others := _other_data(bundle)):
        return Overlap(found, words)
    words = words if found else "none has the number of an image of HAM10000"
    return Overlap(found, f"{words}; images of other training data are not recognised: {others}", known=False)


def _other_data(bundle: Bundle) -> str:
    """The data sets beside HAM10000 that the bundle was trained on, or ""."""
    try:
        config = read_config(bundle)
    except InvalidConfig:
        return "the bundle's configuration, which names them, cannot be read"
    return "; ".join(section.name for section in (config.pretrain, config.extra) if section)


def _among(images: Collection[str], trained: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(image for image in images if _isic_name(image) in trained))


def _isic_name(image: str) -> str:
    """ISIC's own name of an image that was renamed, such as P1/ISIC_0024306_downsampled."""
    name = PurePosixPath(image).name
    found = re.match(r"ISIC_\d{7}", name)
    return found[0] if found else name
