"""Records -> prepared images -> tf.data."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inference.image import ImageError, Preprocessing, prepare
from inference.taxonomy import CLASSES
from training.config import Config
from training.index import InvalidDataset, Record

if TYPE_CHECKING:
    import tensorflow as tf


Records = Sequence[Record]


@dataclass(frozen=True, slots=True)
class Part:
    """Prepared images uint8 [n, s, s, 3] and their labels [n]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def load_part(records: Records, spec: Preprocessing, *, cache: Path) -> Part:
    """Decode and fit every image as the service would, or take what an earlier run left in `cache`.

    The images come as a memory map, so that a part may be larger than memory. Raises InvalidDataset.
    """
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{digest_of(records)[:32]}-{spec.fit}-{spec.size}.npy"
    if not path.is_file():
        with tempfile.TemporaryDirectory(dir=cache) as own:  # several runs may do this at once
            staging = Path(own) / path.name
            np.save(staging, prepare_images(records, spec))
            staging.replace(path)
    return Part(np.load(path, mmap_mode="r"), labels_of(records))


def labels_of(records: Records) -> NDArray[np.int64]:
    """Class indices [n]."""
    return np.array([record.label for record in records], dtype=np.int64)


def counts_of(records: Records) -> dict[str, int]:
    """How many images of each class."""
    counts = np.bincount(labels_of(records), minlength=len(CLASSES))
    return dict(zip(CLASSES, counts.tolist(), strict=True))


def digest_of(records: Records) -> str:
    """SHA-256 over the bytes of every image in this order: the same data has the same digest on any machine."""
    total = hashlib.sha256()
    for record in records:
        total.update(hashlib.sha256(record.path.read_bytes()).digest())
    return total.hexdigest()


def prepare_images(records: Records, spec: Preprocessing) -> NDArray[np.uint8]:
    """Every image as the service would prepare it: uint8 [n, size, size, 3]. Raises InvalidDataset."""
    images = np.empty((len(records), spec.size, spec.size, 3), np.uint8)

    def fill(position: int) -> str | None:
        try:
            images[position] = prepare(records[position].path.read_bytes(), spec)
        except ImageError as error:
            return f"{records[position].image_id}: {error}"
        return None

    with ThreadPoolExecutor() as pool:  # decoding and resizing release the interpreter lock
        failures = [failure for failure in pool.map(fill, range(len(records))) if failure]
    if failures:
        raise InvalidDataset(f"{len(failures)} of {len(records)} images cannot be read, such as {failures[0]}")
    return images


class TrainingBatches:
    """The epochs of a stage: (uint8 [b, s, s, 3], float32 [b, 7]) shuffled and augmented.

    One graph for all epochs; what an epoch looks like depends on its seed and nothing else.
    """

    def __init__(self, part: Part, config: Config) -> None:
        import tensorflow as tf

        from training.augment import augment

        size, count = part.images.shape[1], config.optimiser.batch
        one_hot = np.eye(len(CLASSES), dtype=np.float32)[part.labels]
        self._count = len(part.labels)

        def rows(step: np.int64) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int32]]:
            chosen = self._order[step * count : (step + 1) * count]
            return part.images[chosen], one_hot[chosen], np.array([self._root, step], np.int32)

        def load(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images, labels, seed = tf.numpy_function(rows, [step], [tf.uint8, tf.float32, tf.int32])
            images = tf.ensure_shape(images, [None, size, size, 3])
            labels = tf.ensure_shape(labels, [None, len(CLASSES)])
            return augment(images, labels, config=config.augment, seed=tf.ensure_shape(seed, [2]))

        steps = tf.data.Dataset.range(-(-self._count // count))
        loaded = steps.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        self._dataset = loaded.prefetch(tf.data.AUTOTUNE)

    def epoch(self, seed: Sequence[int]) -> tf.data.Dataset:
        """The batches of one epoch; to be read before the next one is asked for."""
        sequence = np.random.SeedSequence(seed)
        self._order = np.random.default_rng(sequence).permutation(self._count)
        self._root = int(sequence.generate_state(1)[0] % 2**31)
        return self._dataset


def validation_batches(part: Part, *, batch: int) -> tf.data.Dataset:
    """(uint8 [b, s, s, 3], float32 [b, 7]) in order."""
    import tensorflow as tf

    one_hot = np.eye(len(CLASSES), dtype=np.float32)[part.labels]
    labels = tf.data.Dataset.from_tensor_slices(one_hot).batch(batch)
    return tf.data.Dataset.zip((batches(part.images, batch=batch), labels))


def batches(images: NDArray[np.uint8], *, batch: int) -> tf.data.Dataset:
    """Batches uint8 [b, size, size, 3] in order, read from the array as they are needed."""
    import tensorflow as tf

    size = images.shape[1]
    starts = tf.data.Dataset.range(0, len(images), batch)

    def read(start: tf.Tensor) -> tf.Tensor:
        rows = tf.numpy_function(lambda i: images[i : i + batch], [start], tf.uint8)
        return tf.ensure_shape(rows, [None, size, size, 3])

    return starts.map(read, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
