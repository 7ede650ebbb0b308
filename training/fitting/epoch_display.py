"""Shows how far an epoch is, and measures it: a Keras callback over inference.progress."""

from __future__ import annotations

import time
from typing import Any

import keras

from inference.progress import Step


class EpochDisplay(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Advances `step` by the images of each batch, with loss and accuracy beside it.

    `images_per_second` is that of the training steps, without validation, and without the first call of the step in the
    epoch, in which TensorFlow may trace and compile; of that call alone if there is no other.
    """

    def __init__(self, step: Step, *, images: int, batch: int) -> None:
        super().__init__()
        self._step, self._images, self._batch = step, images, batch
        self._shown = 0
        self._began = self._first = self._last = (0.0, 0)  # time.monotonic(), images until then

    @property
    def images_per_second(self) -> float:
        """0 before the first batch."""
        start = self._began if self._last == self._first else self._first
        seconds, images = self._last[0] - start[0], self._last[1] - start[1]
        return images / seconds if seconds > 0 else 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """In the first epoch of a stage, TensorFlow traces the step before the first batch."""
        self._began = (time.monotonic(), 0)
        self._step.advance(0, note="starting")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """All images up to this batch were trained on."""
        done = min((batch + 1) * self._batch, self._images)
        self._last = (time.monotonic(), done)
        if not self._shown:
            self._first = self._last
        note = ", ".join(f"{key} {float(value):.3f}" for key, value in (logs or {}).items())
        self._step.advance(done - self._shown, note=note)
        self._shown = done

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """The validation set is being evaluated."""
        self._step.advance(0, note="validating")
