"""Prepared splits of drawn lesions."""

import numpy as np

from training.data.prepared_images import PreparedSplit
from training.data.synthetic_lesions import draw_squares


def drawn_split(count: int = 8, size: int = 64) -> PreparedSplit:
    """`count` drawn lesions of `size` pixels; their labels run through the seven classes."""
    return PreparedSplit(draw_squares(size=size, count=count), np.arange(count) % 7)
