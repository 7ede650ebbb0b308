"""POST /invocations and GET /ping: MLflow's scoring protocol, for clients of `mlflow models serve`."""

import asyncio
from string import printable
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from inference.mlflow_model.signature import IMAGE, OUTPUTS
from service import errors
from service.api.scoring_request import FORMS, ScoringRequest, parse_scoring_request
from service.components import InjectedComponents
from service.http import problems
from service.http.image_form import read_body
from service.http.problems import problem_responses
from service.http.upload_bounds import Upload
from service.scoring import MAX_IMAGES, score

_RECORD = {"type": "object", "required": [IMAGE], "properties": {IMAGE: {"description": "base64 of an image file"}}}
_TENSOR = {"oneOf": [{"type": "array", "maxItems": MAX_IMAGES}, _RECORD]}
_FORMS: dict[str, Any] = {
    "dataframe_split": {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {
            "columns": {"type": "array", "contains": {"const": IMAGE}},
            "data": {"type": "array", "maxItems": MAX_IMAGES},
        },
    },
    "dataframe_records": {"type": "array", "maxItems": MAX_IMAGES, "items": _RECORD},
    "instances": _TENSOR,
    "inputs": _TENSOR,
}
_PARAMETERS = {
    "type": ["object", "null"],
    "properties": {"tta": {"enum": [1, 2, 4, 8], "default": 1}, "heatmap": {"type": "boolean", "default": False}},
}
# A PNG of 16 x 16 pixels, a dark spot on skin, so that the example works as it stands.
_SPOT = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQAQMAAAAlPW0iAAAABlBMVEXWqJZuPDJAEeKHAAAAH0lEQVR42mNgQALMD5hYBJg4OJgY"
    "GBDoxw+mPx/gSgBSVQT0JZwNBwAAAABJRU5ErkJggg=="
)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": f"One of {', '.join(FORMS)}, as MLflow's scoring server takes them; one column, {IMAGE!r}.",
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [{"required": [name]} for name in FORMS],
                    "type": "object",
                    "properties": {**_FORMS, "params": _PARAMETERS},
                },
                "example": {"inputs": [_SPOT], "params": {"tta": 1, "heatmap": False}},
            }
        },
    }
}
_TYPES = {"string": {"type": "string"}, "double": {"type": ["number", "null"]}}
_ROW = {"type": "object", "properties": {name: _TYPES[kind] for name, kind in OUTPUTS.items()}}
_REPLY = {"type": "object", "properties": {"predictions": {"type": "array", "items": _ROW}}}
_ANSWERS = {
    200: {
        "description": "One row per image, in their order",
        "content": {"application/json": {"schema": _REPLY}},
    },
    **problem_responses(
        *problems.SCORING,
        errors.BodyTooLarge,
        errors.SlowUpload,
        errors.Overloaded,
        errors.DeadlineExceeded,
        errors.NoModel,
    ),
}
MODEL = "X-Lunar-Model"


router = APIRouter(tags=["mlflow"])


@router.post("/invocations", response_class=JSONResponse, responses=_ANSWERS, openapi_extra=_BODY)
async def invocations(request: Request, components: InjectedComponents) -> Response:
    """Classify images as `mlflow models serve` does, one after another. Not a medical device."""

    async def read(upload: Upload) -> ScoringRequest:
        _require_json(request)
        body = await read_body(request, upload)
        return await asyncio.to_thread(parse_scoring_request, body)

    answer = await score(request, components, read=read)
    # The rows are those of MLflow's scoring server; the header names the model, as far as headers have letters.
    headers = {MODEL: f"{quote(answer.served.version.name, safe=printable)}/{answer.served.version.version}"}
    # With heat maps megabytes: outside the event loop, which answers everybody else meanwhile.
    return await asyncio.to_thread(JSONResponse, {"predictions": answer.result}, headers=headers)


@router.get("/ping", response_class=Response, responses=problem_responses(errors.NoModel))
async def ping(components: InjectedComponents) -> Response:
    """200 once a model is in service."""
    components.model_manager.current()
    return Response("\n", media_type="application/json")  # exactly what MLflow 3.17 answers


def _require_json(request: Request) -> None:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise errors.NotJson(f"Send application/json, not {content_type or 'nothing'}.")
