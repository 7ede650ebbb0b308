"""Augmentation of a training batch in TensorFlow, stateless: the same seed gives the same batch on any machine.

Keras's preprocessing layers inside tf.data do the same at a twentieth of the speed on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

from training.config import AugmentConfig

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
    return _to_bytes(pixels), labels


def move(images: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor, size: int | None = None) -> tf.Tensor:
    """Crop, flip, rotate, zoom and shift float32 [b, p, p, 3] in one bilinear resampling to `size` pixels.

    Edges are mirrored.
    """
    count, before = tf.shape(images)[0], tf.cast(tf.shape(images)[1], tf.float32)
    after = before if size is None else tf.constant(float(size))
    draw, chosen = _uniform(count, seed), _chosen(count, seed)
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
    draw = _uniform(count, seed)
    area, ratio = draw(0, *config.crop_area), tf.exp(draw(1, *(math.log(bound) for bound in config.crop_ratio)))
    width, height = tf.minimum(tf.sqrt(area * ratio), 1.0), tf.minimum(tf.sqrt(area / ratio), 1.0)
    return width, height, draw(2, -0.5, 0.5) * (1 - width), draw(3, -0.5, 0.5) * (1 - height)


def shade(images: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor) -> tf.Tensor:
    """Change contrast around each image's mean, and brightness by a fraction of 255: float32 [b, s, s, 3]."""
    count = tf.shape(images)[0]
    draw, chosen = _uniform(count, seed), _chosen(count, seed)
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
    draw = _uniform(count, seed)
    gains = tf.stack([draw(i, 1 - config.channel_gain, 1 + config.channel_gain) for i in range(3)], axis=1)
    gains = tf.where(_chosen(count, seed)(0, config.channel_probability)[:, None], gains, 1.0)
    return images * gains[:, None, None, :]


def blur(images: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor) -> tf.Tensor:
    """Blur some images with a Gaussian, one axis after the other: float32 [b, s, s, 3]. Others are not computed."""
    if config.blur_probability == 0:
        return images
    draw = _uniform(tf.shape(images)[0], seed)
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

    return _change(images, draw(0, 0, 1) < config.blur_probability, smooth)


def sharpen(images: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor) -> tf.Tensor:
    """Add to some images what a Gaussian of 1 pixel takes away (unsharp masking): float32 [b, s, s, 3]."""
    if config.sharpen_probability == 0:
        return images
    draw = _uniform(tf.shape(images)[0], seed)
    amounts = draw(1, *config.sharpen_amount)
    kernel = tf.constant([[1.0, 4.0, 6.0, 4.0, 1.0]]) / 16

    def mask(chosen: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        smooth = _smooth(_smooth(chosen, kernel, radius=2, axis=1), kernel, radius=2, axis=2)
        return chosen + tf.gather(amounts, rows)[:, None, None, None] * (chosen - smooth)

    return _change(images, draw(0, 0, 1) < config.sharpen_probability, mask)


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
    draw = _uniform(tf.shape(images)[0], seed)
    low, high = config.jpeg_quality
    qualities = tf.cast(tf.floor(draw(1, low, high + 1)), tf.int32)

    def encode(chosen: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        elements = (_to_bytes(chosen), tf.gather(qualities, rows))
        decoded = tf.map_fn(lambda one: tf.image.adjust_jpeg_quality(*one), elements, fn_output_signature=tf.uint8)
        return tf.cast(decoded, tf.float32)

    return _change(images, draw(0, 0, 1) < config.jpeg_probability, encode)


def _change(images: tf.Tensor, chosen: tf.Tensor, change: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Apply `change`(images [k, s, s, 3], their rows [k]) to the images for which `chosen`, bool [b], is true."""
    rows = tf.where(chosen)[:, 0]
    changed = tf.cond(tf.size(rows) > 0, lambda: change(tf.gather(images, rows), rows), lambda: images[:0])
    return tf.tensor_scatter_nd_update(images, rows[:, None], changed)


def _to_bytes(pixels: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(tf.clip_by_value(pixels, 0, 255)), tf.uint8)


def erase(images: tf.Tensor, *, config: AugmentConfig, seed: tf.Tensor) -> tf.Tensor:
    """Cover a rectangle of some images with their mean colour (Zhong et al., Random Erasing, AAAI 2020)."""
    draw = _uniform(tf.shape(images)[0], seed)
    inside = _rectangles(tf.shape(images), sides=config.erase_sides, draw=draw)

    def cover(chosen: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(chosen, axis=[1, 2], keepdims=True)
        return tf.where(tf.gather(inside, rows)[..., None], mean, chosen)

    return _change(images, draw(4, 0, 1) < config.erase_probability, cover)


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


Draw = Callable[[int, float, float], tf.Tensor]


def _uniform(count: tf.Tensor, seed: tf.Tensor) -> Draw:
    """draw(i, low, high) -> float32 [count], uniform in low..high, independent for each i in 0..5."""
    seeds = tf.random.experimental.stateless_split(seed, 6)
    return lambda i, low, high: tf.random.stateless_uniform([count], seeds[i], low, high)


def _chosen(count: tf.Tensor, seed: tf.Tensor) -> Callable[[int, float], tf.Tensor]:
    """chosen(i, probability) -> bool [count], independent of what `_uniform` draws from the same seed."""
    draw = _uniform(count, tf.random.experimental.stateless_fold_in(seed, 1))
    return lambda i, probability: draw(i, 0, 1) < probability


def _one_for_all(images: tf.Tensor, seed: tf.Tensor) -> Draw:
    """As _uniform, with the same value for all images of the batch."""
    count = tf.shape(images)[0]
    draw = _uniform(tf.constant(1), seed)
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
