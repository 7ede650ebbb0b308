"""Augmentation of a training batch in TensorFlow, stateless: the same seed gives the same batch on any machine.

Keras's preprocessing layers inside tf.data do the same at a twentieth of the speed on a CPU.
"""

from __future__ import annotations

import math

import tensorflow as tf

from training.config import AugmentConfig
from training.data.random_changes import Draw, change_some, chosen_by, to_bytes, uniform
from training.data.sharpness import blur, compress, sharpen

Batch = tuple[tf.Tensor, tf.Tensor]


def augment(
    images: tf.Tensor, labels: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor, size: int | None = None
) -> Batch:
    """Images uint8 [b, p, p, 3] and labels float32 [b, 7] -> uint8 [b, s, s, 3] and float32 [b, 7]; seed int32 [2].

    Each image is cropped, flipped, rotated, zoomed and shifted in one resampling to s = `size` pixels (p if it is
    None); then its colours are changed, and some images are blurred, sharpened, compressed or partly erased. Finally
    the batch is mixed by MixUp or CutMix, or not at all.
    """
    seeds = tf.random.experimental.stateless_split(seed, 7)
    pixels = move(tf.cast(images, tf.float32), config=config, seed=seeds[0], size=size)
    pixels = shade(pixels, config=config, seed=seeds[1])
    pixels = tint(pixels, config=config, seed=seeds[5])
    pixels = blur(pixels, config=config, seed=seeds[2])
    pixels = sharpen(pixels, config=config, seed=tf.random.experimental.stateless_fold_in(seed, 3))
    pixels = compress(pixels, config=config, seed=seeds[6])
    pixels = erase(pixels, config=config, seed=seeds[3])
    pixels, labels = mix(pixels, labels, config=config, seed=seeds[4])
    return to_bytes(pixels), labels


