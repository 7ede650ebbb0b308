"""Batches of prepared images for TensorFlow: shuffled and augmented ones for training, plain ones for validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference.domain.taxonomy import CLASSES
from training.config import AugmentConfig, LastBatch, Sampling
from training.data.prepared_images import PreparedSplit, batches
from training.data.sampling import complete, draw_order

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True, slots=True)
class Epoch:
    """The batches of an epoch, and the number of images in them. `steps`: the number of batches, if TensorFlow does
    not know it."""

    dataset: tf.data.Dataset
    images: int
    steps: int | None


class TrainingBatches:
    """The epochs of a stage: batches (uint8 [b, s, s, 3], float32 [b, 7]), shuffled and augmented.

    If the split says something of the patients, the first part is (images, patients float32 [b, m]): a share of them,
    `drop`, is replaced by zeros, and where images are mixed, their patients are mixed alike. All epochs use one
    TensorFlow graph. The batches of an epoch depend on its seed only.
    """

    def __init__(
        self,
        split: PreparedSplit,
        augmentation: AugmentConfig,
        *,
        batch: int,
        sampling: Sampling = "shuffled",
        last_batch: LastBatch = "keep",
        size: int | None = None,
        device: str | None = None,
        drop: float = 0.0,
    ) -> None:
        """`size`: the side s of the batches' images; that of the prepared images if it is None. `device`: where the
        next batch is copied while a step computes. `drop`: the share of images without their patient's attributes."""
        import tensorflow as tf

        self._labels, self._batch, self._sampling, self._last = split.labels, batch, sampling, last_batch
        self._device = device
        self._order = self._draw(np.random.default_rng(0))
        self._root = 0
        load = self._loader(split, augmentation, size=size, drop=drop)
        steps = tf.data.Dataset.range(-(-len(self._order) // batch))
        loaded = steps.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        prefetch = tf.data.experimental.prefetch_to_device
        self._dataset = loaded.apply(prefetch(device)) if device else loaded.prefetch(tf.data.AUTOTUNE)

    def epoch(self, seed: Sequence[int]) -> Epoch:
        """The batches of one epoch. Read them before the next call, which changes them."""
        sequence = np.random.SeedSequence(seed)
        self._order = self._draw(np.random.default_rng(sequence))
        self._root = int(sequence.generate_state(1)[0] % 2**31)
        return Epoch(self._dataset, len(self._order), self.steps if self._device else None)

    @property
    def steps(self) -> int:
        """The number of batches of an epoch."""
        return -(-len(self._order) // self._batch)

    def _loader(
        self, split: PreparedSplit, augmentation: AugmentConfig, *, size: int | None, drop: float
    ) -> Callable[[tf.Tensor], tuple[Any, tf.Tensor]]:
        """A function from the number of a step to its batch."""
        import tensorflow as tf

        from training.data.augmentation import augment

        prepared = split.images.shape[1]
        # Labels, and behind them the patients, so that both are mixed like the images.
        targets = np.eye(len(CLASSES), dtype=np.float32)[split.labels]
        if split.patients is not None:
            targets = np.concatenate([targets, split.patients], axis=1)

        def rows(step: np.int64) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int32]]:
            chosen = self._order[step * self._batch : (step + 1) * self._batch]
            hidden = np.random.default_rng([self._root, int(step)]).random(len(chosen)) < drop
            shown = targets[chosen]
            shown[hidden, len(CLASSES) :] = 0
            return split.images[chosen], shown, np.array([self._root, step], np.int32)

        def load(step: tf.Tensor) -> tuple[Any, tf.Tensor]:
            images, shown, seed = tf.numpy_function(rows, [step], [tf.uint8, tf.float32, tf.int32])
            images = tf.ensure_shape(images, [self._constant_batch(), prepared, prepared, 3])
            shown = tf.ensure_shape(shown, [self._constant_batch(), targets.shape[1]])
            seed = tf.ensure_shape(seed, [2])
            images, shown = augment(images, shown, config=augmentation, seed=seed, size=size or prepared)
            labels, patients = shown[:, : len(CLASSES)], shown[:, len(CLASSES) :]
            return (images if split.patients is None else (images, patients)), labels

        return load

    def _draw(self, generator: np.random.Generator) -> NDArray[np.int64]:
        order = draw_order(self._labels, sampling=self._sampling, generator=generator)
        return complete(order, batch=self._batch, last_batch=self._last)

    def _constant_batch(self) -> int | None:
        """The number of images if all batches have the same: XLA then compiles one step instead of two."""
        return None if len(self._order) % self._batch else self._batch


def validation_batches(split: PreparedSplit, *, batch: int, patients: int = 0) -> tf.data.Dataset:
    """Batches (uint8 [b, s, s, 3], float32 [b, 7]) in the order of the images, not augmented.

    For a network that takes `patients` numbers as a second input, the first part is (images, zeros [b, patients]): it
    is validated as it is served.
    """
    import tensorflow as tf

    one_hot = np.eye(len(CLASSES), dtype=np.float32)[split.labels]
    labels = tf.data.Dataset.from_tensor_slices(one_hot).batch(batch)
    images = batches(split.images, batch=batch)
    if patients:
        images = images.map(lambda rows: (rows, tf.zeros([tf.shape(rows)[0], patients])))
    return tf.data.Dataset.zip((images, labels))
