"""POST /invocations, GET /ping: what `mlflow models serve` answers, so that its clients can be pointed here."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from inference.image import ImageError
from inference.scoring import Parameters, Row, answer, read_cell, refusal
from inference.signature import IMAGE, OUTPUTS
from service import errors
from service.api import problems
from service.audit import Record
from service.champion import Champion
from service.examination import Examiner
from service.following import Serving
from service.frame import FORMS, MAX_IMAGES, Frame, parse_frame
from service.presence import while_present
from service.settings import Settings
from service.upload import read_body

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
                "example": {"inputs": ["<base64 of a JPEG>"], "params": {"heatmap": True}},
            }
        },
    }
}
_TYPES = {"string": {"type": "string"}, "double": {"type": ["number", "null"]}}
_ROW = {"type": "object", "properties": {name: _TYPES[kind] for name, kind in OUTPUTS.items()}}
_REPLY = {"type": "object", "properties": {"predictions": {"type": "array", "items": _ROW}}}
_ANSWERS = {
    200: {"description": "One row an image, in their order", "content": {"application/json": {"schema": _REPLY}}},
    **problems(*errors.SCORING, errors.BodyTooLarge, errors.Overloaded, errors.DeadlineExceeded, errors.NoModel),
}
MODEL = "X-Lunar-Model"


def create_router(settings: Settings, champion: Champion, examiner: Examiner) -> APIRouter:
    """The routes, bound to one service's parts."""
    router = APIRouter(tags=["mlflow"])

    async def score(serving: Serving, cell: object, parameters: Parameters, record: Record) -> Row:
        try:
            data = await asyncio.to_thread(read_cell, cell)
            tta, question = parameters.tta, parameters.question
            return answer(await examiner.examine(serving, data, tta=tta, question=question, record=record))
        except ImageError as error:
            return refusal(error)

    async def score_all(serving: Serving, frame: Frame, record: Record) -> list[Row]:
        return [await score(serving, cell, frame.parameters, record) for cell in frame.cells]

    @router.post("/invocations", response_class=JSONResponse, responses=_ANSWERS, openapi_extra=_BODY)
    async def invocations(request: Request) -> Response:
        """Classify images as `mlflow models serve` does, one after another. Not a medical device."""
        with examiner.admitted():
            _require_json(request)
            body = await read_body(request, limit=settings.max_body_bytes)
            frame = await asyncio.to_thread(parse_frame, body)
            serving = champion.current()
            rows = await while_present(request, score_all(serving, frame, request.state.record))
        # The rows are as MLflow writes them; the header names who answered.
        return JSONResponse({"predictions": rows}, headers={MODEL: f"{serving.version.name}/{serving.version.version}"})

    @router.get("/ping", response_class=Response, responses=problems(errors.NoModel))
    async def ping() -> Response:
        """200 once a model is in service."""
        champion.current()
        return Response("\n", media_type="application/json")  # to the letter what MLflow 3.17 answers

    return router


def _require_json(request: Request) -> None:
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != "application/json":
        raise errors.NotJson(f"Send application/json, not {given or 'nothing'}.")
