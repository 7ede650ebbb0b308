"""Images a second of an epoch: steps of training only."""

import pytest

from inference.progress import long_step
from tests.support.needs_tensorflow import tf
from training.fitting import epoch_display
from training.fitting.epoch_display import EpochDisplay

assert tf


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize(("batches", "images", "expected"), [
    ([(0, 8)], 8, 8 / 30),  # nothing else to measure
    ([(0, 8), (1, 2), (2, 2)], 20, (20 - 8) / 4),  # the last batch has 4 images
    ([(3, 8), (4, 2)], 40, 8 / 2),  # four steps are one call
])  # fmt: skip
def test_neither_tracing_nor_validation_counts(
    batches: list[tuple[int, float]], images: int, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(epoch_display, "time", clock)
    with long_step("epoch", total=images) as step:
        display = EpochDisplay(step, images=images, batch=8)
        display.on_train_begin()
        clock.now += 22  # tracing
        for batch, seconds in batches:
            clock.now += seconds
            display.on_train_batch_end(batch)
        display.on_test_begin()
        clock.now += 50
    assert display.images_per_second == pytest.approx(expected)
