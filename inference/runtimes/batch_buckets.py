"""Batches of a few fixed sizes, for devices on which a function is compiled for every shape and larger batches pay."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.runtimes import Outputs

BUCKETS = (1, 2, 4, 8, 16, 32)
CALLS = 3  # timed a bucket; the first call compiles and is not timed
GAIN = 0.9  # a larger bucket has to take at most this part of the time an image

Forward = Callable[[NDArray[np.uint8]], Outputs]


def run_in_buckets(forward: Forward, batch: NDArray[np.uint8], buckets: Sequence[int]) -> Outputs:
    """Outputs of uint8 [n, s, s, 3], computed in batches of these ascending sizes; the last is filled with zeros."""
    parts = []
    for first in range(0, len(batch), buckets[-1]):
        images = batch[first : first + buckets[-1]]
        size = next(bucket for bucket in buckets if bucket >= len(images))
        filled = np.concatenate([images, np.zeros((size - len(images), *images.shape[1:]), np.uint8)])
        outputs = forward(filled)
        parts.append(Outputs(logits=outputs.logits[: len(images)], features=outputs.features[: len(images)]))
    return Outputs(
        logits=np.concatenate([part.logits for part in parts]),
        features=np.concatenate([part.features for part in parts]),
    )


def measure(forward: Forward, *, size: int, buckets: Sequence[int] = BUCKETS) -> dict[int, float]:
    """Seconds an image by bucket, the least of CALLS; every bucket is compiled. Stops where memory is lacking."""
    seconds: dict[int, float] = {}
    for bucket in buckets:
        images = np.zeros((bucket, size, size, 3), np.uint8)
        try:
            forward(images)
            seconds[bucket] = min(_timed(forward, images) for _ in range(CALLS)) / bucket
        except MemoryError:
            break
    return seconds


def choose(seconds: Mapping[int, float]) -> int:
    """The largest bucket that was worth its wait, by GAIN; `seconds` an image, as `measure` gives them."""
    chosen, best = 1, seconds.get(1, float("inf"))
    for bucket, each in sorted(seconds.items()):
        if each <= GAIN * best:
            chosen, best = bucket, each
    return chosen


def _timed(forward: Forward, images: NDArray[np.uint8]) -> float:
    began = time.perf_counter()
    forward(images)
    return time.perf_counter() - began
