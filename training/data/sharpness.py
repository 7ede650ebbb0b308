"""Augmentation of sharpness: images are blurred, sharpened, or compressed as JPEG."""

from __future__ import annotations

import math

import tensorflow as tf

from training.config import AugmentConfig
from training.data.random_changes import change_some, to_bytes, uniform


def blur(images: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor) -> tf.Tensor:
    """Blur some images with a Gaussian, one axis after the other: float32 [b, s, s, 3]. Others are not computed."""
    if config.blur_probability == 0:
        return images
    draw = uniform(tf.shape(images)[0], seed)
    if config.blur_sigma is None:
        radius = 2
        kernels = tf.repeat(tf.constant([[1.0, 4.0, 6.0, 4.0, 1.0]]) / 16, tf.shape(images)[0], axis=0)
    else:
        radius = math.ceil(3 * config.blur_sigma[1])
        taps = tf.range(-radius, radius + 1, dtype=tf.float32)
        kernels = tf.nn.softmax(-0.5 * (taps / draw(1, *config.blur_sigma)[:, None]) ** 2)

    def smooth(chosen: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        weights = tf.gather(kernels, rows)
        return _smooth(_smooth(chosen, weights, radius=radius, axis=1), weights, radius=radius, axis=2)

    return change_some(images, draw(0, 0, 1) < config.blur_probability, smooth)


def sharpen(images: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor) -> tf.Tensor:
    """Add to some images what a Gaussian of 1 pixel takes away (unsharp masking): float32 [b, s, s, 3]."""
    if config.sharpen_probability == 0:
        return images
    draw = uniform(tf.shape(images)[0], seed)
    amounts = draw(1, *config.sharpen_amount)
    kernel = tf.constant([[1.0, 4.0, 6.0, 4.0, 1.0]]) / 16

    def mask(chosen: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        smooth = _smooth(_smooth(chosen, kernel, radius=2, axis=1), kernel, radius=2, axis=2)
        return chosen + tf.gather(amounts, rows)[:, None, None, None] * (chosen - smooth)

    return change_some(images, draw(0, 0, 1) < config.sharpen_probability, mask)


def _smooth(images: tf.Tensor, kernels: tf.Tensor, *, radius: int, axis: int) -> tf.Tensor:
    """The weighted mean of 2 `radius` + 1 neighbours along an axis: float32 [k, s, s, 3], kernels [k, 2 radius + 1]."""
    padding = [[radius, radius] if position == axis else [0, 0] for position in range(4)]
    padded, side = tf.pad(images, padding, mode="REFLECT"), tf.shape(images)[axis]
    shifted = (tf.gather(padded, tf.range(i, i + side), axis=axis) for i in range(2 * radius + 1))
    return tf.add_n([kernels[:, i, None, None, None] * neighbour for i, neighbour in enumerate(shifted)])


def compress(images: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor) -> tf.Tensor:
    """Compress some images as JPEG, each with its own quality, and decode them again: float32 [b, s, s, 3]."""
    if config.jpeg_probability == 0:
        return images
    draw = uniform(tf.shape(images)[0], seed)
    low, high = config.jpeg_quality
    qualities = tf.cast(tf.floor(draw(1, low, high + 1)), tf.int32)

    def encode(chosen: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        elements = (to_bytes(chosen), tf.gather(qualities, rows))
        decoded = tf.map_fn(lambda one: tf.image.adjust_jpeg_quality(*one), elements, fn_output_signature=tf.uint8)
        return tf.cast(decoded, tf.float32)

    return change_some(images, draw(0, 0, 1) < config.jpeg_probability, encode)
