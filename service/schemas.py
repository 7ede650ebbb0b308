"""The public JSON shapes and parameters; names are fixed, see docs/api.md."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from inference.explainers import Method
from inference.explanation import Question, Render
from inference.manifest import Manifest
from inference.risk import ConfidenceLevel, RiskLevel
from inference.taxonomy import Language
from inference.views import Views
from service.errors import UNKNOWN_PARAMETER

ClassCode = Literal["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]


def _read_plus(value: object) -> object:
    """A plus sign in a query string means a space, and not every client escapes it."""
    return {"gradcam  ": "gradcam++", "gradcampp": "gradcam++"}.get(value, value) if isinstance(value, str) else value


def _read_count(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class Parameters(BaseModel):
    """Query parameters of /predict; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: dict[str, object]) -> dict[str, object]:
        if unknown := sorted(set(given) - set(cls.model_fields)):
            names = {"unknown": ", ".join(unknown), "allowed": ", ".join(cls.model_fields)}
            raise PydanticCustomError(UNKNOWN_PARAMETER, "There is no parameter {unknown}; allowed: {allowed}.", names)
        return given

    lang: Language | None = Field(None, description="Language of names and texts; default: Accept-Language, then es")
    tta: Annotated[Views, BeforeValidator(_read_count)] = Field(1, description="Views averaged: 1, 2, 4 or 8")


class ExplainParameters(Parameters):
    """Query parameters of /explain."""

    method: Annotated[Literal["gradcam++", "gradcam", "all"], BeforeValidator(_read_plus)] = Field(
        "gradcam++", description="Explanation method; gradcampp is an alias of gradcam++"
    )
    target: Literal["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc", "all"] | None = Field(
        None, description="Class to explain; default: the predicted"
    )
    render: Render = Field("both", description="Which PNGs to encode")

    def question(self) -> Question:
        """What `inference` is asked."""
        return Question.ask(method=self.method, target=self.target, render=self.render)


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    version: str
    alias: str | None
    backbone: str
    input_size: int


class PredictedClass(BaseModel):
    """The class with the largest probability. `confidence` is not risk."""

    class_: ClassCode = Field(alias="class")
    name: str
    probability: float
    confidence: ConfidenceLevel


class Risk(BaseModel):
    """P(mel) + P(bcc) + P(akiec) and its level by the bundle's thresholds."""

    level: RiskLevel
    malignant_probability: float


class Notice(BaseModel):
    """Something the reader of the answer should know."""

    code: str
    message: str


class PredictReply(BaseModel):
    """200 of /predict."""

    request_id: str
    model: ModelName
    prediction: PredictedClass
    risk: Risk
    probabilities: dict[ClassCode, float]
    warnings: list[Notice]
    disclaimer: str


class ClassMapReply(BaseModel):
    """Evidence for one class; PNGs in base64, in the geometry of the upright image, longest side at most 1024."""

    class_: ClassCode = Field(alias="class")
    method: Method
    peak: float = Field(description="The map's maximum before scaling; 0 when there is no positive evidence")
    heatmap: str | None = Field(None, description="8-bit greyscale PNG")
    overlay: str | None = Field(None, description="RGB PNG")


class Size(BaseModel):
    """Pixels of the upright image."""

    width: int
    height: int


class Region(Size):
    """The part of the upright image that the model saw."""

    x: int
    y: int


class ExplainReply(PredictReply):
    """200 of /explain."""

    explanations: list[ClassMapReply]
    image: Size
    field_of_view: Region


class RefusedReply(BaseModel):
    """Why the version behind the alias does not serve; no version if the registry could not be asked."""

    version: str | None
    reason: str


class ModelReply(BaseModel):
    """200 of /model: what is being served."""

    model: ModelName
    runtime: str
    graph: str
    precision: Literal["fp32", "int8"]
    reason: str = Field(description="Why this runtime and this precision, in one sentence")
    stale: bool = Field(description="The registry has not confirmed for a while that this is the version to serve")
    refused: RefusedReply | None = Field(description="What the last look at the registry did not bring into service")
    shadow: ModelName | None = Field(description="The version that is compared on live requests")
    manifest: Manifest
    card: str


class ReloadReply(BaseModel):
    """200 of /admin/reload."""

    outcome: Literal["unchanged", "swapped"]
    model: ModelName


class ProblemReply(BaseModel):
    """Every error: RFC 9457, application/problem+json."""

    type: str
    title: str
    status: int
    detail: str | None = None
    request_id: str


class Health(BaseModel):
    """The state of the service; `reason` says why it is not ready."""

    status: Literal["ok", "starting"]
    reason: str | None = None
