"""Photos with captions on one page: right answers above wrong ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

# Inches.
_PHOTO, _GAP, _CAPTION, _HEADING = 1.8, 0.12, 0.5, 0.42


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """uint8 RGB [h, w, 3] and one or two short lines that stand under it."""

    pixels: NDArray[np.uint8]
    caption: str


def photo_sheet(right: Sequence[Photo], wrong: Sequence[Photo], *, data: str, columns: int = 6) -> Figure:
    """Overlays of Grad-CAM++ under the headings Right and Wrong; `data` says which model and whose data."""
    parts = [(name, photos) for name, photos in (("Right", right), ("Wrong", wrong)) if photos]
    rows = [-(-len(photos) // columns) for _, photos in parts]
    width = columns * (_PHOTO + _GAP) + _GAP
    height = _HEADING * (1 + len(parts)) + sum(rows) * (_PHOTO + _CAPTION)
    figure = Figure(figsize=(width, height), facecolor="white")
    top = height - _heading(figure, f"Grad-CAM++: {data}", top=height, size=12)
    for (name, photos), count in zip(parts, rows, strict=True):
        top -= _heading(figure, name, top=top, size=11)
        for position, photo in enumerate(photos):
            row, column = divmod(position, columns)
            _place(figure, photo, left=_GAP + column * (_PHOTO + _GAP), top=top - row * (_PHOTO + _CAPTION))
        top -= count * (_PHOTO + _CAPTION)
    return figure


def _heading(figure: Figure, words: str, *, top: float, size: int) -> float:
    width, height = figure.get_size_inches()
    figure.text(_GAP / width, (top - 0.7 * _HEADING) / height, words, fontsize=size, color="#1b1f24")
    return _HEADING


def _place(figure: Figure, photo: Photo, *, left: float, top: float) -> None:
    """The caption hangs on the picture, whatever its shape."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, (top - _PHOTO) / height, _PHOTO / width, _PHOTO / height), anchor="N")
    axes.set_axis_off()
    axes.imshow(photo.pixels)
    axes.text(0.5, -0.04, photo.caption, transform=axes.transAxes, ha="center", va="top", fontsize=8)
