"""Test-time augmentation: the views of a square image (rotations and mirrorings), and their inverses for maps."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

ViewCount = Literal[1, 2, 4, 8]
VIEW_COUNTS: tuple[ViewCount, ...] = get_args(ViewCount)


@dataclass(frozen=True, slots=True)
class View:
    """Mirroring from left to right, if `mirrored`, followed by `quarters` counter-clockwise quarter turns."""

    mirrored: bool
    quarters: int

    def apply(self, pixels: NDArray[Any], axes: tuple[int, int] = (0, 1)) -> NDArray[Any]:
        """Apply the view to an array whose rows and columns are the two `axes`, of equal length."""
        flipped = np.flip(pixels, axes[1]) if self.mirrored else pixels
        return np.rot90(flipped, self.quarters, axes)

    def undo(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `apply`, for an array whose first two axes are rows and columns."""
        upright = np.rot90(pixels, -self.quarters)
        return np.flip(upright, 1) if self.mirrored else upright


# The first 1, 2, 4 and 8 views each form a subgroup: for every count, all views of an image give the same average.
DIHEDRAL_GROUP: tuple[View, ...] = tuple(
    View(mirrored, quarters) for quarters in (0, 2, 1, 3) for mirrored in (False, True)
)


def make_views(image: NDArray[Any], count: ViewCount) -> NDArray[Any]:
    """The first `count` views of a square image [s, s, ...] as a batch [count, s, s, ...]."""
    return np.stack([view.apply(image) for view in DIHEDRAL_GROUP[:count]])


def undo_views(maps: NDArray[Any]) -> NDArray[Any]:
    """Bring maps [count, h, h, ...] of the views that make_views gives into the geometry of the image."""
    return np.stack([view.undo(view_map) for view, view_map in zip(DIHEDRAL_GROUP, maps, strict=False)])
