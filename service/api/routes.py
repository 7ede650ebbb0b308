"""POST /predict, POST /explain and GET /model."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, get_args

from fastapi import APIRouter, BackgroundTasks, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from inference import __version__
from inference.bundle.storage import CARD
from inference.explainers.class_maps import ExplanationRequest, Render
from inference.imaging.file_format import accepted_formats, media_type
from inference.prediction.serialization import prevalence_reply
from service import errors
from service.analysis import ImageRequest, References
from service.api.form_fields import form_properties, with_fields, without_contradiction
from service.api.schemas import ExplainParameters, ModelReply, PredictParameters, RefusedReply
from service.components import Components, InjectedComponents
from service.http import problems
from service.http.content_language import negotiate as negotiate_language
from service.http.image_form import FIELD, read_form
from service.http.problems import problem_responses
from service.http.upload_bounds import Upload
from service.representations.documents import ExplainReply, PredictReply
from service.representations.negotiation import negotiate, offered
from service.representations.representation import Answered, Representation, Route

_BINARY = {"schema": {"type": "string", "format": "binary"}}


def _body(parameters: type[PredictParameters]) -> dict[str, Any]:
    """The request body in OpenAPI."""
    file = {FIELD: {"type": "string", "format": "binary"}}
    form = {
        "type": "object",
        "required": [FIELD],
        "properties": file | form_properties(parameters),
        "additionalProperties": False,
    }
    return {
        "requestBody": {
            "required": True,
            "description": f"One image: {', '.join(accepted_formats())}. The content decides, not the name or "
            "the type. In a multipart body the parameters may be text fields.",
            "content": {
                "multipart/form-data": {"schema": form},
                **{media_type(name): _BINARY for name in accepted_formats()},
                "application/octet-stream": _BINARY,
            },
        }
    }


def _responses(route: Route) -> dict[int | str, dict[str, Any]]:
    """The answers in OpenAPI; the schema of JSON is the response model's."""
    others = {each.media_type: _BINARY for each in offered(route) if each.media_type != "application/json"}
    kinds = (kind for kind in problems.PROBLEMS if kind not in problems.ELSEWHERE)
    return {200: {"content": others}, **problem_responses(errors.NotAcceptable, *kinds)}


router = APIRouter()


@router.post(
    "/predict",
    response_model=PredictReply,
    responses=_responses("predict"),
    openapi_extra=_body(PredictParameters),
    tags=["classification"],
)
async def predict(
    request: Request,
    parameters: Annotated[PredictParameters, Query()],
    background: BackgroundTasks,
    components: InjectedComponents,
) -> Response:
    """Classify one dermoscopic image. Not a medical device."""
    return await _answer("predict", request, components, parameters, background)


@router.post(
    "/explain",
    response_model=ExplainReply,
    responses=_responses("explain"),
    openapi_extra=_body(ExplainParameters),
    tags=["classification"],
)
async def explain(
    request: Request,
    parameters: Annotated[ExplainParameters, Query()],
    background: BackgroundTasks,
    components: InjectedComponents,
) -> Response:
    """Classify one image and show where the evidence lies. Not a medical device."""
    return await _answer("explain", request, components, parameters, background)


@router.get("/model", response_model=ModelReply, responses=problem_responses(errors.NoModel), tags=["model"])
async def model(components: InjectedComponents) -> ModelReply:
    """What is being served: manifest, metrics, thresholds, card."""
    manager = components.model_manager
    served, shadow = manager.current(), manager.shadow()
    bundle, runtime = served.classifier.bundle, served.classifier.runtime
    return ModelReply(
        model=served.reply,
        runtime=runtime.name,
        graph=runtime.graph,
        precision=runtime.precision,
        reason=runtime.reason,
        stale=served.stale,
        refused=RefusedReply(**asdict(manager.refusal)) if manager.refusal else None,
        shadow=shadow.reply if shadow else None,
        prevalence=prevalence_reply(served.classifier.prevalence),
        uncertainty=bundle.uncertainty,
        service_version=__version__,
        manifest=bundle.manifest,
        card=(bundle.path / CARD).read_text(encoding="utf-8"),
    )


async def _answer(
    route: Route, request: Request, components: Components, query: PredictParameters, background: BackgroundTasks
) -> Response:
    query = without_contradiction(query, request.query_params.multi_items())
    representation = negotiate(route, ", ".join(request.headers.getlist("accept")))
    renderer = representation.open()

    async def read(upload: Upload) -> ImageRequest:
        form = await read_form(request, upload)
        parameters = with_fields(query, form.fields)
        explanation = parameters.explanation()
        _require_pictures(explanation, representation)
        explanation = renderer.narrow(explanation, form.data)
        return ImageRequest(
            form.data,
            parameters.tta,
            explanation,
            parameters.lang,
            coverage=float(parameters.coverage),
            references=References(parameters.subject, parameters.study),
        )

    answer = await components.analyzer.analyse(request, read=read, background=background)
    answered = Answered(
        request_id=request.state.request_id,
        language=negotiate_language(answer.content.language, request.headers.get("accept-language", "")),
        analysis=answer.result,
        explanation=answer.content.explanation,
        tta=answer.content.tta,
        coverage=answer.content.coverage,
        references=answer.content.references,
        served=answer.served,
    )
    if route in representation.quick:
        document = renderer.render(answered)
    else:  # megabytes, perhaps: outside the event loop, which answers everybody else meanwhile
        document = await asyncio.to_thread(renderer.render, answered)
    return Response(document.content, media_type=document.media_type, headers={"Vary": "Accept, Accept-Language"})


def _require_pictures(explanation: ExplanationRequest | None, representation: Representation) -> None:
    """Raises RequestValidationError for render=sr where there is no structured report."""
    if explanation and explanation.render is None and not representation.report:
        allowed = f"allowed with {representation.media_type}: {', '.join(get_args(Render))}"
        message = f"sr is the structured report, which needs Accept: application/dicom; {allowed}"
        raise RequestValidationError([{"type": "value_error", "loc": ("query", "render"), "msg": message}])
