"""Images far from dermoscopy that chose neither the out-of-distribution score nor its threshold.

Files that scikit-image, scikit-learn and Matplotlib ship and that are no photos of training.data.ood_photos, and pages
and textures drawn from a seed. The same packages give the same images on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits

from inference.imaging.decoding import decode
from training.data.ood_photos import package_folder

Rgb = NDArray[np.uint8]  # [h, w, 3]

COUNT = 100  # images of a kind, where there are as many
_PICTURES = {
    "matplotlib": ("mpl-data/sample_data", ("Minduka_Present_Blue_Pack.png", "grace_hopper.jpg", "logo2.png")),
    "skimage": ("data", ("chessboard_GRAY.png", "color.png", "horse.png", "logo.png", "phantom.png")),
}
_SIDE = 256  # of a texture
_SKIN = ((222, 178, 158), (141, 96, 74))  # light and dark, RGB


@dataclass(frozen=True, slots=True)
class FarImages:
    """Images of one kind, and where they come from, for the model card."""

    kind: str
    source: str
    images: tuple[Rgb, ...]


def far_images() -> tuple[FarImages, ...]:
    """All kinds. Raises ModuleNotFoundError without the packages."""
    image, learn, pillow = (f"{name} {version(name)}" for name in ("scikit-image", "scikit-learn", "pillow"))
    return (
        FarImages("pictures", f"{image} and matplotlib {version('matplotlib')}", _pictures()),
        FarImages("faces", image, _faces()),
        FarImages("digits", learn, _digits()),
        FarImages("documents", f"drawn with {pillow}", _drawn(draw_document)),
        FarImages("textures", "drawn from a seed", _drawn(draw_texture)),
    )


def _pictures() -> tuple[Rgb, ...]:
    """Portrait, gift, logos and test patterns."""
    paths = [package_folder(package, folder) / name for package, (folder, names) in _PICTURES.items() for name in names]
    return tuple(decode(path.read_bytes()).rgb for path in paths)


def _faces() -> tuple[Rgb, ...]:
    """Faces of Labeled Faces in the Wild at 25 pixels, grey; the first half of the file."""
    grey = np.load(package_folder("skimage", "data") / "lfw_subset.npy")[:COUNT].astype(np.float64)
    return tuple(_of_grey(each / each.max()) for each in grey)


def _digits() -> tuple[Rgb, ...]:
    """Handwritten digits at 8 pixels: dark on white."""
    return tuple(_of_grey(1 - each / 16) for each in load_digits().images[:COUNT])


def _of_grey(levels: NDArray[np.float64]) -> Rgb:
    """Levels 0 to 1, [h, w], as grey uint8 [h, w, 3]."""
    return np.repeat(np.rint(levels * 255).astype(np.uint8)[:, :, np.newaxis], 3, axis=2)


def _drawn(draw: Callable[[int], Rgb]) -> tuple[Rgb, ...]:
    return tuple(draw(seed) for seed in range(COUNT))


def draw_document(seed: int) -> Rgb:
    """A page of lines of meaningless words, dark on light paper."""
    generator = np.random.default_rng(seed)
    paper, ink = (tuple(map(int, generator.integers(*span, 3))) for span in ((215, 256), (0, 80)))
    page = Image.new("RGB", (600, 600), paper)
    drawing, size = ImageDraw.Draw(page), int(generator.integers(12, 40))
    font, letters = ImageFont.load_default(size), np.array(list("abcdefghijklmnopqrstuvwxyz    "))
    for top in range(size, 600 - size, int(size * generator.uniform(1.2, 2))):
        drawing.text((size, top), "".join(generator.choice(letters, 1200 // size)), fill=ink, font=font)
    return np.asarray(page, np.uint8)


def draw_texture(seed: int) -> Rgb:
    """Noise, stripes, squares or a slope between two colours; every second one is in a colour of skin."""
    generator = np.random.default_rng(seed)
    if seed % 2:
        skin = np.array(_SKIN[int(generator.integers(len(_SKIN)))], np.float64)
        ends = np.clip(skin * generator.uniform(0.6, 1.1, (2, 1)), 0, 255)
    else:
        ends = generator.uniform(0, 255, (2, 3))
    share = _PATTERNS[seed // 2 % len(_PATTERNS)](generator)[:, :, np.newaxis]
    return np.asarray(np.rint(ends[0] * (1 - share) + ends[1] * share), np.uint8)


def _noise(generator: np.random.Generator) -> NDArray[np.float64]:
    """White noise, blurred by up to 16 pixels, from 0 to 1."""
    values = cv2.GaussianBlur(generator.normal(size=(_SIDE, _SIDE)), (0, 0), generator.uniform(0.3, 16))
    return np.asarray((values - values.min()) / np.ptp(values))


def _stripes(generator: np.random.Generator) -> NDArray[np.float64]:
    return (1 + np.sin(_slope(generator) * generator.uniform(12, 200))) / 2


def _squares(generator: np.random.Generator) -> NDArray[np.float64]:
    y, x = np.indices((_SIDE, _SIDE)) // int(generator.integers(4, 64))
    return ((x + y) % 2).astype(np.float64)


def _slope(generator: np.random.Generator) -> NDArray[np.float64]:
    """From 0 to 1 along a direction."""
    angle = generator.uniform(0, np.pi / 2)
    y, x = np.mgrid[0 : 1 : _SIDE * 1j, 0 : 1 : _SIDE * 1j]
    return np.asarray((x * np.cos(angle) + y * np.sin(angle)) / (np.cos(angle) + np.sin(angle)))


_PATTERNS = (_noise, _stripes, _squares, _slope)
