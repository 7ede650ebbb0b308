"""The API: POST /predict, POST /explain, GET /model, health."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from inference.bundle import CARD
from inference.classifier import Explanation, Prediction
from inference.explanation import Question
from inference.report import report_explanation, report_model, report_prediction
from service import errors
from service.champion import Champion
from service.examination import Examiner
from service.language import negotiate
from service.schemas import ExplainParameters, ExplainReply, Health, ModelReply, Parameters, PredictReply, ProblemReply
from service.settings import Settings
from service.upload import FIELD, read_image

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One image: JPEG, PNG, WebP, BMP or TIFF. The content decides, not the name or the type.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "string", "format": "binary"}},
                }
            },
            "image/*": _BINARY,
            "application/octet-stream": _BINARY,
        },
    }
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": "; ".join(sorted({p.title for p in errors.PROBLEMS.values() if p.status == status})),
        "content": {"application/problem+json": {"schema": ProblemReply.model_json_schema()}},
    }
    for status in (400, 413, 415, 422, 503)
}


def create_router(settings: Settings, champion: Champion, examiner: Examiner) -> APIRouter:
    """The routes, bound to one service's parts."""
    router = APIRouter()

    async def examine(request: Request, parameters: Parameters, question: Question | None) -> dict[str, Any]:
        with examiner.admitted():
            data = await read_image(request, limit=settings.max_body_bytes)
            serving = champion.current()
            found = await examiner.examine(serving, data, tta=parameters.tta, question=question)
        language = negotiate(parameters.lang, request.headers.get("accept-language", ""))
        head = {
            "request_id": request.state.request_id,
            "model": report_model(serving.version, serving.classifier.bundle.manifest),
        }
        return head | _report(found, language)

    @router.post(
        "/predict", response_model=PredictReply, responses=_PROBLEMS, openapi_extra=_BODY, tags=["classification"]
    )
    async def predict(request: Request, parameters: Annotated[Parameters, Query()]) -> dict[str, Any]:
        """Classify one dermoscopic image. Not a medical device."""
        return await examine(request, parameters, None)

    @router.post(
        "/explain",
        response_model=ExplainReply,
        response_model_exclude_none=True,
        responses=_PROBLEMS,
        openapi_extra=_BODY,
        tags=["classification"],
    )
    async def explain(request: Request, parameters: Annotated[ExplainParameters, Query()]) -> dict[str, Any]:
        """Classify one image and show where the evidence lies. Not a medical device."""
        return await examine(request, parameters, parameters.question())

    @router.get("/model", response_model=ModelReply, responses={503: _PROBLEMS[503]}, tags=["model"])
    async def model() -> dict[str, Any]:
        """What is being served: manifest, metrics, thresholds, card."""
        serving = champion.current()
        bundle, runtime = serving.classifier.bundle, serving.classifier.runtime
        return {
            "model": report_model(serving.version, bundle.manifest),
            "runtime": runtime.name,
            "graph": runtime.graph,
            "manifest": bundle.manifest,
            "card": (bundle.path / CARD).read_text(encoding="utf-8"),
        }

    @router.get("/health/live", response_model=Health, response_model_exclude_none=True, tags=["health"])
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    async def ready() -> Any:
        """A verified, warmed-up model is in place."""
        try:
            champion.current()
        except errors.NoModel as error:
            retry = str(errors.PROBLEMS[errors.NoModel].retry_after)
            return JSONResponse({"status": "starting", "reason": str(error)}, 503, {"Retry-After": retry})
        return {"status": "ok"}

    for path in ("/health/ready", "/health/startup"):
        router.add_api_route(
            path,
            ready,
            name=path.rpartition("/")[2],
            response_model=Health,
            response_model_exclude_none=True,
            responses={503: {"model": Health}},
            tags=["health"],
        )
    return router


def _report(found: Prediction | Explanation, language: Any) -> dict[str, Any]:
    if isinstance(found, Prediction):
        return report_prediction(found, language)
    return report_explanation(found, language)
