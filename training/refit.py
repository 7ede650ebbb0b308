"""Evaluate a bundle again, from its own graph and the data: nothing of the training run is needed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.bundle import MANIFEST, Bundle, open_bundle
from inference.runtimes import Runtime, open_runtime
from training.config import Config, InvalidConfig
from training.evaluation import Findings, evaluate, read_split
from training.export import CONFIG, seal
from training.index import InvalidDataset


def evaluate_bundle(bundle: Bundle, *, data: Path, command: str) -> Findings:
    """What the bundle's default graph is worth on its own validation and test parts.

    Raises InvalidConfig if the bundle does not say how it was made, InvalidDataset if the data are not the same.
    """
    path = bundle.path / CONFIG
    if not path.is_file():
        raise InvalidConfig(f"{bundle.path} holds no {CONFIG}: it was not made by a training run.")
    config = Config.model_validate_json(path.read_text(encoding="utf-8"))
    split = read_split(config, data)
    if bundle.manifest.data is None or f"digest {split.digest()[:12]}" not in bundle.manifest.data.split:
        raise InvalidDataset(f"The images under {data} are not those that {bundle.manifest.name} was trained on.")
    runtime = open_runtime(bundle)
    return evaluate(lambda images: _logits(runtime, images), config=config, split=split, command=command)


def refit(folder: Path, *, data: Path) -> Bundle:
    """Recompute what rests on data (temperature, thresholds, metrics, predictions, card) and write it into the bundle.

    Graphs and head stay as they are. The bundle is replaced whole, or not at all.
    """
    bundle = open_bundle(folder)
    metrics = bundle.manifest.metrics
    findings = evaluate_bundle(bundle, data=data, command=metrics.command if metrics else "")
    staging = folder.with_name(f".{folder.name}-refit")
    shutil.rmtree(staging, ignore_errors=True)
    shutil.copytree(folder, staging)
    (staging / MANIFEST).unlink()
    kept = bundle.manifest.model_dump(exclude={"files", "digest"})
    seal(staging, kept, head=bundle.head, golden=bundle.golden, findings=findings)
    shutil.rmtree(folder)
    os.replace(staging, folder)  # noqa: PTH105 - a folder
    return open_bundle(folder)


def _logits(runtime: Runtime, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate([runtime.run(images[i : i + 1]).logits for i in range(len(images))])
