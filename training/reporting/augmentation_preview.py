"""A preview of augmentation: some training images, and augmented versions beside each of them."""

from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from inference.domain.taxonomy import CLASSES
from training.config import Config
from training.data.augmentation import augment
from training.data.prepared_images import labels_of, prepare_images
from training.data.splits import read_split

ROWS, COLUMNS = 8, 8
SIDE = 160  # of one image, in pixels


def write_augmentation_preview(config: Config, *, data: Path, path: Path) -> None:
    """Write a PNG of ROWS training images and COLUMNS - 1 augmented versions of each.

    Raises InvalidDataset, and OSError if `path` cannot be written.
    """
    records = next(iter(read_split(config, data).splits().values()))[:ROWS]
    images = tf.constant(prepare_images(records, config.model.preprocessing))
    labels = tf.constant(np.eye(len(CLASSES), dtype=np.float32)[labels_of(records)])
    columns = [images.numpy()]
    for step in range(COLUMNS - 1):
        augmented, _ = augment(images, labels, config=config.augment, seed=tf.constant([config.seed, step]))
        columns.append(augmented.numpy())
    small = [[cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for image in column] for column in columns]
    sheet = np.concatenate([np.concatenate(column, axis=0) for column in small], axis=1)
    if not cv2.imwrite(str(path), sheet[..., ::-1]):
        raise OSError(f"{path} cannot be written; the name must end in .png")
