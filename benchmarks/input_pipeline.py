"""python -m benchmarks.input_pipeline CONFIG [--no-step]: is the input pipeline faster than the training step?

Drawn images, random weights. Decoding and fitting of 600 x 450 JPEGs, the augmented batches of an epoch, and the
training step, each in images a second, interleaved round by round in one run. Sizes, sampling and batches are those of
the configuration's stage `fine_tune`.
`per_core` counts images in each second of processor time, so that other processes do not change it much.
Prints one JSON line: medians, spread, and the ratio that matters.
"""

import argparse
import io
import json
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from inference.imaging.preprocessing import prepare
from training.config import Config
from training.config_file import load
from training.data.prepared_images import PreparedSplit
from training.data.synthetic_lesions import draw_lesion
from training.data.training_batches import TrainingBatches
from training.fitting.losses import build_loss
from training.fitting.optimiser import build_optimiser
from training.fitting.stage_plan import stage_spec, training_spec
from training.networks.network import build_for, resized, unfreeze

ROUNDS = 5
IMAGES = 32


def main(path: Path, *, step: bool) -> None:
    """Measure and print; without `step`, the input pipeline alone."""
    config = load(path)
    config = config.model_copy(update={"model": config.model.model_copy(update={"weights": "random"})})
    if not tf.config.list_physical_devices("GPU"):  # float16 is emulated on a CPU
        config = config.model_copy(update={"optimiser": config.optimiser.model_copy(update={"precision": "float32"})})
    tasks = _tasks(config, step=step)
    rates = _rates(tasks, time.perf_counter)
    per_core = _rates({name: tasks[name] for name in ("decode", "augment")}, time.process_time)
    median = {name: statistics.median(values) for name, values in rates.items()}
    line = {
        "benchmark": "input_pipeline",
        "config": config.name,
        "prepared_at": training_spec(config, config.fine_tune).size,
        "batches_at": stage_spec(config, config.fine_tune).size,
        "images_per_second": {name: round(value, 1) for name, value in median.items()},
        "spread": {name: [round(min(v), 1), round(max(v), 1)] for name, v in rates.items()},
        "per_core": {name: round(statistics.median(values), 1) for name, values in per_core.items()},
        "augment_per_step": round(median["augment"] / median["step"], 1) if step else None,
        "versions": {"tensorflow": tf.__version__}
        | {name: version(name) for name in ("keras", "opencv-python-headless")},
        "machine": platform.machine(),
    }
    print(json.dumps(line))


def _tasks(config: Config, *, step: bool) -> dict[str, Callable[[], int]]:
    """What is timed; each returns how many images it has processed."""
    spec, size = training_spec(config, config.fine_tune), stage_spec(config, config.fine_tune).size
    files = [_jpeg(seed) for seed in range(IMAGES)]
    split = PreparedSplit(np.stack([prepare(data, spec) for data in files]), np.arange(IMAGES) % 7)
    batches = TrainingBatches(
        split,
        config.augment,
        batch=config.optimiser.batch,
        sampling=config.optimiser.sampling,
        last_batch=config.optimiser.last_batch,
        size=size,
    )

    def decode() -> int:
        with ThreadPoolExecutor() as pool:
            return len(list(pool.map(lambda data: prepare(data, spec), files)))

    def augment() -> int:
        return sum(len(labels) for _, labels in batches.epoch([0, 0, 0]).dataset)

    tasks: dict[str, Callable[[], int]] = {"decode": decode, "augment": augment}
    return tasks | {"step": _step(config, split, batches)} if step else tasks


def _step(config: Config, split: PreparedSplit, batches: TrainingBatches) -> Callable[[], int]:
    network = resized(build_for(config), config, config.fine_tune.size)
    unfreeze(network.backbone, config.fine_tune.layers, batch_norm=config.fine_tune.batch_norm)
    model = keras.Model(network.model.input, network.model.output["logits"])
    model.compile(build_optimiser(config.optimiser, 1e-6), build_loss(config.loss, split.labels))
    images, labels = next(iter(batches.epoch([0, 0, 0]).dataset))

    def step() -> int:
        model.train_on_batch(images, labels)
        return len(labels)

    return step


def _jpeg(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_lesion(width=600, height=450, seed=seed)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _rates(tasks: dict[str, Callable[[], int]], clock: Callable[[], float]) -> dict[str, list[float]]:
    """Images in each second of the clock, round by round."""
    for task in tasks.values():
        task()  # tracing and first allocations
    rates: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(ROUNDS):
        for name, task in tasks.items():
            began = clock()
            rates[name].append(task() / (clock() - began))
    return rates


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="such as training/configs/starter.toml")
    parser.add_argument("--no-step", action="store_true", help="leave out the training step")
    options = parser.parse_args()
    main(options.config, step=not options.no_step)
