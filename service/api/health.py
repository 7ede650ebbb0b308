"""GET /health/live, /health/ready and /health/startup."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from service import errors
from service.api.schemas import Health
from service.components import InjectedComponents
from service.http import problems

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live", response_model=Health, response_model_exclude_none=True)
async def live() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get(
    "/startup",
    name="startup",
    response_model=Health,
    response_model_exclude_none=True,
    responses={503: {"model": Health}},
)
@router.get("/ready", response_model=Health, response_model_exclude_none=True, responses={503: {"model": Health}})
async def ready(components: InjectedComponents) -> Health | Response:
    """A verified, warmed-up model is in place."""
    try:
        components.model_manager.current()
    except errors.NoModel as error:
        headers = {"Retry-After": str(problems.PROBLEMS[errors.NoModel].retry_after)}
        return JSONResponse(Health(status="starting", reason=str(error)).model_dump(), 503, headers)
    return Health(status="ok")
