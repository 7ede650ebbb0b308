"""An analysis -> what the template of the result shows."""

import io
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.bundle.map_evaluation import MapEvaluation
from inference.domain.risk import Thresholds
from inference.domain.taxonomy import BY_CODE, LANGUAGES, Diagnosis, Language
from inference.explainers.class_maps import ClassMap
from inference.explainers.heatmap import canvas, heatmap, overlay, reduce
from inference.prediction.classifier import Analysis
from inference.prediction.replies import ExplanationReply, ModelName, PredictionReply
from inference.prediction.serialization import explanation_reply
from service.serving.served_model import ServedModel

QUALITY = 90  # for viewing, a JPEG of a tenth of the PNG's size is enough


@dataclass(frozen=True, slots=True)
class MapView:
    """The cells of one map in base64, row by row, one byte a cell; `columns` of them are a row."""

    cells: str
    columns: int


@dataclass(frozen=True, slots=True)
class Pictures:
    """JPEG files as data URLs; None for what the page's script has or draws itself."""

    original: str | None
    overlay: str | None


@dataclass(frozen=True, slots=True)
class ResultView:
    """The body of /explain in each language, and what the page shows beside it.

    `maps` stand in the order of the explanations, `map_evaluation` says what was measured of them; `ranking` lists the
    classes by falling probability.
    """

    answers: Mapping[Language, ExplanationReply]
    maps: tuple[MapView, ...]
    pictures: Pictures
    request_id: str
    model: ModelName
    predicted: Diagnosis
    ranking: tuple[tuple[Diagnosis, float], ...]
    thresholds: Thresholds
    analysed: datetime
    map_evaluation: MapEvaluation | None = None


def result_view(analysis: Analysis, served: ServedModel, *, pictures: Pictures, request_id: str) -> ResultView:
    """`analysis` holds the maps of every class and method."""
    code = analysis.prediction.code
    ranked = sorted(zip(BY_CODE.values(), map(float, analysis.prediction.probabilities), strict=True), key=_falling)
    return ResultView(
        answers={language: _answer(analysis, language) for language in LANGUAGES},
        maps=tuple(MapView(b64encode(each.levels.tobytes()).decode(), each.levels.shape[1]) for each in analysis.maps),
        pictures=pictures,
        request_id=request_id,
        model=served.reply,
        predicted=BY_CODE[code],
        ranking=tuple(ranked),
        thresholds=served.classifier.bundle.manifest.thresholds,
        analysed=datetime.now(UTC),
        map_evaluation=served.classifier.bundle.maps,
    )


def answer_values(result: ResultView, language: Language) -> dict[str, Any]:
    """The body of /predict for this image, which the page's script shows in its table and exports."""
    answer = result.answers[language].model_dump(by_alias=True, include=set(PredictionReply.model_fields))
    return {"request_id": result.request_id, "model": result.model.model_dump(by_alias=True)} | answer


def draw_pictures(analysis: Analysis, *, original: bool, drawn: bool) -> Pictures:
    """The pictures that are asked for; `drawn` is the overlay of the predicted class."""
    return Pictures(
        original=_jpeg(analysis.picture) if original else None,
        overlay=_jpeg(draw_overlay(analysis)) if drawn else None,
    )


def draw_overlay(analysis: Analysis) -> NDArray[np.uint8]:
    """The predicted class's first map on the picture, for browsers without a script: uint8 RGB [h, w, 3]."""
    on = canvas(width=analysis.width, height=analysis.height, view=analysis.field_of_view)
    grey = heatmap(_shown(analysis).levels.astype(np.float32), on=on)
    return overlay(reduce(analysis.picture, on=on), grey)


def _shown(analysis: Analysis) -> ClassMap:
    return next(class_map for class_map in analysis.maps if class_map.code == analysis.prediction.code)


def _answer(analysis: Analysis, language: Language) -> ExplanationReply:
    """Some class without evidence is normal; the warning matters only for the class that is shown."""
    answer = explanation_reply(analysis, language)
    hidden = () if _shown(analysis).peak <= 0 else ("no_positive_evidence",)
    return answer.model_copy(update={"warnings": [each for each in answer.warnings if each.code not in hidden]})


def _falling(diagnosis_and_probability: tuple[Diagnosis, float]) -> float:
    return -diagnosis_and_probability[1]


def _jpeg(pixels: NDArray[np.uint8]) -> str:
    """A JPEG without metadata as a data URL, which every browser can show, whatever the format of the upload."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{b64encode(buffer.getvalue()).decode()}"
