"""Exports a network as a bundle and compares every exported graph with the network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.bundle.drift_reference import describe_answers
from inference.bundle.manifest import SCHEMA_VERSION, Graph, ManifestDraft, StrictModel
from inference.bundle.map_evaluation import MapEvaluation
from inference.bundle.out_of_distribution import OodDetector
from inference.bundle.replacement import replace_bundle
from inference.bundle.storage import (
    CARD,
    CONFIG,
    CURVES,
    MAPS,
    OOD_COMPONENTS,
    OOD_EVALUATION,
    REFERENCE,
    SUBGROUPS,
    UNCERTAINTY,
    Bundle,
    Golden,
    Head,
    write_bundle,
)
from inference.bundle.subgroups import Subgroups
from inference.domain.graph_names import KERAS, OPENVINO_FP32
from inference.domain.probability import softmax
from inference.domain.risk import Thresholds
from inference.domain.taxonomy import CLASSES
from inference.runtimes import open_runtime
from training.bundling.model_card import render_card
from training.config import Config
from training.data.synthetic_lesions import draw_squares
from training.evaluation.evaluate import EvaluationResult
from training.networks.network import Network, infer

TOLERANCE = 1e-4  # largest allowed difference of a probability
GOLDEN_CASES = 3
# Grad-CAM++ divides by 2 + w mean(A), which must be positive; features after a swish are >= -0.2785.
LARGEST_HEAD_WEIGHT = 2 / 0.2785
PACKAGES = ("keras", "openvino", "numpy", "opencv-python-headless", "pillow")
UNTRAINED_THRESHOLDS = Thresholds(moderate=0.1, high=0.5)


class UnstableHead(ValueError):
    """A head weight is so large that Grad-CAM++ could divide by zero."""


class ParityError(RuntimeError):
    """An exported graph and the network give different probabilities."""


def export(
    network: Network,
    folder: Path,
    *,
    config: Config,
    evaluation: EvaluationResult | None,
    ood_detector: OodDetector | None = None,
    probe: NDArray[np.uint8] | None = None,
) -> Bundle:
    """Write a bundle, compare each of its graphs with the network, and replace `folder` with it.

    Without an evaluation the bundle is marked as untrained. `probe` uint8 [n, s, s, 3] are images to compare on in
    addition to the golden cases. Raises UnstableHead, ParityError, GoldenMismatch, and what replace_bundle raises;
    `folder` then keeps its content.
    """
    head = head_of(network)

    def write(staging: Path) -> None:
        draft = _draft(network, config, graphs=_write_graphs(network, staging, config))
        images = draw_squares(size=config.model.preprocessing.size, count=GOLDEN_CASES)
        golden = Golden(images, infer(network, images))
        bundle = seal(staging, draft, head=head, golden=golden, evaluation=evaluation, ood_detector=ood_detector)
        _compare_graphs(bundle, network, probe)

    return replace_bundle(folder, write)


def _write_graphs(network: Network, folder: Path, config: Config) -> dict[str, Graph]:
    """Write the configuration and its fp32 graphs; training.quantisation adds an int8 graph afterwards."""
    (folder / "graphs").mkdir()
    (folder / CONFIG).write_text(config.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return {graph: _WRITERS[graph](network, folder, config) for graph in config.graphs if graph in _WRITERS}


def _draft(network: Network, config: Config, *, graphs: dict[str, Graph]) -> ManifestDraft:
    """The manifest of the network before its evaluation."""
    backbone, feature_shape = config.model.backbone, network.backbone.output_shape[1:]
    return ManifestDraft(
        schema_version=SCHEMA_VERSION,
        name=config.name,
        trained=False,
        classes=CLASSES,
        preprocessing=config.model.preprocessing,
        backbone=f"{config.data.folds} x {backbone}" if config.data.folds else backbone,
        feature_shape=feature_shape,
        head_shape=(feature_shape[-1], len(CLASSES)),
        temperature=1.0,
        thresholds=UNTRAINED_THRESHOLDS,
        graphs=graphs,
        metrics=None,
        data=None,
        packages=_packages(),
    )


def _compare_graphs(bundle: Bundle, network: Network, probe: NDArray[np.uint8] | None) -> None:
    """Compare on `probe` uint8 [n, s, s, 3]. Raises ParityError; opening a runtime raises GoldenMismatch."""
    for graph in bundle.manifest.graphs:
        runtime = open_runtime(bundle, name=_RUNTIME_OF[graph], precision="fp32")
        if probe is not None:
            difference = np.abs(softmax(runtime.run(probe).logits) - softmax(infer(network, probe))).max()
            if not difference <= TOLERANCE:
                raise ParityError(f"{graph} differs from the network by {difference:.2g} of probability.")


def seal(
    folder: Path,
    draft: ManifestDraft,
    *,
    head: Head,
    golden: Golden,
    evaluation: EvaluationResult | None,
    ood_detector: OodDetector | None,
    maps: MapEvaluation | None = None,
    subgroups: Subgroups | None = None,
) -> Bundle:
    """Add the results of the evaluation, the out-of-distribution detector and the card; write and open the bundle.

    `maps`: what was measured of the heat maps, `subgroups`: of groups of patients; None if nothing was.
    """
    measured: dict[str, StrictModel | None] = {MAPS: maps, SUBGROUPS: subgroups}
    if evaluation:
        draft = draft.replaced(
            trained=True,
            temperature=evaluation.temperature,
            thresholds=evaluation.thresholds,
            metrics=evaluation.metrics,
            data=evaluation.data,
        )
        measured |= {CURVES: evaluation.curves, UNCERTAINTY: evaluation.uncertainty}
        measured[REFERENCE] = describe_answers(evaluation.test.probabilities)
    if ood_detector:
        np.savez_compressed(folder / OOD_COMPONENTS, components=ood_detector.components)
        measured[OOD_EVALUATION] = ood_detector.evaluation
    _write_measured(folder, measured)
    card = render_card(
        draft,
        ood_evaluation=ood_detector.evaluation if ood_detector else None,
        uncertainty=evaluation.uncertainty if evaluation else None,
        maps=maps,
        subgroups=subgroups,
    )
    (folder / CARD).write_text(card, encoding="utf-8")
    return write_bundle(folder, draft, head=head, golden=golden)


def _write_measured(folder: Path, measured: Mapping[str, StrictModel | None]) -> None:
    """Write each as JSON under its name; None is left out."""
    for name, content in measured.items():
        if content:
            (folder / name).write_text(content.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _packages() -> dict[str, str]:
    import tensorflow as tf

    # Read from the module, because the distribution is called tensorflow-cpu or tensorflow.
    return {"tensorflow": tf.__version__} | {package: version(package) for package in PACKAGES}


def head_of(network: Network) -> Head:
    """The weights of the network's dense layer. Raises UnstableHead."""
    w, b = (np.asarray(array, np.float32) for array in network.head.get_weights())
    if w.max() >= LARGEST_HEAD_WEIGHT:
        raise UnstableHead(f"The largest head weight is {w.max():.2f}; it must stay below {LARGEST_HEAD_WEIGHT:.2f}.")
    return Head(w=w, b=b)


