"""The effects of augmentation on the sharpness of images."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tests.support.configs import NOTHING
from training.config import AugmentConfig
from training.data.augmentation import augment
from training.data.sharpness import blur, compress, sharpen
from training.data.synthetic_lesions import draw_squares

pytestmark = pytest.mark.numeric


def changed(**changes: object) -> AugmentConfig:
    return NOTHING.model_copy(update=changes)


def test_blur_smooths_some_images_only() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), np.uint8)
    images, _ = augment(
        tf.constant(noise), tf.zeros((64, 7)), config=changed(blur_probability=0.25), seed=tf.constant([1, 1])
    )
    blurred = images.numpy().std(axis=(1, 2, 3)) < 0.6 * noise.std(axis=(1, 2, 3))
    assert 6 < blurred.sum() < 28
    assert (images.numpy()[~blurred] == noise[~blurred]).all()


@pytest.mark.parametrize("sigma", [0.8, 2.0])
def test_blur_is_opencvs_gaussian(sigma: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3)).astype(np.float32)
    config = changed(blur_probability=1.0, blur_sigma=(sigma, sigma))
    blurred = blur(tf.constant(pixels), config=config, seed=tf.constant([1, 1])).numpy()
    side = 2 * int(np.ceil(3 * sigma)) + 1
    for before, after in zip(pixels, blurred, strict=True):
        expected = cv2.GaussianBlur(before, (side, side), sigma, borderType=cv2.BORDER_REFLECT_101)
        assert after == pytest.approx(expected, abs=0.05)


def test_sharpening_adds_what_a_gaussian_takes_away() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 24, 24, 3)).astype(np.float32)
    kernel = np.array([1, 4, 6, 4, 1], np.float32) / 16
    expected = np.stack([2.5 * x - 1.5 * cv2.sepFilter2D(x, -1, kernel, kernel) for x in pixels])
    config = changed(sharpen_probability=1.0, sharpen_amount=(1.5, 1.5))
    assert sharpen(tf.constant(pixels), config=config, seed=tf.constant([1, 1])).numpy() == pytest.approx(
        expected, abs=0.05
    )
    some = sharpen(
        tf.constant(pixels),
        config=changed(sharpen_probability=0.5, sharpen_amount=(1.0, 2.0)),
        seed=tf.constant([1, 1]),
    ).numpy()
    assert 8 < (np.abs(some - pixels).max(axis=(1, 2, 3)) > 1).sum() < 32


def test_jpeg_changes_some_images_and_more_at_a_lower_quality() -> None:
    lesions = tf.cast(draw_squares(size=64, count=40), tf.float32)

    def error(low: int, high: int, probability: float = 1.0) -> np.ndarray:
        config = changed(jpeg_probability=probability, jpeg_quality=(low, high))
        compressed = compress(lesions, config=config, seed=tf.constant([1, 1])).numpy()
        return np.abs(compressed - lesions.numpy()).mean(axis=(1, 2, 3))

    assert error(20, 20).mean() > 2 * error(95, 95).mean() > 0
    some = error(20, 95, probability=0.5) > 0
    assert 8 < some.sum() < 32
