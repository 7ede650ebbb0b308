"""python -m tests.support.small_runs HOW FOLDER [PRECISION]: runs of two stages; prints their histories as JSON.

HOW is `whole` or `stopped`, one run in each precision (stopped: each ends in the third epoch of its second stage, the
last one by kill -9), or `single` or `mirrored`, one run in PRECISION on one of two devices or on both. Processes of
their own: TensorFlow divides the processor before anything else is done, and one is killed.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tests.support.configs import EVERYTHING, NOTHING, PLATEAU, config_of
from tests.support.drawn_splits import drawn_split
from tests.support.small_backbone import NAME, register_small_backbone
from training.config import Config, StageConfig
from training.fitting import trainer
from training.fitting.checkpoints import Checkpoints
from training.networks import network as model
from training.networks.network import Network

PRECISIONS = ("float32", "mixed_float16")
SIZE = 32  # nothing that is compared depends on it


class Whole(Checkpoints):
    """Keeps the optimiser's state at the end, which the test compares."""

    def prune(self, stage: str, progress: Any) -> None:
        """Keep everything."""


class Stopped(Whole):
    """Ends when the third epoch of the second stage is trained, and not yet in a checkpoint."""

    def save(self, stage: str, progress: Any, **arrays: Any) -> None:
        """Save the epochs before."""
        if stage == trainer.FINE_TUNE and progress.epoch == 3:
            raise KeyboardInterrupt
        super().save(stage, progress, **arrays)


class Killed(Whole):
    """The same by kill -9."""

    def save(self, stage: str, progress: Any, **arrays: Any) -> None:
        """Save the epochs before."""
        if stage == trainer.FINE_TUNE and progress.epoch == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        super().save(stage, progress, **arrays)


def configuration(precision: str, *, devices: bool) -> Config:
    """With everything that is drawn at random; on two devices without, because each draws its own."""
    return config_of(
        NAME,
        size=SIZE,
        weights="none",
        optimiser=PLATEAU.model_copy(update={"precision": precision}),
        augment=NOTHING if devices else EVERYTHING,
        dropout=0.0 if devices else 0.2,
        warm_up=StageConfig(layers=0, epochs=2, learning_rate=1e-4, patience=10),
        fine_tune=StageConfig(layers=30, epochs=1 if devices else 3, learning_rate=1e-4, patience=10),
    )


def build(config: Config, strategy: Any = None) -> Network:
    """Always with the same weights."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(3)
    keras.config.set_dtype_policy(config.optimiser.precision)
    network = model.build(config.model, strategy=strategy)
    keras.config.set_dtype_policy("float32")
    return network


def train(network: Network, config: Config, checkpoints: Checkpoints) -> dict[str, Any]:
    """The history of each stage."""
    train, validation = drawn_split(32, size=SIZE), drawn_split(16, size=SIZE)
    context = trainer.TrainingContext(network, train, validation, config, checkpoints)
    plan = {trainer.WARM_UP: config.warm_up, trainer.FINE_TUNE: config.fine_tune}
    return {name: trainer.fit(context, stage, name=name) for name, stage in plan.items()}


def resumable(folder: Path, *, stopped: bool) -> Iterator[tuple[str, object]]:
    """One run for each precision, in a folder of its own; goes on with what is there."""
    for precision in PRECISIONS:
        kind = (Killed if precision == PRECISIONS[-1] else Stopped) if stopped else Whole
        config = configuration(precision, devices=False)
        with suppress(KeyboardInterrupt):
            yield precision, train(build(config), config, kind(folder / precision))


def on_devices(folder: Path, precision: str, *, mirrored: bool) -> Iterator[tuple[str, object]]:
    """One run on one of two devices, or on both."""
    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    config = configuration(precision, devices=True)
    network = build(config, tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]) if mirrored else None)
    for layer in network.backbone.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    yield precision, train(network, config, Whole(folder))


def main(how: str, folder: Path, *precision: str) -> None:
    """Run and print."""
    tf.config.experimental.enable_op_determinism()
    register_small_backbone()
    if precision:
        runs = on_devices(folder, *precision, mirrored=how == "mirrored")
    else:
        runs = resumable(folder, stopped=how == "stopped")
    print(json.dumps(dict(runs)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
