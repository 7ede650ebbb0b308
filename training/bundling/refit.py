"""Evaluates a bundle again from its own graph and the data, without the training run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.bundle.manifest import Manifest
from inference.bundle.map_evaluation import MapEvaluation
from inference.bundle.replacement import check_target, replace_bundle
from inference.bundle.storage import MANIFEST, Bundle, open_bundle
from inference.bundle.subgroups import Subgroups
from inference.domain.graph_names import OPENVINO_INT8
from inference.runtimes import open_runtime
from training.bundling.export import seal
from training.data.attributes import read_attributes
from training.data.origin import read_origin
from training.evaluation.evaluate import EvaluationResult, Predict, evaluate
from training.evaluation.maps import evaluate_maps
from training.evaluation.out_of_distribution import fit_ood_detector
from training.evaluation.subgroups import measure_subgroups
from training.networks.network import Responses

# Changes the refitted bundle in a folder before it replaces the earlier one, whose manifest it gets too.
Finish = Callable[[Path, Manifest], object]


def evaluate_bundle(bundle: Bundle, *, data: Path, command: str) -> EvaluationResult:
    """Evaluate the bundle's fp32 graph on the splits that its own configuration defines.

    Raises InvalidConfig if the bundle holds no configuration, InvalidDataset if `data` gives another split.
    """
    config, split = read_origin(bundle, data)
    return evaluate(predict_with(bundle), head=bundle.head, config=config, split=split, command=command)


def evaluate_maps_of(bundle: Bundle, *, data: Path) -> MapEvaluation:
    """Measure the heat maps on a sample of the bundle's test images. Raises what read_origin raises."""
    config, split = read_origin(bundle, data)
    metrics = bundle.manifest.metrics
    return evaluate_maps(bundle, split.test, source=metrics.source if metrics else "the images", seed=config.seed)


def refit(folder: Path, *, data: Path, maps: bool = False, finish: Finish) -> Bundle:
    """Recompute what depends on data, and replace the bundle in `folder`.

    Recomputed are temperature, thresholds, metrics, curves, prediction sets, calibrated risks, subgroups, drift
    reference, out-of-distribution detector and card. The fp32 graphs and the head are kept, and with them what was
    measured of the heat maps, unless `maps` asks for it again, which takes minutes. An int8 graph and `bfloat16` are
    removed: they were compared under the old temperature, and `finish` may add them again. The bundle is replaced whole
    or not at all. Raises what read_origin, replace_bundle and `finish` raise.
    """
    check_target(folder)
    bundle = open_bundle(folder)
    config, split = read_origin(bundle, data)
    predict = predict_with(bundle)
    command = bundle.manifest.metrics.command if bundle.manifest.metrics else ""
    evaluation = evaluate(predict, head=bundle.head, config=config, split=split, command=command)
    ood_detector = fit_ood_detector(predict, config=config, split=split, evaluation=evaluation)
    map_evaluation = evaluate_maps_of(bundle, data=data) if maps else bundle.maps
    attributes = read_attributes(data / config.data.metadata)
    subgroups = Subgroups(groups=measure_subgroups(evaluation.test, attributes, seed=config.seed))

    def write(staging: Path) -> None:
        shutil.copytree(folder, staging, dirs_exist_ok=True)
        (staging / MANIFEST).unlink()
        for path in staging.glob(f"graphs/{OPENVINO_INT8}.*"):
            path.unlink()
        graphs = {name: graph for name, graph in bundle.manifest.graphs.items() if name != OPENVINO_INT8}
        draft = bundle.manifest.replaced(graphs=graphs, quantisation=None, bfloat16=None)
        seal(
            staging,
            draft,
            head=bundle.head,
            golden=bundle.golden,
            evaluation=evaluation,
            ood_detector=ood_detector,
            maps=map_evaluation,
            subgroups=subgroups,
        )
        finish(staging, bundle.manifest)

    return replace_bundle(folder, write, successor_of=bundle)


def predict_with(bundle: Bundle) -> Predict:
    """A function that runs the bundle's fp32 graph image by image, so that no batch of feature maps is in memory."""
    runtime = open_runtime(bundle, precision="fp32")

    def predict(images: NDArray[np.uint8]) -> Responses:
        logits, pooled = [], []
        for row in range(len(images)):
            outputs = runtime.run(images[row : row + 1])
            logits.append(outputs.logits)
            pooled.append(outputs.features.mean(axis=(1, 2)))
        return Responses(logits=np.concatenate(logits), pooled=np.concatenate(pooled))

    return predict
