"""Query parameters and replies of the API; docs/api.md fixes their names."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from inference.bundle.manifest import Manifest
from inference.bundle.uncertainty import Uncertainty
from inference.domain.graph_names import Precision
from inference.domain.taxonomy import ClassCode, Language
from inference.explainers import Method
from inference.explainers.class_maps import ExplanationRequest, Render
from inference.imaging.test_time_augmentation import ViewCount
from inference.prediction.replies import ModelName
from service.errors import UNKNOWN_PARAMETER


def _read_plus(value: object) -> object:
    """Accept an unescaped plus sign, which a query string decodes as a space."""
    return {"gradcam  ": "gradcam++", "gradcampp": "gradcam++"}.get(value, value) if isinstance(value, str) else value


def _read_count(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _read_share(value: object) -> object:
    """Write a number as one of the names of COVERAGES: 0.90 is 0.9."""
    try:
        return f"{float(value):g}" if isinstance(value, str | float) else value
    except ValueError:
        return value


# References as FHIR R4 writes them: a type and an id, perhaps behind a server's address.
_SERVER, _ID = "(https?://[!-~]+/)?", "[A-Za-z0-9.-]{1,64}"
# Without an example, the form of /docs makes up a text from the pattern, which may be too long.
SubjectReference = Annotated[
    str, Field(max_length=200, pattern=rf"^{_SERVER}(Patient|Group)/{_ID}$", examples=["Patient/7"])
]
StudyReference = Annotated[
    str,
    Field(
        max_length=200,
        pattern=rf"^({_SERVER}ImagingStudy/{_ID}|urn:oid:[0-2](\.(0|[1-9][0-9]*))+)$",
        examples=["ImagingStudy/7"],
    ),
]


class PredictParameters(BaseModel):
    """Query parameters of /predict; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, values: dict[str, object]) -> dict[str, object]:
        if unknown := sorted(set(values) - set(cls.model_fields)):
            names = {"unknown": ", ".join(unknown), "allowed": ", ".join(cls.model_fields)}
            raise PydanticCustomError(UNKNOWN_PARAMETER, "There is no parameter {unknown}; allowed: {allowed}.", names)
        return values

    lang: Language | None = Field(
        None, description="Language of names and texts; default: Accept-Language, then es", examples=["en"]
    )
    tta: Annotated[ViewCount, BeforeValidator(_read_count)] = Field(
        1, description="Views averaged: 1, 2, 4 or 8", examples=[1]
    )

    # Names, not numbers: generators of clients know no enumeration of numbers.
    coverage: Annotated[Literal["0.8", "0.9", "0.95"], BeforeValidator(_read_share)] = Field(
        "0.9", description="About which share of the lesions of each class has its class in the prediction set"
    )

    subject: SubjectReference | None = Field(
        None, description="Whose image it is, for FHIR: Patient/7, Group/7, or a URL that ends so"
    )
    study: StudyReference | None = Field(
        None,
        description="The study it belongs to, for FHIR: ImagingStudy/7, a URL that ends so, or urn:oid: and its UID",
    )

    def explanation(self) -> ExplanationRequest | None:
        """The request for class maps that `inference` takes; None for a prediction alone."""
        return None


class ExplainParameters(PredictParameters):
    """Query parameters of /explain."""

    method: Annotated[Literal[Method, "all"], BeforeValidator(_read_plus)] = Field(
        "gradcam++", description="Explanation method; gradcampp is an alias of gradcam++"
    )
    target: Literal[ClassCode, "all"] | None = Field(
        None, description="Class to explain; default: the predicted", examples=["mel"]
    )
    render: Literal[Render, "sr"] = Field(
        "both", description="Which PNGs to encode; sr, with Accept: application/dicom: the structured report instead"
    )

    def explanation(self) -> ExplanationRequest:
        """The request for class maps that `inference` takes; without PNGs for a structured report."""
        render = None if self.render == "sr" else self.render
        return ExplanationRequest.from_parameters(method=self.method, target=self.target, render=render)


class RefusedReply(BaseModel):
    """Why the version behind the alias is not served; no version if the registry did not answer."""

    version: str | None
    reason: str


class ModelReply(BaseModel):
    """200 of /model: what is being served."""

    model: ModelName
    runtime: str
    graph: str
    precision: Precision
    reason: str = Field(description="Why this runtime and this precision, in one sentence")
    stale: bool = Field(description="The registry has not confirmed recently that this is the version to serve")
    refused: RefusedReply | None = Field(description="Why the last refresh brought nothing into service")
    shadow: ModelName | None = Field(description="The version that is compared on live requests")
    prevalence: Literal["model", "ham10000", "uniform"] | dict[ClassCode, float] = Field(
        description="The mix of classes that the probabilities are for; `model`: not re-weighted"
    )
    uncertainty: Uncertainty | None = Field(
        description="Prediction sets, calibrated probability of malignancy and likelihoods; null in older bundles"
    )
    service_version: str = Field(description="Lunar's own version")
    manifest: Manifest
    card: str


class ReloadReply(BaseModel):
    """200 of /admin/reload, or 202 while a version is being verified; `model` serves, null before the first one."""

    outcome: Literal["unchanged", "swapped", "verifying"]
    model: ModelName | None


class Health(BaseModel):
    """The state of the service; `reason` says why it is not ready."""

    status: Literal["ok", "starting"]
    reason: str | None = None
