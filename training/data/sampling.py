"""Which images an epoch shows, and in which order."""

import numpy as np
from numpy.typing import NDArray

from training.config import LastBatch, Sampling

_EXPONENTS = {"balanced": 0.0, "square_root": 0.5}


def draw_order(labels: NDArray[np.int64], *, sampling: Sampling, generator: np.random.Generator) -> NDArray[np.int64]:
    """The rows of an epoch, int64 [n]: as many as there are `labels` [n].

    "shuffled" takes every image once. "balanced" takes every class equally often, "square_root" in proportion to the
    square root of its frequency; an image of a rare class is then taken several times, one of a frequent class not in
    every epoch.
    """
    if sampling == "shuffled":
        return generator.permutation(len(labels))
    present, counts = np.unique(labels, return_counts=True)
    shares = counts ** _EXPONENTS[sampling]
    ends = np.round(np.cumsum(shares) / shares.sum() * len(labels)).astype(int)
    taken = np.diff(ends, prepend=0)
    rows = [
        _repeat(np.flatnonzero(labels == code), count, generator) for code, count in zip(present, taken, strict=True)
    ]
    return generator.permutation(np.concatenate(rows))


def complete(order: NDArray[np.int64], *, batch: int, last_batch: LastBatch) -> NDArray[np.int64]:
    """The rows [n] with a last batch that is smaller ("keep"), left out ("drop"), or filled with the first rows again.

    An epoch of less than one batch is kept as it is unless it is filled.
    """
    missing = -len(order) % batch
    if last_batch == "keep" or not missing or (last_batch == "drop" and len(order) < batch):
        return order
    if last_batch == "drop":
        return order[: len(order) - len(order) % batch]
    return np.concatenate([order, np.resize(order, missing)])


def _repeat(rows: NDArray[np.int64], count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """`count` of the rows; none is taken again before all were taken."""
    rounds = [generator.permutation(rows) for _ in range(-(-count // len(rows)))]
    return np.concatenate([*rounds, rows[:0]])[:count]
