"""Bootstrap over lesions: weights for every resample at once, so that a number's 1000 resamples are one array."""

import numpy as np
from numpy.typing import NDArray

from inference.manifest import Interval

Weights = NDArray[np.float64]
Draws = NDArray[np.float64]


def lesion_weights(lesions: NDArray[np.str_], *, resamples: int, seed: int) -> Weights:
    """How often each image counts, [resamples + 1, n]: row 0 is the data as they are (ones), the others are resamples.

    A resample draws as many lesions as there are, with replacement; all images of a lesion come along, because images
    of one lesion are not independent.
    """
    _, group = np.unique(lesions, return_inverse=True)
    count = int(group.max()) + 1
    drawn = np.random.default_rng(seed).integers(count, size=(resamples, count))
    drawn += np.arange(resamples)[:, np.newaxis] * count
    times = np.bincount(drawn.ravel(), minlength=resamples * count).reshape(resamples, count)
    return np.vstack([np.ones(len(lesions)), times[:, group]])


def interval(draws: Draws) -> Interval:
    """The value (row 0 of the weights) and the 95 % percentile interval of its resamples.

    Resamples without a class have no recall or AUC for it (NaN) and are left out.
    """
    low, high = np.nanpercentile(draws[1:], [2.5, 97.5])
    return Interval(value=float(draws[0]), low=float(low), high=float(high))


def interval_if_defined(draws: Draws) -> Interval | None:
    """None where the value itself is undefined."""
    return None if np.isnan(draws[0]) else interval(draws)
