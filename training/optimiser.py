"""AdamW as the recipe wants it, on one device or several."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from training.config import OptimiserConfig


class ClippedAdamW(keras.optimizers.AdamW):  # type: ignore[misc]  # Keras has no types
    """AdamW (Loshchilov and Hutter, ICLR 2019) that clips the gradient of the whole batch.

    Keras 3.15 clips on each device, before the devices' gradients are summed, so that the step would depend on how
    many devices there are.
    """

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return list(super()._clip_gradients(grads))
        clipped = super()._clip_gradients(context.all_reduce(tf.distribute.ReduceOp.SUM, grads))
        # Every device now holds the same gradient, and Keras is about to sum them.
        return [gradient / context.num_replicas_in_sync for gradient in clipped]


def build_optimiser(config: OptimiserConfig, learning_rate: float) -> keras.optimizers.Optimizer:
    """AdamW without weight decay on biases and BatchNorm; clips each variable's gradient, or all of them together."""
    clip = {"clipnorm": config.clip} if config.clip_by == "variable" else {"global_clipnorm": config.clip}
    optimiser = ClippedAdamW(learning_rate, weight_decay=config.weight_decay, **clip)
    optimiser.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimiser
