"""Batches of fixed sizes: what is filled up is cut off again, and the size is chosen by its time."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.runtimes import Outputs
from inference.runtimes.batch_buckets import choose, measure, run_in_buckets


def forward(batch: NDArray[np.uint8]) -> Outputs:
    """The first pixel of each image as its logit and its feature."""
    value = batch[:, 0, 0, :1].astype(np.float32)
    return Outputs(logits=value, features=value[:, np.newaxis, np.newaxis])


@pytest.mark.parametrize(("count", "expected"), [(1, [1]), (2, [2]), (3, [4]), (4, [4]), (5, [4, 1]), (11, [4, 4, 4])])
def test_every_call_has_one_of_the_sizes(count: int, expected: list[int]) -> None:
    calls: list[int] = []

    def noted(batch: NDArray[np.uint8]) -> Outputs:
        calls.append(len(batch))
        return forward(batch)

    images = np.arange(1, count + 1, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    outputs = run_in_buckets(noted, images, (1, 2, 4))
    assert calls == expected
    assert outputs.logits.ravel().tolist() == list(range(1, count + 1))
    assert outputs.features.shape == (count, 1, 1, 1)


@pytest.mark.parametrize(("seconds", "chosen"), [
    ({1: 0.010, 2: 0.006, 4: 0.004, 8: 0.0039, 16: 0.0039}, 4),
    ({1: 0.010, 2: 0.0099, 4: 0.0098}, 1),
    ({1: 0.010, 2: 0.0099, 4: 0.005}, 4),
    ({}, 1),
])  # fmt: skip
def test_the_largest_size_that_is_worth_its_wait(seconds: dict[int, float], chosen: int) -> None:
    assert choose(seconds) == chosen


def test_sizes_beyond_the_device_s_memory_are_left_out() -> None:
    def limited(batch: NDArray[np.uint8]) -> Outputs:
        if len(batch) > 4:
            raise MemoryError
        return forward(batch)

    assert list(measure(limited, size=2)) == [1, 2, 4]
