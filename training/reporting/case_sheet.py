"""A page of captioned images with their heat maps: right predictions above wrong ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

# Inches.
_PHOTO, _GAP, _CAPTION, _HEADING = 1.8, 0.12, 0.5, 0.42


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """An image and its heat map, both uint8 RGB [h, w, 3], and a caption of one or two short lines below them."""

    original: NDArray[np.uint8]
    overlay: NDArray[np.uint8]
    caption: str


def photo_sheet(right: Sequence[Photo], wrong: Sequence[Photo], *, data: str, columns: int = 3) -> Figure:
    """A figure of images beside their Grad-CAM++ overlays under the headings Right and Wrong; `data` ends its title."""
    sections = [(name, photos) for name, photos in (("Right", right), ("Wrong", wrong)) if photos]
    rows = [-(-len(photos) // columns) for _, photos in sections]
    width = columns * (2 * _PHOTO + _GAP) + _GAP
    height = _HEADING * (1 + len(sections)) + sum(rows) * (_PHOTO + _CAPTION)
    figure = Figure(figsize=(width, height), facecolor="white")
    top = height - _heading(figure, f"Grad-CAM++: {data}", top=height, size=12)
    for (name, photos), count in zip(sections, rows, strict=True):
        top -= _heading(figure, name, top=top, size=11)
        for position, photo in enumerate(photos):
            row, column = divmod(position, columns)
            _place(figure, photo, left=_GAP + column * (2 * _PHOTO + _GAP), top=top - row * (_PHOTO + _CAPTION))
        top -= count * (_PHOTO + _CAPTION)
    return figure


def _heading(figure: Figure, words: str, *, top: float, size: int) -> float:
    """Write a heading below `top` (inches); returns its height in inches."""
    width, height = figure.get_size_inches()
    figure.text(_GAP / width, (top - 0.7 * _HEADING) / height, words, fontsize=size, color="#1b1f24")
    return _HEADING


def _place(figure: Figure, photo: Photo, *, left: float, top: float) -> None:
    """Draw image and heat map with their top left corner at `left`, `top` (inches), and the caption below them."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, (top - _PHOTO) / height, 2 * _PHOTO / width, _PHOTO / height), anchor="N")
    axes.set_axis_off()
    axes.imshow(np.concatenate([photo.original, photo.overlay], axis=1))
    axes.text(0.5, -0.04, photo.caption, transform=axes.transAxes, ha="center", va="top", fontsize=8)
