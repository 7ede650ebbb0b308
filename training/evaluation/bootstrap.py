"""Bootstrap over lesions. All resamples are one array of weights, so that a metric is computed for all at once."""

import numpy as np
from numpy.typing import NDArray

from inference.bundle.manifest import Interval

Weights = NDArray[np.float64]  # [r, n]: how often each image counts in each resample
Draws = NDArray[np.float64]  # [r]: the value of a metric in each resample


def lesion_weights(lesions: NDArray[np.str_], *, resamples: int, seed: int) -> Weights:
    """How often each image counts, float64 [resamples + 1, n]: row 0 is the original data (ones).

    `lesions`: the lesion id of each image, [n]. A resample draws as many lesions as there are, with replacement, and
    contains all images of a drawn lesion, because images of one lesion are not independent.
    """
    _, group = np.unique(lesions, return_inverse=True)
    count = int(group.max()) + 1
    drawn = np.random.default_rng(seed).integers(count, size=(resamples, count))
    drawn += np.arange(resamples)[:, np.newaxis] * count
    times = np.bincount(drawn.ravel(), minlength=resamples * count).reshape(resamples, count)
    return np.vstack([np.ones(len(lesions)), times[:, group]])


def interval(draws: Draws) -> Interval:
    """The value for the original data (draws[0]) and the 95 % percentile interval of its resamples.

    Resamples in which the metric is undefined (NaN), such as the recall of an absent class, are left out.
    """
    low, high = np.nanpercentile(draws[1:], [2.5, 97.5])
    return Interval(value=float(draws[0]), low=float(low), high=float(high))


def interval_if_defined(draws: Draws) -> Interval | None:
    """The same; None if the value for the original data is undefined."""
    return None if np.isnan(draws[0]) else interval(draws)
