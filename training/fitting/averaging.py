"""The moving average of a model's weights, which Keras's optimiser keeps."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Within the context the trainable weights are their moving averages; without `ema` nothing changes."""
    optimiser = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not optimiser.use_ema:
        yield
        return
    swap = keras.callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()
    try:
        yield
    finally:
        swap.on_test_end()
