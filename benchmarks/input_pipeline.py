"""python -m benchmarks.input_pipeline CONFIG: does the input pipeline feed the training step?

Drawn images, random weights. Decoding and fitting of 600 x 450 JPEGs, the augmented batches of an epoch, and the
training step of the configuration's second stage, each in images a second, interleaved round by round in one run.
Prints one JSON line: medians, spread, and the ratio that matters.
"""

import io
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from inference.image import prepare
from training.config import load
from training.dataset import Part, TrainingBatches
from training.drawn import draw_lesion
from training.losses import build_loss
from training.model import build_for, unfreeze
from training.optimiser import build_optimiser

ROUNDS = 5
IMAGES = 32


def main(path: Path) -> None:
    """Measure and print."""
    config = load(path)
    config = config.model_copy(update={"model": config.model.model_copy(update={"weights": "random"})})
    spec, batch = config.model.preprocessing, config.optimiser.batch
    files = [_jpeg(seed) for seed in range(IMAGES)]
    part = Part(np.stack([prepare(data, spec) for data in files]), np.arange(IMAGES) % 7)
    batches = TrainingBatches(part, config)

    if not tf.config.list_physical_devices("GPU"):  # float16 is emulated on a CPU
        config = config.model_copy(update={"optimiser": config.optimiser.model_copy(update={"precision": "float32"})})
    network = build_for(config)
    unfreeze(network.backbone, config.fine_tune.layers)
    model = keras.Model(network.model.input, network.model.output["logits"])
    model.compile(build_optimiser(config.optimiser, 1e-6), build_loss(config.loss, part.labels))
    images, labels = part.images[:batch], np.eye(7, dtype=np.float32)[part.labels[:batch]]

    def decode() -> int:
        with ThreadPoolExecutor() as pool:
            return len(list(pool.map(lambda data: prepare(data, spec), files)))

    def augment() -> int:
        return sum(len(labels) for _, labels in batches.epoch([0, 0, 0]))

    def step() -> int:
        model.train_on_batch(images, labels)
        return batch

    rates = _rates({"decode": decode, "augment": augment, "step": step})
    median = {name: statistics.median(values) for name, values in rates.items()}
    print(
        json.dumps(
            {
                "benchmark": "input_pipeline",
                "config": config.name,
                "images_per_second": {name: round(value, 1) for name, value in median.items()},
                "spread": {name: [round(min(v), 1), round(max(v), 1)] for name, v in rates.items()},
                "augment_per_step": round(median["augment"] / median["step"], 1),
                "versions": {"tensorflow": tf.__version__}
                | {name: version(name) for name in ("keras", "opencv-python-headless")},
                "machine": platform.machine(),
            }
        )
    )


def _jpeg(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_lesion(width=600, height=450, seed=seed)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _rates(tasks: dict[str, Callable[[], int]]) -> dict[str, list[float]]:
    for task in tasks.values():
        task()  # tracing and first allocations
    rates: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(ROUNDS):
        for name, task in tasks.items():
            began = time.perf_counter()
            rates[name].append(task() / (time.perf_counter() - began))
    return rates


if __name__ == "__main__":
    main(Path(sys.argv[1]))