def _write_openvino(network: Network, folder: Path, config: Config) -> Graph:
    import openvino as ov

    with unreported():
        graph = ov.convert_model(network.forward.get_concrete_function())
    path = f"graphs/{OPENVINO_FP32}.xml"
    ov.save_model(graph, folder / path, compress_to_fp16=config.stored_as == "float16")
    return Graph(path=path, precision="fp32", tolerance=TOLERANCE)


@contextmanager
def unreported() -> Iterator[None]:
    """Keep OpenVINO from reporting a conversion.

    The converter of OpenVINO 2026.4 reports every call to Google Analytics, except in continuous integration, which it
    recognises by the variable CI when it is called.
    """
    before = os.environ.get("CI")
    os.environ["CI"] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ["CI"]
        else:
            os.environ["CI"] = before


def _write_keras(network: Network, folder: Path, _: Config) -> Graph:
    path = f"graphs/{KERAS}.keras"
    network.model.save(folder / path)
    return Graph(path=path, precision="fp32", tolerance=TOLERANCE)


_RUNTIME_OF = {OPENVINO_FP32: "openvino", KERAS: "tensorflow"}
_WRITERS: Mapping[str, Callable[[Network, Path, Config], Graph]] = {OPENVINO_FP32: _write_openvino, KERAS: _write_keras}
