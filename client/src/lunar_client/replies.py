"""The API's answers as pydantic models. Fields that a later service adds are kept, and found in `model_extra`."""

from base64 import b64decode
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ClassCode = Literal["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]
Level = Literal["low", "moderate", "high"]


class Reply(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())


class Problem(Reply):
    """An error of the service (RFC 9457), or of the proxy before it, which gives no `request_id`."""

    type: str
    title: str
    status: int
    detail: str | None = None
    request_id: str | None = None


class ModelName(Reply):
    """Which model answered."""

    name: str
    version: str
    alias: str | None
    backbone: str
    input_size: int


class PredictedClass(Reply):
    """The class with the largest probability. `confidence` is not risk."""

    class_: ClassCode = Field(alias="class")
    name: str
    probability: float
    confidence: Literal["high", "medium", "low"]
    measured_accuracy: float | None = None


class Risk(Reply):
    """The level of risk. If it is not `reliable`, a warning says why it means nothing."""

    level: Level
    malignant_probability: float
    calibrated_probability: float | None = None
    reliable: bool


class Notice(Reply):
    """A warning."""

    code: str
    message: str


class PredictionSet(Reply):
    """The classes that are not excluded, the most probable first.

    The method keeps the true class for about the share `coverage` of the lesions of each class. That is not the
    probability that the true class of this lesion is among them.
    """

    coverage: float
    classes: list[ClassCode]


class PredictReply(Reply):
    """200 of /predict. Without `prediction_set` the model has none, or the answer is not reliable."""

    request_id: str
    model: ModelName
    prediction: PredictedClass
    risk: Risk
    probabilities: dict[ClassCode, float]
    prediction_set: PredictionSet | None = None
    prevalence: Literal["model", "ham10000", "uniform"] | dict[ClassCode, float] = "model"
    warnings: list[Notice]
    disclaimer: str


class Size(Reply):
    """Pixels."""

    width: int
    height: int


class Region(Size):
    """A rectangle in pixels."""

    x: int
    y: int


class Place(Reply):
    """A point in pixels."""

    x: float
    y: float


class EvidenceReply(Reply):
    """Where a map has at least half of its maximum."""

    share: float
    centroid: Place
    box: Region
    words: str


class ClassMapReply(Reply):
    """Evidence for one class; the PNGs are base64."""

    class_: ClassCode = Field(alias="class")
    method: Literal["gradcam++", "gradcam"]
    peak: float
    region: EvidenceReply | None = None
    heatmap: str | None = None
    overlay: str | None = None

    def save_heatmap(self, path: "str | PathLike[str]") -> None:
        """Write the heat map as a PNG. Raises ValueError if it was not asked for."""
        _save(self.heatmap, path)

    def save_overlay(self, path: "str | PathLike[str]") -> None:
        """Write the picture with the heat map over it as a PNG. Raises ValueError if it was not asked for."""
        _save(self.overlay, path)


class ExplainReply(PredictReply):
    """200 of /explain."""

    explanations: list[ClassMapReply]
    image: Size
    field_of_view: Region


class ModelReply(Reply):
    """200 of /model."""

    model: ModelName
    runtime: str
    graph: str
    precision: Literal["fp32", "bf16", "int8"]
    reason: str
    stale: bool
    refused: dict[str, Any] | None
    shadow: ModelName | None
    prevalence: str | dict[str, float]
    uncertainty: dict[str, Any] | None
    service_version: str
    manifest: dict[str, Any]
    card: str


def _save(png: str | None, path: "str | PathLike[str]") -> None:
    if png is None:
        raise ValueError("this picture was not asked for: see the parameter render")
    Path(path).write_bytes(b64decode(png))
