"""Schema of manifest.json: what is needed to serve a bundle and to judge it."""

import hashlib
import json
from pathlib import PurePosixPath
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from inference.bundle.precision_records import Bfloat16, Quantisation
from inference.bundle.strict_model import StrictModel as StrictModel  # many modules import it from here
from inference.domain.graph_names import OPENVINO_FP32, OPENVINO_INT8, Precision
from inference.domain.risk import Thresholds
from inference.domain.taxonomy import CLASSES
from inference.imaging.preprocessing import Preprocessing

SCHEMA_VERSION = 1
# Metrics that the model card and the model page show, in this order; a manifest may hold others as well.
OVERALL = (
    *("balanced_accuracy", "accuracy", "accuracy_of_always_nv", "malignant_auc", "macro_auc"),
    *("macro_f1", "weighted_f1", "calibration_error"),
)
OF_A_CLASS = ("recall", "precision", "f1", "auc")
EvaluatedOn = Literal["test set", "held-out images"]
TEST_SET: Final = "test set"
HELD_OUT_IMAGES: Final = "held-out images"


def _is_none(value: object) -> bool:
    """For fields added after the first release: without them, the digests of earlier bundles stay as they are."""
    return value is None


class Graph(StrictModel):
    """One exported graph: `path` inside the bundle, and the largest allowed difference of a golden probability."""

    path: str
    precision: Precision
    tolerance: float = Field(gt=0, lt=1)


class Interval(StrictModel):
    """A measured value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class Metrics(StrictModel):
    """Test metrics of the calibrated network.

    `source` names the images in the model card; `evaluated_on` says the same for code, and is None in bundles written
    before the field existed. `command` made the numbers. `confusion`: images by true class (row) and predicted class.
    """

    source: str
    evaluated_on: EvaluatedOn | None = Field(None, exclude_if=_is_none)
    command: str
    images: int
    lesions: int
    overall: dict[str, Interval]
    per_class: dict[str, dict[str, Interval]]
    confusion: tuple[tuple[int, ...], ...]

    @model_validator(mode="after")
    def _complete(self) -> "Metrics":
        missing = [name for name in OVERALL if name not in self.overall]
        missing += [
            f"{name} of {code}" for code in CLASSES for name in OF_A_CLASS if name not in self.per_class.get(code, ())
        ]
        if missing:
            raise ValueError(f"the metrics lack {', '.join(missing)}")
        if [len(row) for row in self.confusion] != [len(CLASSES)] * len(CLASSES):
            raise ValueError(f"the confusion matrix must have {len(CLASSES)} rows of {len(CLASSES)} counts")
        return self

    @property
    def on_held_out_images(self) -> bool:
        """Whether the images are the held-out images of a cross-validation; otherwise they are a test set."""
        return (self.evaluated_on or self.source) == HELD_OUT_IMAGES


class Data(StrictModel):
    """The training data: origin, licence, split, images by split and by class.

    `split` describes the split for the model card; `split_digest` is its SHA-256 (64 hexadecimal digits), and None in
    bundles written before the field existed.
    """

    name: str
    citation: str
    pretraining: str
    licence: str
    split: str
    split_digest: str | None = Field(None, exclude_if=_is_none)
    images: dict[str, int]
    counts: dict[str, int]

    def is_of_split(self, digest: str) -> bool:
        """Whether the split with this SHA-256 is the one that the weights were trained on.

        Without `split_digest`, the first 12 digits in the text of `split` decide.
        """
        if self.split_digest is None:
            return f"digest {digest[:12]}" in self.split
        return self.split_digest == digest


class ManifestDraft(StrictModel):
    """The manifest without what is computed when the bundle is written. Arrays are in the order of `classes`.

    `feature_shape` is (height, width, channels) of the last feature map, `head_shape` (channels, classes).
    """

    schema_version: Literal[1]
    name: str
    trained: bool
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    backbone: str
    feature_shape: tuple[int, int, int]
    head_shape: tuple[int, int]
    temperature: float = Field(gt=0)
    thresholds: Thresholds
    graphs: dict[str, Graph]
    metrics: Metrics | None
    data: Data | None
    quantisation: Quantisation | None = Field(None, exclude_if=_is_none)
    bfloat16: Bfloat16 | None = Field(None, exclude_if=_is_none)
    packages: dict[str, str]

    @field_validator("classes")
    @classmethod
    def _taxonomy_order(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if classes != CLASSES:
            raise ValueError(f"the classes must be {', '.join(CLASSES)} in this order, not {', '.join(classes)}")
        return classes

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.head_shape != (self.feature_shape[2], len(self.classes)):
            raise ValueError(f"head {self.head_shape} does not fit features {self.feature_shape}")
        if self.trained and (self.metrics is None or self.data is None):
            raise ValueError("a trained bundle states its metrics and its data")
        if OPENVINO_FP32 not in self.graphs:
            raise ValueError(f"the graph {OPENVINO_FP32} is required; present: {', '.join(self.graphs) or 'none'}")
        if self.quantisation and OPENVINO_INT8 not in self.graphs:
            raise ValueError(f"quantisation describes the graph {OPENVINO_INT8}; present: {', '.join(self.graphs)}")
        return self

    def tolerance(self, graph: str, precision: Precision) -> float:
        """The largest allowed difference of a golden probability. Raises KeyError for a graph that is not there."""
        if precision == "bf16" and self.bfloat16:
            return self.bfloat16.tolerance
        return self.graphs[graph].tolerance

    def replaced(self, **changes: object) -> "ManifestDraft":
        """A draft with some fields replaced and everything validated again. Raises ValueError."""
        kept = {name: getattr(self, name) for name in ManifestDraft.model_fields}
        return ManifestDraft.model_validate(kept | changes)


class Manifest(ManifestDraft):
    """A bundle's manifest.

    `files` maps the relative POSIX path of every other file to its SHA-256; `digest` is the SHA-256 of the manifest
    itself, and identifies the bundle.
    """

    files: dict[str, str]
    digest: str

    @field_validator("files")
    @classmethod
    def _inside(cls, files: dict[str, str]) -> dict[str, str]:
        for path in files:
            parts = PurePosixPath(path)
            if parts.is_absolute() or ".." in parts.parts or "\\" in path or str(parts) != path:
                raise ValueError(f"the path {path!r} leaves the bundle")
        return files

    def compute_digest(self) -> str:
        """SHA-256 of the canonical JSON without `digest`; through the file hashes it covers the weights too."""
        content = self.model_dump(mode="json", exclude={"digest"})
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
