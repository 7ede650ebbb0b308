"""The public JSON of a prediction and an explanation as pydantic models; docs/api.md fixes their names and order."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from inference.domain.risk import ConfidenceLevel, RiskLevel
from inference.domain.taxonomy import ClassCode
from inference.explainers import Method


class Reply(BaseModel):
    """A part of an answer. `class` is a word of Python, so such a field is filled as `class_`."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)


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
    confidence: ConfidenceLevel
    measured_accuracy: float | None = Field(
        None, description="Share of right answers among test images with a similar probability; null if not known"
    )


class Risk(Reply):
    """P(mel) + P(bcc) + P(akiec), a score that is not calibrated, and its level by the bundle's thresholds.

    Neither depends on `prevalence`.
    """

    level: RiskLevel
    malignant_probability: float
    calibrated_probability: float | None = Field(
        None,
        description="Calibrated probability of a malignant or precancerous lesion at the mix of the test images; null "
        "unless `prevalence` is `model`, if the bundle has no calibration, and if the answer is not reliable",
    )
    reliable: bool = Field(description="False if a warning says that the level means nothing")


class Notice(Reply):
    """Something the reader of the answer should know."""

    code: str
    message: str


class PredictionSet(Reply):
    """The classes that are not excluded, the most probable first.

    The method keeps the true class for about the share `coverage` of the lesions of each class. That is not the
    probability that the true class of this lesion is among them.
    """

    coverage: float
    classes: list[ClassCode]


class PredictionReply(Reply):
    """What the model predicts of one image."""

    prediction: PredictedClass
    risk: Risk
    probabilities: dict[ClassCode, float]
    prediction_set: PredictionSet | None = Field(
        None, description="Null if the bundle has no prediction sets or if the answer is not reliable"
    )
    prevalence: Literal["model", "ham10000", "uniform"] | dict[ClassCode, float] = Field(
        "model", description="The mix of classes that the probabilities are for; `model`: not re-weighted"
    )
    warnings: list[Notice]
    disclaimer: str


class Size(Reply):
    """Pixels of the upright image."""

    width: int
    height: int


class Region(Size):
    """A rectangle of the upright image, in pixels."""

    x: int
    y: int


class Place(Reply):
    """A point of the upright image, in pixels."""

    x: float
    y: float


class EvidenceReply(Reply):
    """Where a map has at least half of its maximum: share of the image's area, weighted centre, box, and in words."""

    share: float
    centroid: Place
    box: Region
    words: str


def _is_none(value: object) -> bool:
    return value is None


class ClassMapReply(Reply):
    """Evidence for one class; PNGs in base64, in the geometry of the upright image, longest side at most 1024."""

    class_: ClassCode = Field(alias="class")
    method: Method
    peak: float = Field(description="The map's maximum before scaling; 0 when there is no positive evidence")
    region: EvidenceReply | None = Field(None, description="Absent when the map is empty", exclude_if=_is_none)
    heatmap: str | None = Field(None, description="8-bit greyscale PNG", exclude_if=_is_none)
    overlay: str | None = Field(None, description="RGB PNG", exclude_if=_is_none)


class ExplanationReply(PredictionReply):
    """A prediction and its class maps."""

    explanations: list[ClassMapReply]
    image: Size
    field_of_view: Region = Field(description="The part of the upright image that the model saw")
