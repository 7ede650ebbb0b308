"""Random numbers for augmentation, drawn from a seed, and changes that apply to some images of a batch."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

Draw = Callable[[int, float, float], tf.Tensor]


def uniform(count: tf.Tensor, seed: tf.Tensor) -> Draw:
    """draw(i, low, high) -> float32 [count], uniform in low..high, independent for each i in 0..5."""
    seeds = tf.random.experimental.stateless_split(seed, 6)
    return lambda i, low, high: tf.random.stateless_uniform([count], seeds[i], low, high)


def chosen_by(count: tf.Tensor, seed: tf.Tensor) -> Callable[[int, float], tf.Tensor]:
    """chosen(i, probability) -> bool [count], independent of what `uniform` draws from the same seed."""
    draw = uniform(count, tf.random.experimental.stateless_fold_in(seed, 1))
    return lambda i, probability: draw(i, 0, 1) < probability


def change_some(images: tf.Tensor, chosen: tf.Tensor, change: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Apply `change`(images [k, s, s, 3], their rows [k]) to the images for which `chosen`, bool [b], is true."""
    rows = tf.where(chosen)[:, 0]
    changed = tf.cond(tf.size(rows) > 0, lambda: change(tf.gather(images, rows), rows), lambda: images[:0])
    return tf.tensor_scatter_nd_update(images, rows[:, None], changed)


def to_bytes(pixels: tf.Tensor) -> tf.Tensor:
    """The nearest uint8 values of float32 pixels."""
    return tf.cast(tf.round(tf.clip_by_value(pixels, 0, 255)), tf.uint8)
