"""Views of one image: the dihedral group, in a fixed order, and the way back for maps."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Views = Literal[1, 2, 4, 8]


@dataclass(frozen=True, slots=True)
class View:
    """Mirror left to right (or not), then turn counter-clockwise by quarters."""

    mirrored: bool
    quarters: int

    def apply(self, pixels: NDArray[Any], axes: tuple[int, int] = (0, 1)) -> NDArray[Any]:
        """The view of an array whose rows and columns are the two `axes`, square."""
        mirrored = np.flip(pixels, axes[1]) if self.mirrored else pixels
        return np.rot90(mirrored, self.quarters, axes)

    def undo(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The way back, for rows and columns first."""
        upright = np.rot90(pixels, -self.quarters)
        return np.flip(upright, 1) if self.mirrored else upright


# The first 1, 2, 4 or 8 are a subgroup each, so that every count is a consistent average.
GROUP: tuple[View, ...] = tuple(View(mirrored, quarters) for quarters in (0, 2, 1, 3) for mirrored in (False, True))


def spread(image: NDArray[Any], count: Views) -> NDArray[Any]:
    """The first `count` views of a square image [s, s, ...] as a batch [count, s, s, ...]."""
    return np.stack([view.apply(image) for view in GROUP[:count]])


def gather(maps: NDArray[Any]) -> NDArray[Any]:
    """Undo `spread` on the maps of its views, [count, h, h, ...]: all in the first view's geometry."""
    return np.stack([view.undo(one) for view, one in zip(GROUP, maps, strict=False)])
