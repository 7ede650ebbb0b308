"""AdamW with clipped gradients, for one or several devices, in float32 or mixed precision."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import tensorflow as tf

from training.config import OptimiserConfig


class _SumsFirst:
    """Sums the gradients of all devices before they are clipped, checked and applied.

    Keras 3.15 sums them last. Each device would then clip its own gradient, so that the step would depend on the number
    of devices; and LossScaleOptimizer, which checks only the gradients of the first device, would apply infinite
    gradients of another one.
    """

    def apply(self, grads: list[Any], trainable_variables: Any = None) -> None:
        super().apply(_summed(grads), trainable_variables)  # type: ignore[misc]  # Keras's class, next in the method resolution order

    def finalize_variable_values(self, var_list: list[Any]) -> None:
        """Keep the weights: Keras would replace them by their moving average when `fit` ends, which is each epoch."""


class SummedAdamW(keras.optimizers.AdamW):  # type: ignore[misc]  # Keras has no types
    """AdamW (Loshchilov and Hutter, ICLR 2019) for gradients that are already summed over all devices."""

    def _all_reduce_sum_gradients(self, grads_and_vars: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
        return grads_and_vars

    def _update_model_variables_moving_average(self, trainable_variables: list[Any]) -> None:
        """Average the weights once a step; Keras 3.15 does it with every batch that the step accumulates."""
        average = partial(super()._update_model_variables_moving_average, trainable_variables)
        batches = self.gradient_accumulation_steps or 1
        if batches == 1:
            average()
            return
        ends = (self._iterations + 1) % batches == 0
        first = self.iterations == 0  # of steps: the average starts as the weights, not as zeros
        keras.ops.cond(keras.ops.logical_or(ends, first), average, lambda: None)


class ClippedAdamW(_SumsFirst, SummedAdamW):
    """AdamW that clips the gradient of the whole batch."""


class ScaledLoss(_SumsFirst, keras.optimizers.LossScaleOptimizer):  # type: ignore[misc]  # Keras has no types
    """Scales the loss so that float16 gradients do not underflow (Micikevicius et al., ICLR 2018).

    The gradients are divided by the scale before they reach `inner_optimizer`. A step with a gradient that is not
    finite is skipped and halves the scale; 2000 finite steps in a row double it.
    """


def build_schedule(
    config: OptimiserConfig, learning_rate: float, *, epochs: int, steps: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate of a stage: a number, which is changed after each epoch, or a schedule over its steps.

    `steps`: the batches of an epoch. The schedule rises from 0 and falls to 0 as half a cosine.
    """
    if config.schedule != "cosine_steps":
        return learning_rate
    rise, total = round(config.rise_epochs * steps), epochs * steps
    if not rise:
        return keras.optimizers.schedules.CosineDecay(learning_rate, decay_steps=total)
    return keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=max(total - rise, 1), warmup_target=learning_rate, warmup_steps=rise
    )


def build_optimiser(
    config: OptimiserConfig, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
) -> keras.optimizers.Optimizer:
    """AdamW without weight decay on biases and BatchNorm; clips the norm of each gradient, or of all together.

    With `ema` it keeps a moving average of the weights, which training.fitting.averaging reads. In mixed_float16 the
    loss is scaled; bfloat16 has the exponent range of float32 and needs no scaling.
    """
    clip = {"clipnorm": config.clip} if config.clip_by == "variable" else {"global_clipnorm": config.clip}
    scaled = config.precision == "mixed_float16"
    optimiser = (SummedAdamW if scaled else ClippedAdamW)(
        learning_rate,
        weight_decay=config.weight_decay,
        use_ema=config.ema is not None,
        ema_momentum=config.ema or 0.99,
        gradient_accumulation_steps=config.accumulate if config.accumulate > 1 else None,
        **clip,
    )
    optimiser.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return ScaledLoss(optimiser) if scaled else optimiser


def _summed(gradients: list[Any]) -> list[Any]:
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return list(gradients)
    return list(context.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients)))
