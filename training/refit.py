"""Evaluate a bundle again, from its own graph and the data: nothing of the training run is needed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.bundle import MANIFEST, Bundle, open_bundle
from inference.runtimes import open_runtime
from training.config import Config, InvalidConfig
from training.evaluation import Findings, Predict, evaluate, read_split
from training.export import CONFIG, replace_folder, seal
from training.folds import Folds
from training.index import InvalidDataset
from training.model import Responses
from training.novelty import learn_novelty
from training.split import Split


def evaluate_bundle(bundle: Bundle, *, data: Path, command: str) -> Findings:
    """What the bundle's fp32 graph is worth on its own validation and test parts.

    Raises InvalidConfig if the bundle does not say how it was made, InvalidDataset if the data are not the same.
    """
    config, split = read_origin(bundle, data)
    return evaluate(predict_with(bundle), head=bundle.head, config=config, split=split, command=command)


def read_origin(bundle: Bundle, data: Path) -> tuple[Config, Split | Folds]:
    """The configuration that made the bundle, and its split of the images. Raises InvalidConfig, InvalidDataset."""
    path = bundle.path / CONFIG
    if not path.is_file():
        raise InvalidConfig(f"{bundle.path} holds no {CONFIG}: it was not made by a training run.")
    config = Config.model_validate_json(path.read_text(encoding="utf-8"))
    split = read_split(config, data)
    if bundle.manifest.data is None or f"digest {split.digest()[:12]}" not in bundle.manifest.data.split:
        raise InvalidDataset(f"The images under {data} are not those that {bundle.manifest.name} was trained on.")
    return config, split


def refit(folder: Path, *, data: Path) -> Bundle:
    """Recompute what rests on data (temperature, thresholds, metrics, curves, reference, novelty, card), and write it.

    The fp32 graphs and the head stay as they are; an int8 graph was measured with what was there before, and goes. The
    bundle is replaced whole, or not at all.
    """
    bundle = open_bundle(folder)
    config, split = read_origin(bundle, data)
    predict, metrics = predict_with(bundle), bundle.manifest.metrics
    command = metrics.command if metrics else ""
    findings = evaluate(predict, head=bundle.head, config=config, split=split, command=command)
    novelty = learn_novelty(predict, config=config, split=split, findings=findings)
    staging = folder.with_name(f".{folder.name}-refit")
    shutil.rmtree(staging, ignore_errors=True)
    shutil.copytree(folder, staging)
    (staging / MANIFEST).unlink()
    kept = bundle.manifest.model_dump(exclude={"files", "digest", "quantisation"})
    if kept["graphs"].pop("openvino-int8", None):
        for path in staging.glob("graphs/openvino-int8.*"):
            path.unlink()
    seal(staging, kept, head=bundle.head, golden=bundle.golden, findings=findings, novelty=novelty)
    replace_folder(folder, staging)
    return open_bundle(folder)


def predict_with(bundle: Bundle) -> Predict:
    """The bundle's fp32 graph, image by image: a batch may be large, its feature maps are not kept."""
    runtime = open_runtime(bundle, precision="fp32")

    def predict(images: NDArray[np.uint8]) -> Responses:
        found = [runtime.run(images[i : i + 1]) for i in range(len(images))]
        return Responses(
            logits=np.concatenate([one.logits for one in found]),
            pooled=np.concatenate([one.features.mean(axis=(1, 2)) for one in found]),
        )

    return predict
