"""Prepares the images of records as the service does, and batches them for TensorFlow."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inference.domain.taxonomy import CLASSES
from inference.imaging.decoding import decode
from inference.imaging.errors import ImageError
from inference.imaging.preprocessing import Preprocessing, prepare
from inference.progress import tracked
from training.data.ham10000 import ImageRecord, InvalidDataset

if TYPE_CHECKING:
    import tensorflow as tf


Records = Sequence[ImageRecord]


@dataclass(frozen=True, slots=True)
class PreparedSplit:
    """Prepared images uint8 [n, s, s, 3] and their labels [n].

    `patients`: what is known of each image's patient, float32 [n, m], if training is told.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    patients: NDArray[np.float32] | None = None


def load_prepared_split(records: Records, spec: Preprocessing, *, cache: Path) -> PreparedSplit:
    """Prepare every image as the service does, or read the file that an earlier run left in `cache`.

    The images are a memory map, so that they may be larger than memory. Raises InvalidDataset, and OSError if the disk
    is full.
    """
    cache.mkdir(parents=True, exist_ok=True)
    path = _path_of(records, spec, cache)
    if not path.is_file():
        with tempfile.TemporaryDirectory(dir=cache) as folder:  # several runs may write this file at once
            staging = Path(folder) / path.name
            prepare_into(_memory_map(staging, _shape(records, spec)), records, spec)
            staging.replace(path)
    return PreparedSplit(np.load(path, mmap_mode="r"), labels_of(records))


def bytes_to_prepare(records: Records, spec: Preprocessing, *, cache: Path) -> int:
    """How many bytes `load_prepared_split` will add to `cache`: 0 if an earlier run has prepared the images."""
    return 0 if _path_of(records, spec, cache).is_file() else len(records) * spec.size * spec.size * 3


def _memory_map(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """A new file in NumPy's format. Its room on the disk is taken at once: later, a full disk would end the process."""
    images = np.lib.format.open_memmap(path, "w+", dtype=np.uint8, shape=shape)
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return images


def _shape(records: Records, spec: Preprocessing) -> tuple[int, ...]:
    return len(records), spec.size, spec.size, 3


def _path_of(records: Records, spec: Preprocessing, cache: Path) -> Path:
    return cache / f"{digest_of(records)[:32]}-{spec.fit}-{spec.size}.npy"


def labels_of(records: Records) -> NDArray[np.int64]:
    """Class indices int64 [n]."""
    return np.array([record.label for record in records], dtype=np.int64)


def counts_of(records: Records) -> dict[str, int]:
    """The number of images of each class, by its code."""
    counts = np.bincount(labels_of(records), minlength=len(CLASSES))
    return dict(zip(CLASSES, counts.tolist(), strict=True))


def digest_of(records: Records) -> str:
    """SHA-256 (hex) of the bytes of all image files in this order; it does not depend on the machine."""
    total = hashlib.sha256()
    for record in records:
        total.update(hashlib.sha256(record.path.read_bytes()).digest())
    return total.hexdigest()


def digest_of_labelled(records: Records) -> str:
    """SHA-256 (hex) of the bytes, the names and the labels of all images in this order."""
    labelled = " ".join(f"{record.image_id} {record.label}" for record in records)
    return hashlib.sha256(f"{digest_of(records)} {labelled}".encode()).hexdigest()


def prepare_images(records: Records, spec: Preprocessing) -> NDArray[np.uint8]:
    """Prepare every image as the service does: uint8 [n, size, size, 3].

    Raises InvalidDataset, which names every image that cannot be read.
    """
    images = np.empty(_shape(records, spec), np.uint8)
    prepare_into(images, records, spec)
    return images


def prepare_into(images: NDArray[np.uint8], records: Records, spec: Preprocessing) -> None:
    """The same into an array that there is."""

    def fill(position: int) -> None:
        images[position] = prepare(records[position].path.read_bytes(), spec)

    _for_each(fill, records, f"preparing images at {spec.size} pixels")


def check_images(records: Records) -> None:
    """Decode every image. Raises InvalidDataset, which names every image that cannot be read."""
    _for_each(lambda position: decode(records[position].path.read_bytes()), records, "checking images")


def _for_each(work: Callable[[int], object], records: Records, words: str) -> None:
    def attempt(position: int) -> str | None:
        try:
            work(position)
        except (ImageError, OSError) as error:
            return f"{records[position].path.name}: {error}"
        return None

    with ThreadPoolExecutor() as pool:  # decoding and resizing release the interpreter lock
        outcomes = tracked(pool.map(attempt, range(len(records))), words, total=len(records))
        failures = [failure for failure in outcomes if failure]
    if failures:
        lines = "".join(f"\n  {failure}" for failure in failures)
        raise InvalidDataset(f"{len(failures)} of {len(records)} images cannot be read:{lines}")


def batches(images: NDArray[np.uint8], *, batch: int) -> tf.data.Dataset:
    """Batches uint8 [b, s, s, 3] in the order of `images`, which are read when they are needed."""
    import tensorflow as tf

    size = images.shape[1]
    starts = tf.data.Dataset.range(0, len(images), batch)

    def read(start: tf.Tensor) -> tf.Tensor:
        rows = tf.numpy_function(lambda i: images[i : i + batch], [start], tf.uint8)
        return tf.ensure_shape(rows, [None, size, size, 3])

    return starts.map(read, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
