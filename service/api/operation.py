"""POST /admin/reload and GET /metrics, for those who operate the service."""

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from inference.prediction.replies import ModelName
from service import errors
from service.api.schemas import ReloadReply
from service.components import InjectedComponents
from service.http import problems
from service.http.problems import problem_responses
from service.serving.model_manager import ModelManager

router = APIRouter(tags=["operation"])


_ASK_AGAIN_S = "5"
_VERIFYING: dict[int | str, dict[str, Any]] = {
    202: {
        "model": ReloadReply,
        "description": "A version is being verified",
        "headers": {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}},
    }
}


@router.post("/admin/reload", response_model=ReloadReply, responses=_VERIFYING | problem_responses(*problems.OPERATION))
async def reload(components: InjectedComponents, response: Response) -> ReloadReply:
    """Ask the registry now instead of at the next poll.

    A refused version is tried again, except that a 202 is followed by what came of its verification.
    """
    manager, timeout_s = components.model_manager, components.settings.request_timeout_s
    try:
        async with asyncio.timeout(timeout_s):
            outcome = await manager.reload()
    except TimeoutError as error:
        raise errors.NoRegistry(f"No outcome within {timeout_s:g} s; the log will have it.") from error
    if outcome == "refused" or outcome == "unavailable":
        kind = errors.RefusedVersion if outcome == "refused" else errors.NoRegistry
        raise kind(manager.refusal.reason if manager.refusal else "")
    if outcome == "verifying":
        response.status_code = 202
        response.headers["Retry-After"] = _ASK_AGAIN_S
    return ReloadReply(outcome=outcome, model=_serving(manager))


def _serving(manager: ModelManager) -> ModelName | None:
    """None while the first version is being verified."""
    try:
        return manager.current().reply
    except errors.NoModel:
        return None


@router.get("/metrics", response_class=Response)
async def show_metrics(components: InjectedComponents) -> Response:
    """The service's metrics, in Prometheus's text format."""
    return Response(generate_latest(components.metrics.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
