"""A fast runtime without a model, and a bundle for it. End-to-end tests use real models."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.bundle.drift_reference import DriftReference
from inference.bundle.manifest import ManifestDraft
from inference.bundle.storage import REFERENCE, Bundle, Golden, Head, write_bundle
from inference.domain.graph_names import Precision
from inference.domain.taxonomy import CLASSES
from inference.runtimes import Outputs
from training.data.synthetic_lesions import draw_squares

SIZE, CELLS, CHANNELS = 32, 4, 3


class FakeRuntime:
    """Features are the image's own colours on a 4 x 4 grid; the logits follow from the head, as in a real model."""

    name = "fake"
    graph = "openvino-fp32"
    precision: Precision = "fp32"
    batch = 1

    def __init__(self, bundle: Bundle, precision: Precision = "fp32", reason: str = "It is a fake.") -> None:
        self.reason = reason
        self._head = bundle.head

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        return forward(batch, self._head)


def forward(batch: NDArray[np.uint8], head: Head) -> Outputs:
    grids = [cv2.resize(image, (CELLS, CELLS), interpolation=cv2.INTER_AREA) for image in batch]
    features = np.stack(grids).astype(np.float32) / 255
    return Outputs(logits=features.mean(axis=(1, 2)) @ head.w + head.b, features=features)


def write_fake_bundle(
    folder: Path, *, seed: int = 0, fit: str = "center-crop", reference: DriftReference | None = None, **changes: object
) -> Bundle:
    """A complete, verified bundle of an untrained network; `changes` replace keys of the manifest."""
    generator = np.random.default_rng(seed)
    head = Head(
        w=generator.normal(0, 2, (CHANNELS, len(CLASSES))).astype(np.float32),
        b=generator.normal(0, 0.5, len(CLASSES)).astype(np.float32),
    )
    (folder / "graphs").mkdir(parents=True)
    (folder / "graphs/fake.xml").write_text("<fake/>")
    (folder / "MODEL_CARD.md").write_text("# A fake\n")
    if reference:
        (folder / REFERENCE).write_text(reference.model_dump_json())
    images = draw_squares(size=SIZE, count=3)
    description = {
        "schema_version": 1,
        "name": "fake",
        "trained": False,
        "classes": CLASSES,
        "preprocessing": {"size": SIZE, "fit": fit},
        "backbone": "fake",
        "feature_shape": (CELLS, CELLS, CHANNELS),
        "head_shape": head.w.shape,
        "temperature": 1.5,
        "thresholds": {"moderate": 0.2, "high": 0.6},
        "graphs": {"openvino-fp32": {"path": "graphs/fake.xml", "precision": "fp32", "tolerance": 1e-4}},
        "metrics": None,
        "data": None,
        "packages": {},
    }
    golden = Golden(images, forward(images, head).logits)
    return write_bundle(folder, ManifestDraft.model_validate(description | changes), head=head, golden=golden)
