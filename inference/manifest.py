"""What a bundle says about itself: the schema of manifest.json."""

import hashlib
import json
from pathlib import PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from inference.image import Preprocessing
from inference.risk import Thresholds
from inference.taxonomy import CLASSES

SCHEMA_VERSION = 1
# Numbers without which no card can be drawn, in its order; there may be others beside them.
OVERALL = (
    *("balanced_accuracy", "accuracy", "accuracy_of_always_nv", "malignant_auc", "macro_auc"),
    *("macro_f1", "weighted_f1", "calibration_error"),
)
OF_A_CLASS = ("recall", "precision", "f1", "auc")


class Part(BaseModel):
    """A frozen piece of the manifest; a missing or unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Graph(Part):
    """One form of the network: where it lies and how far its probabilities may be from the golden ones."""

    path: str
    precision: Literal["fp32", "int8"]
    tolerance: float = Field(gt=0, lt=1)


class Interval(Part):
    """A measured value with its 95 % interval."""

    value: float
    low: float
    high: float


class Metrics(Part):
    """What was measured on the test part, once."""

    source: str
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
            raise ValueError(f"the numbers lack {', '.join(missing)}")
        if [len(row) for row in self.confusion] != [len(CLASSES)] * len(CLASSES):
            raise ValueError(f"the confusion matrix must have {len(CLASSES)} rows of {len(CLASSES)} counts")
        return self


class Data(Part):
    """What the weights were trained on, and what that allows."""

    name: str
    citation: str
    pretraining: str
    licence: str
    split: str
    images: dict[str, int]
    counts: dict[str, int]


class GraphNumbers(Part):
    """What one graph is worth, with the bundle's temperature."""

    balanced_accuracy: float
    melanoma_recall: float
    macro_auc: float
    calibration_error: float


class HeatMaps(Part):
    """How far Grad-CAM++ maps of int8 are those of fp32, for the class that fp32 predicts, in cells of the features.

    `rank_correlation`: Spearman's, the mean over `images`, and what 95 % of them reach. `peak_moved`: the share of the
    images whose highest cell is another one. Images whose map is flat in fp32 are left out.
    """

    images: int
    rank_correlation: float
    rank_correlation_of_95_percent: float
    peak_moved: float


class Comparison(Part):
    """The fp32 and the int8 graph on the same images. `same_class`: the share that both give the same class."""

    source: str
    images: int
    graphs: dict[str, GraphNumbers]
    same_class: float
    heat_maps: HeatMaps


class Quantisation(Part):
    """How the int8 graph was made from the fp32 graph, and what it costs.

    `gated`: it is here because the comparison stayed within the limits; else nobody knows what it is worth.
    """

    method: str
    calibration: str
    gated: bool
    comparison: Comparison | None
    bytes: dict[str, int]

    @model_validator(mode="after")
    def _compared(self) -> "Quantisation":
        if self.gated and self.comparison is None:
            raise ValueError("a gated graph states what was compared")
        return self


def _is_none(value: object) -> bool:
    return value is None


class Manifest(Part):
    """Everything needed to serve a bundle and to judge it. Arrays are in the order of `classes`."""

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
    quantisation: Quantisation | None = Field(None, exclude_if=_is_none)  # so that earlier bundles keep their digest
    packages: dict[str, str]
    files: dict[str, str]
    digest: str

    @field_validator("classes")
    @classmethod
    def _taxonomy_order(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if classes != CLASSES:
            raise ValueError(f"the classes must be {', '.join(CLASSES)} in this order, not {', '.join(classes)}")
        return classes

    @field_validator("files")
    @classmethod
    def _inside(cls, files: dict[str, str]) -> dict[str, str]:
        for path in files:
            parts = PurePosixPath(path)
            if parts.is_absolute() or ".." in parts.parts or "\\" in path or str(parts) != path:
                raise ValueError(f"the path {path!r} leaves the bundle")
        return files

    @model_validator(mode="after")
    def _consistent(self) -> "Manifest":
        if self.head_shape != (self.feature_shape[2], len(self.classes)):
            raise ValueError(f"head {self.head_shape} does not fit features {self.feature_shape}")
        if self.trained and (self.metrics is None or self.data is None):
            raise ValueError("a trained bundle states its metrics and its data")
        if "openvino-fp32" not in self.graphs:
            raise ValueError(f"the graph openvino-fp32 is required; present: {', '.join(self.graphs) or 'none'}")
        if self.quantisation and "openvino-int8" not in self.graphs:
            raise ValueError(f"quantisation describes openvino-int8; present: {', '.join(self.graphs)}")
        return self

    def compute_digest(self) -> str:
        """SHA-256 over the canonical manifest without its digest; the file hashes make it cover the weights."""
        content = self.model_dump(mode="json", exclude={"digest"})
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
