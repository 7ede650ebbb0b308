"""python -m benchmarks.batch_norm: how much shorter is a training step with BatchNorm as one operation?

The starter's backbone at 160 pixels, the last 155 layers trained, in batches of 32 random images without augmentation.
Keras's BatchNormalization and Lunar's take turns. Prints one JSON line: milliseconds for each image, and their ratio.
"""

import time
from collections.abc import Callable
from unittest.mock import patch

import keras
import numpy as np

from benchmarks.harness.measuring import emit, options, paired, summary, take_turns
from training.backbones import efficientnet_lite2, fused_batch_norm
from training.networks.network import unfreeze

SIZE, LAYERS, BATCH, SECONDS = 160, 155, 32, 60
KERAS, FUSED = "Keras's BatchNormalization", "FusedBatchNormalization"


def main() -> None:
    """Measure and print."""
    share, began = options(__doc__.partition(":")[0]).parse_args().share, time.perf_counter()
    with patch.object(fused_batch_norm, "FusedBatchNormalization", keras.layers.BatchNormalization):
        ways = {KERAS: training_step()}
    ways[FUSED] = training_step()
    times = take_turns(ways, seconds=SECONDS * share)
    ratios, _ = paired(times[FUSED], times[KERAS])
    milliseconds = {way: summary([one / BATCH for each in rounds for one in each]) for way, rounds in times.items()}
    emit(
        "batch_norm",
        began=began,
        share=share,
        packages=("tensorflow-cpu", "keras"),
        milliseconds_per_image=milliseconds,
        ratio=summary(ratios),
    )


def training_step() -> Callable[[], object]:
    """One step of a new network on random images."""
    backbone = efficientnet_lite2.build(SIZE)
    unfreeze(backbone, LAYERS, batch_norm=LAYERS)
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    model = keras.Model(backbone.input, keras.layers.Dense(7)(pooled))
    model.compile(optimizer="adamw", loss=keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (BATCH, SIZE, SIZE, 3)).astype(np.float32)
    labels = np.eye(7, dtype=np.float32)[generator.integers(0, 7, BATCH)]
    return lambda: model.train_on_batch(images, labels)


if __name__ == "__main__":
    main()
