"""A trained network -> a bundle, with a parity check of every graph."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.bundle import CARD, COMPONENTS, CURVES, REFERENCE, TRIAL, Bundle, Golden, Head, write
from inference.manifest import SCHEMA_VERSION, Graph
from inference.novelty import Novelty
from inference.probability import softmax
from inference.reference import describe_answers
from inference.risk import Thresholds
from inference.runtimes import open_runtime
from inference.taxonomy import CLASSES
from training.card import render_card
from training.config import Config
from training.drawn import draw_squares
from training.evaluation import Findings
from training.model import Network, infer

TOLERANCE = 1e-4
GOLDEN_CASES = 3
# Grad-CAM++'s denominator 2 + w mean(A) must stay positive; after a swish features are >= -0.2785.
LARGEST_HEAD_WEIGHT = 2 / 0.2785
CONFIG = "config.json"
PACKAGES = ("keras", "openvino", "numpy", "opencv-python-headless", "pillow")


UNTRAINED = Thresholds(moderate=0.1, high=0.5)


class UnstableHead(ValueError):
    """A head weight is so large that Grad-CAM++ would divide by zero."""


class ParityError(RuntimeError):
    """An exported graph does not compute what the network computes."""


def export(
    network: Network,
    folder: Path,
    *,
    config: Config,
    findings: Findings | None,
    novelty: Novelty | None = None,
    probe: NDArray[np.uint8] | None = None,
) -> Bundle:
    """Write the bundle into `folder` (replaced if it exists), reopen it and compare each graph with the network.

    Without findings the bundle says that it is untrained. `probe` uint8 [n, s, s, 3] are more images to compare on,
    beside the golden cases. Raises UnstableHead, ParityError, GoldenMismatch.
    """
    head = head_of(network)
    graphs = [graph for graph in config.graphs if graph in _WRITERS]  # int8 comes after it: training/quantise.py
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "graphs").mkdir(parents=True)
    images = draw_squares(size=config.model.preprocessing.size, count=GOLDEN_CASES)
    golden = Golden(images, infer(network, images))
    description: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "name": config.name,
        "classes": CLASSES,
        "preprocessing": config.model.preprocessing.model_dump(),
        "backbone": f"{config.data.folds} x {config.model.backbone}" if config.data.folds else config.model.backbone,
        "feature_shape": network.backbone.output_shape[1:],
        "head_shape": head.w.shape,
        "graphs": {graph: _WRITERS[graph](network, folder, config).model_dump() for graph in graphs},
        "packages": _packages(),
    }
    (folder / CONFIG).write_text(config.model_dump_json(indent=1) + "\n", encoding="utf-8")
    bundle = seal(folder, description, head=head, golden=golden, findings=findings, novelty=novelty)
    for graph in graphs:
        runtime = open_runtime(bundle, name=_RUNTIME_OF[graph], precision="fp32")
        if probe is not None:
            difference = np.abs(softmax(runtime.run(probe).logits) - softmax(infer(network, probe))).max()
            if not difference <= TOLERANCE:
                raise ParityError(f"{graph} differs from the network by {difference:.2g} of probability.")
    return bundle


def seal(
    folder: Path,
    description: Mapping[str, Any],
    *,
    head: Head,
    golden: Golden,
    findings: Findings | None,
    novelty: Novelty | None,
) -> Bundle:
    """Add what evaluation found, the curves, the novelty and the card; write the manifest."""
    content = dict(description) | {
        "trained": findings is not None,
        "temperature": findings.temperature if findings else 1.0,
        "thresholds": (findings.thresholds if findings else UNTRAINED).model_dump(),
        "metrics": findings.metrics.model_dump() if findings else None,
        "data": findings.data.model_dump() if findings else None,
    }
    if findings:
        (folder / CURVES).write_text(findings.curves.model_dump_json(indent=1) + "\n", encoding="utf-8")
        reference = describe_answers(findings.test.probabilities)
        (folder / REFERENCE).write_text(reference.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if novelty:
        np.savez_compressed(folder / COMPONENTS, components=novelty.components)
        (folder / TRIAL).write_text(novelty.trial.model_dump_json(indent=1) + "\n", encoding="utf-8")
    card = render_card(content, trial=novelty.trial if novelty else None)
    (folder / CARD).write_text(card, encoding="utf-8")
    return write(folder, description=content, head=head, golden=golden)


def replace_folder(folder: Path, staging: Path) -> None:
    """Put the finished bundle `staging` in the place of another one."""
    shutil.rmtree(folder)
    os.replace(staging, folder)  # noqa: PTH105 - a folder


def _packages() -> dict[str, str]:
    import tensorflow as tf

    # Asked of the module: the distribution is called tensorflow-cpu or tensorflow.
    return {"tensorflow": tf.__version__} | {package: version(package) for package in PACKAGES}


def head_of(network: Network) -> Head:
    """The dense layer as arrays. Raises UnstableHead."""
    w, b = (np.asarray(array, np.float32) for array in network.head.get_weights())
    if w.max() >= LARGEST_HEAD_WEIGHT:
        raise UnstableHead(f"The largest head weight is {w.max():.2f}; it must stay below {LARGEST_HEAD_WEIGHT:.2f}.")
    return Head(w=w, b=b)


def _write_openvino(network: Network, folder: Path, config: Config) -> Graph:
    import openvino as ov

    with unreported():
        graph = ov.convert_model(network.forward.get_concrete_function())
    path = "graphs/openvino-fp32.xml"
    ov.save_model(graph, folder / path, compress_to_fp16=config.stored_as == "float16")
    return Graph(path=path, precision="fp32", tolerance=TOLERANCE)


@contextmanager
def unreported() -> Iterator[None]:
    """OpenVINO 2026.4's converter tells Google Analytics that it was used, unless it takes this for continuous
    integration; it asks when it is called.
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
    path = "graphs/keras.keras"
    network.model.save(folder / path)
    return Graph(path=path, precision="fp32", tolerance=TOLERANCE)


_RUNTIME_OF = {"openvino-fp32": "openvino", "keras": "tensorflow"}
_WRITERS: Mapping[str, Any] = {"openvino-fp32": _write_openvino, "keras": _write_keras}
