"""Which images an epoch shows: all once, or every class as often as asked for."""

from typing import get_args

import numpy as np
import pytest

from training.config import LastBatch, Sampling
from training.data.sampling import complete, draw_order

LABELS = np.repeat([0, 3, 5], [10, 90, 400])


def draw(sampling: Sampling, seed: int = 0) -> np.ndarray:
    return draw_order(LABELS, sampling=sampling, generator=np.random.default_rng(seed))


@pytest.mark.parametrize("sampling", get_args(Sampling))
def test_an_epoch_has_as_many_images_as_there_are_and_another_order_for_another_seed(sampling: Sampling) -> None:
    one, same, other = draw(sampling), draw(sampling), draw(sampling, seed=1)
    assert len(one) == len(LABELS)
    assert (one == same).all()
    assert (one != other).any()


@pytest.mark.parametrize(("sampling", "shares"), [
    ("shuffled", [10, 90, 400]),
    ("balanced", [1, 1, 1]),
    ("square_root", [10**0.5, 90**0.5, 400**0.5]),
])  # fmt: skip
def test_classes_have_their_shares_and_no_image_comes_again_before_the_others(
    sampling: Sampling, shares: list[float]
) -> None:
    rows = draw(sampling)
    counts = np.bincount(LABELS[rows], minlength=6)[[0, 3, 5]]
    assert counts / 500 == pytest.approx(np.array(shares) / sum(shares), abs=0.003)
    for code in (0, 3, 5):
        times = np.bincount(rows, minlength=500)[code == LABELS]
        assert times.max() - times.min() <= 1


@pytest.mark.parametrize(("last_batch", "count"), [("keep", 10), ("drop", 8), ("fill", 12)])
def test_the_last_batch_is_kept_left_out_or_filled(last_batch: LastBatch, count: int) -> None:
    order = np.arange(10)
    assert complete(order, batch=4, last_batch=last_batch).tolist() == [*range(10), 0, 1][:count]
    assert complete(order[:8], batch=4, last_batch=last_batch).tolist() == list(range(8))
    small = complete(order[:3], batch=8, last_batch=last_batch)
    assert len(small) == (8 if last_batch == "fill" else 3)
