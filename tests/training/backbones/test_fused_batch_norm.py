"""Batch normalisation in one operation against Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.backbones.fused_batch_norm import FusedBatchNormalization

FEATURES = np.random.default_rng(0).normal(2.0, 3.0, (4, 6, 5, 8)).astype(np.float32)
COUNT = 4 * 6 * 5  # the numbers of which a batch's mean and variance are taken


def layers(**options: object) -> tuple[keras.layers.BatchNormalization, FusedBatchNormalization]:
    """Keras's layer and the fused one, with the same weights."""
    own, fused = keras.layers.BatchNormalization(**options), FusedBatchNormalization(**options)
    generator = np.random.default_rng(1)
    weights = [generator.uniform(0.5, 2.0, 8).astype(np.float32) for _ in range(4)]
    for layer in (own, fused):
        layer.build(FEATURES.shape)
        layer.set_weights(weights)
    return own, fused


@pytest.mark.parametrize("training", [True, False])
def test_outputs_and_gradients_are_those_of_keras(training: bool) -> None:
    results = []
    for layer in layers(epsilon=1e-3):
        inputs = tf.constant(FEATURES)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=training)
            loss = tf.reduce_sum(tf.sin(outputs))
        gradients = tape.gradient(loss, [inputs, *(weight.value for weight in layer.trainable_weights)])
        results.append([outputs.numpy(), *(gradient.numpy() for gradient in gradients)])
    for expected, actual in zip(*results, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4)


def test_moving_statistics_follow_the_batches() -> None:
    own, fused = layers(momentum=0.9)
    before = fused.moving_variance.numpy()
    for layer in (own, fused):
        layer(FEATURES, training=True)
    np.testing.assert_allclose(fused.moving_mean.numpy(), own.moving_mean.numpy(), rtol=1e-5)
    unbiased = FEATURES.var(axis=(0, 1, 2)) * COUNT / (COUNT - 1)
    np.testing.assert_allclose(fused.moving_variance.numpy(), 0.9 * before + 0.1 * unbiased, rtol=1e-4)


def test_a_frozen_layer_keeps_its_statistics() -> None:
    own, fused = layers()
    own.trainable = fused.trainable = False
    before = [weight.copy() for weight in fused.get_weights()]
    outputs = fused(FEATURES, training=True)
    np.testing.assert_allclose(outputs, own(FEATURES, training=True), rtol=1e-4, atol=1e-4)
    for weight, kept in zip(fused.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_half_precision_features_keep_their_type() -> None:
    _, fused = layers(dtype="mixed_float16")
    assert fused(FEATURES, training=True).dtype == tf.float16
    assert fused.moving_mean.dtype == "float32"