def move(images: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor, size: int | None = None) -> tf.Tensor:
    """Crop, flip, rotate, zoom and shift float32 [b, p, p, 3] in one bilinear resampling to `size` pixels.

    Edges are mirrored.
    """
    count, before = tf.shape(images)[0], tf.cast(tf.shape(images)[1], tf.float32)
    after = before if size is None else tf.constant(float(size))
    draw, chosen = uniform(count, seed), chosen_by(count, seed)
    turned, zoomed = chosen(0, config.rotation_probability), chosen(1, config.zoom_probability)
    shifted = chosen(2, config.translation_probability)
    angle = tf.where(turned, draw(0, -config.rotation, config.rotation), 0.0) * 2 * math.pi
    zoom = tf.where(zoomed, draw(1, 1 - config.zoom, 1 + config.zoom), 1.0)
    across, down = (tf.where(shifted, draw(i, -config.translation, config.translation), 0.0) for i in (2, 3))
    mirrored = tf.where(draw(4, 0, 1) < 0.5 * float(config.horizontal_flip), -1.0, 1.0)
    flipped = tf.where(draw(5, 0, 1) < 0.5 * float(config.vertical_flip), -1.0, 1.0)
    width, height, left, top = _crops(count, config=config, seed=tf.random.experimental.stateless_fold_in(seed, 2))
    # Output pixel -> input pixel, about the centre: [a b; d e] (p - centre after) + centre before + shift.
    x, y = zoom * width * mirrored * before / after, zoom * height * flipped * before / after
    a, b, d, e = tf.cos(angle) * x, -tf.sin(angle) * y, tf.sin(angle) * x, tf.cos(angle) * y
    c = (before - 1) / 2 - (a + b) * (after - 1) / 2 + (across + left) * before
    f = (before - 1) / 2 - (d + e) * (after - 1) / 2 + (down + top) * before
    zero = tf.zeros_like(a)
    side = tf.cast(after, tf.int32)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, c, d, e, f, zero, zero], axis=1),
        output_shape=tf.stack([side, side]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
    static = images.shape[1] if size is None else size
    return tf.ensure_shape(moved, [images.shape[0], static, static, 3])


def _crops(count: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Width and height of each crop, and how far its centre is right of and below the image's: float32 [b] each, in
    fractions of the image."""
    if config.crop_area is None:
        return tf.ones([count]), tf.ones([count]), tf.zeros([count]), tf.zeros([count])
    draw = uniform(count, seed)
    area, ratio = draw(0, *config.crop_area), tf.exp(draw(1, *(math.log(bound) for bound in config.crop_ratio)))
    width, height = tf.minimum(tf.sqrt(area * ratio), 1.0), tf.minimum(tf.sqrt(area / ratio), 1.0)
    return width, height, draw(2, -0.5, 0.5) * (1 - width), draw(3, -0.5, 0.5) * (1 - height)


def shade(images: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor) -> tf.Tensor:
    """Change contrast around each image's mean, and brightness by a fraction of 255: float32 [b, s, s, 3]."""
    count = tf.shape(images)[0]
    draw, chosen = uniform(count, seed), chosen_by(count, seed)
    contrast = tf.where(chosen(0, config.contrast_probability), draw(0, 1 - config.contrast, 1 + config.contrast), 1.0)
    brightness = tf.where(chosen(1, config.brightness_probability), draw(1, -config.brightness, config.brightness), 0.0)
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    contrasted = (images - mean) * contrast[:, None, None, None] + mean
    return contrasted + brightness[:, None, None, None] * 255


def tint(images: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor) -> tf.Tensor:
    """Multiply each colour channel of some images by its own number: float32 [b, s, s, 3]."""
    if config.channel_gain == 0:
        return images
    count = tf.shape(images)[0]
    draw = uniform(count, seed)
    gains = tf.stack([draw(i, 1 - config.channel_gain, 1 + config.channel_gain) for i in range(3)], axis=1)
    gains = tf.where(chosen_by(count, seed)(0, config.channel_probability)[:, None], gains, 1.0)
    return images * gains[:, None, None, :]


def erase(images: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor) -> tf.Tensor:
    """Cover a rectangle of some images with their mean colour (Zhong et al., Random Erasing, AAAI 2020)."""
    draw = uniform(tf.shape(images)[0], seed)
    inside = _rectangles(tf.shape(images), sides=config.erase_sides, draw=draw)

    def cover(chosen: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(chosen, axis=[1, 2], keepdims=True)
        return tf.where(tf.gather(inside, rows)[..., None], mean, chosen)

    return change_some(images, draw(4, 0, 1) < config.erase_probability, cover)


def mix(images: tf.Tensor, labels: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor) -> Batch:
    """MixUp (Zhang et al., ICLR 2018) or CutMix (Yun et al., ICCV 2019) of the batch with itself, or neither."""
    seeds = tf.random.experimental.stateless_split(seed, 4)
    choice = tf.random.stateless_uniform([], seeds[0])
    order = tf.random.experimental.stateless_shuffle(tf.range(tf.shape(images)[0]), seeds[1])
    others, other_labels = tf.gather(images, order), tf.gather(labels, order)

    def mix_up() -> Batch:
        share = _mixing_share(config.mixup_alpha, seeds[2])
        return share * images + (1 - share) * others, share * labels + (1 - share) * other_labels

    def cut_mix() -> Batch:
        inside = _rectangles(tf.shape(images), sides=config.cutmix_sides, draw=_one_for_all(images, seeds[3]))
        share = 1 - tf.reduce_mean(tf.cast(inside, tf.float32), axis=[1, 2])[:, None]
        return tf.where(inside[..., None], others, images), share * labels + (1 - share) * other_labels

    mixed: Batch = tf.case(
        [
            (choice < config.mixup_probability, mix_up),
            (choice < config.mixup_probability + config.cutmix_probability, cut_mix),
        ],
        default=lambda: (images, labels),
    )
    return mixed


def _mixing_share(alpha: float | None, seed: tf.Tensor) -> tf.Tensor:
    """The weight of the first image, float32 scalar in 0..1: uniform as in the reference, or Beta(alpha, alpha)."""
    if alpha is None:
        return tf.random.stateless_uniform([], seed)
    one, other = tf.unstack(tf.random.stateless_gamma([2], seed, alpha=alpha))
    return one / (one + other)


def _one_for_all(images: tf.Tensor, seed: tf.Tensor) -> Draw:
    """As uniform, with the same value for all images of the batch."""
    count = tf.shape(images)[0]
    draw = uniform(tf.constant(1), seed)
    return lambda i, low, high: tf.repeat(draw(i, low, high), count)


def _rectangles(shape: tf.Tensor, *, sides: tuple[float, float], draw: Draw) -> tf.Tensor:
    """One rectangle in each image, wholly inside it: bool [b, s, s]. `sides`: bounds of a side / the image's side."""
    size = tf.cast(shape[1], tf.float32)
    height, width = (tf.round(draw(i, *sides) * size) for i in (0, 1))
    top, left = tf.floor(draw(2, 0, 1) * (size - height + 1)), tf.floor(draw(3, 0, 1) * (size - width + 1))
    line = tf.range(size)[None, :]
    rows = (line >= top[:, None]) & (line < (top + height)[:, None])
    columns = (line >= left[:, None]) & (line < (left + width)[:, None])
    return rows[:, :, None] & columns[:, None, :]
