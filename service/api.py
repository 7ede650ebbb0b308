"""The API: POST /predict, POST /explain, GET /model, health."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Query, Request
from fastapi.responses import JSONResponse

from inference.bundle import CARD
from inference.classifier import Explanation, Prediction
from inference.explanation import Question
from inference.image import FORMATS
from inference.report import report_explanation, report_model, report_prediction
from service import errors
from service.champion import Champion
from service.examination import Examiner
from service.following import Serving
from service.language import negotiate
from service.presence import while_present
from service.schemas import (
    ExplainParameters,
    ExplainReply,
    Health,
    ModelReply,
    Parameters,
    PredictReply,
    ProblemReply,
    ReloadReply,
)
from service.settings import Settings
from service.shadow import Shadow
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
            **{f"image/{name.lower()}": _BINARY for name in FORMATS},
            "application/octet-stream": _BINARY,
        },
    }
}


def problems(*kinds: type[Exception]) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of these errors."""
    rows = [errors.PROBLEMS[kind] for kind in kinds]
    return {
        status: {
            "description": "; ".join(sorted({row.title for row in rows if row.status == status})),
            "content": {"application/problem+json": {"schema": ProblemReply.model_json_schema()}},
        }
        for status in sorted({row.status for row in rows})
    }


_PROBLEMS = problems(*(kind for kind in errors.PROBLEMS if kind not in errors.ELSEWHERE))


def create_router(settings: Settings, champion: Champion, examiner: Examiner, shadow: Shadow) -> APIRouter:
    """The routes, bound to one service's parts."""
    router = APIRouter()

    async def examine(
        request: Request, parameters: Parameters, question: Question | None, afterwards: BackgroundTasks
    ) -> dict[str, Any]:
        with examiner.admitted():
            data = await read_image(request, limit=settings.max_body_bytes)
            serving = champion.current()
            work = examiner.examine(serving, data, tta=parameters.tta, question=question, record=request.state.record)
            found = await while_present(request, work)
        afterwards.add_task(shadow.offer, data, found, parameters.tta)
        language = negotiate(parameters.lang, request.headers.get("accept-language", ""))
        head = {
            "request_id": request.state.request_id,
            "model": _name(serving),
        }
        return head | _report(found, language)

    @router.post(
        "/predict", response_model=PredictReply, responses=_PROBLEMS, openapi_extra=_BODY, tags=["classification"]
    )
    async def predict(
        request: Request, parameters: Annotated[Parameters, Query()], afterwards: BackgroundTasks
    ) -> dict[str, Any]:
        """Classify one dermoscopic image. Not a medical device."""
        return await examine(request, parameters, None, afterwards)

    @router.post(
        "/explain",
        response_model=ExplainReply,
        response_model_exclude_none=True,
        responses=_PROBLEMS,
        openapi_extra=_BODY,
        tags=["classification"],
    )
    async def explain(
        request: Request, parameters: Annotated[ExplainParameters, Query()], afterwards: BackgroundTasks
    ) -> dict[str, Any]:
        """Classify one image and show where the evidence lies. Not a medical device."""
        return await examine(request, parameters, parameters.question(), afterwards)

    @router.get("/model", response_model=ModelReply, responses=problems(errors.NoModel), tags=["model"])
    async def model() -> dict[str, Any]:
        """What is being served: manifest, metrics, thresholds, card."""
        serving = champion.current()
        bundle, runtime = serving.classifier.bundle, serving.classifier.runtime
        return {
            "model": _name(serving),
            "runtime": runtime.name,
            "graph": runtime.graph,
            "precision": runtime.precision,
            "reason": runtime.reason,
            "stale": serving.stale,
            "refused": champion.refusal and asdict(champion.refusal),
            "shadow": (other := champion.shadow()) and _name(other),
            "manifest": bundle.manifest,
            "card": (bundle.path / CARD).read_text(encoding="utf-8"),
        }

    @router.post("/admin/reload", response_model=ReloadReply, responses=problems(*errors.OPERATION), tags=["operation"])
    async def reload() -> dict[str, Any]:
        """Look at the registry now instead of at the next poll, and try again what was refused."""
        try:
            async with asyncio.timeout(settings.request_timeout_s):
                outcome = await champion.reload()
        except TimeoutError as error:
            raise errors.NoRegistry(f"No answer within {settings.request_timeout_s:g} s.") from error
        if outcome in ("refused", "unavailable"):
            kind = errors.RefusedVersion if outcome == "refused" else errors.NoRegistry
            raise kind(champion.refusal.reason if champion.refusal else "")
        return {"outcome": outcome, "model": _name(champion.current())}

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


def _name(serving: Serving) -> dict[str, Any]:
    return report_model(serving.version, serving.classifier.bundle.manifest)
