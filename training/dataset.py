"""Records -> prepared images -> tf.data."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inference.image import ImageError, Preprocessing, prepare
from inference.taxonomy import CLASSES
from training.index import InvalidDataset, Record

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True, slots=True)
class Part:
    """Prepared images uint8 [n, s, s, 3] and their labels [n]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def load_part(records: Sequence[Record], spec: Preprocessing) -> Part:
    """Decode and fit every image as the service would. Raises InvalidDataset."""
    return Part(prepare_images(records, spec), labels_of(records))


def labels_of(records: Sequence[Record]) -> NDArray[np.int64]:
    """Class indices [n]."""
    return np.array([record.label for record in records], dtype=np.int64)


def lesions_of(records: Sequence[Record]) -> NDArray[np.str_]:
    """Lesion ids [n]."""
    return np.array([record.lesion_id for record in records])


def counts_of(records: Sequence[Record]) -> dict[str, int]:
    """How many images of each class."""
    counts = np.bincount(labels_of(records), minlength=len(CLASSES))
    return dict(zip(CLASSES, counts.tolist(), strict=True))


def prepare_images(records: Sequence[Record], spec: Preprocessing) -> NDArray[np.uint8]:
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


def batches(images: NDArray[np.uint8], *, batch: int) -> tf.data.Dataset:
    """Batches uint8 [b, size, size, 3] in order, read from the array as they are needed."""
    import tensorflow as tf

    size = images.shape[1]
    starts = tf.data.Dataset.range(0, len(images), batch)

    def read(start: tf.Tensor) -> tf.Tensor:
        rows = tf.numpy_function(lambda i: images[i : i + batch], [start], tf.uint8)
        return tf.ensure_shape(rows, [None, size, size, 3])

    return starts.map(read, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
