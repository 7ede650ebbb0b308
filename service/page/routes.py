"""The page: GET / shows it, POST / answers a plain form with it, POST /result gives the result alone to its script."""

import logging
from dataclasses import replace
from functools import partial

from anyio import to_thread
from fastapi import APIRouter, BackgroundTasks, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse
from starlette.requests import ClientDisconnect

from inference.domain.taxonomy import CLASSES
from inference.explainers import EXPLAINERS
from inference.explainers.class_maps import ExplanationRequest
from inference.explainers.heatmap import MAX_SIDE
from service import errors
from service.analysis import ImageRequest
from service.components import Components, InjectedComponents
from service.http import problems
from service.http.image_form import read_form
from service.http.upload_bounds import Upload
from service.page.renderer import InjectedPage, Outcome, PageRenderer, view_count
from service.page.result_view import ResultView, draw_pictures, result_view
from service.page.uploaded_picture import is_shown_alike
from service.security.authorization import Need

# One answer holds the cells of all maps. A script enlarges and colours them; without one they are drawn on a picture.
MAPS = ExplanationRequest(methods=tuple(EXPLAINERS), targets=CLASSES, render=None, side=320)
DRAWN_MAPS = replace(MAPS, side=MAX_SIDE)
PICTURE = "picture"  # parameter of /result: send the picture, because the browser cannot show the file

log = logging.getLogger(__name__)
router = APIRouter(include_in_schema=False)


@router.get("/")
async def show(request: Request, components: InjectedComponents, page: InjectedPage) -> HTMLResponse:
    """The empty page."""
    outcome = Outcome()
    return _reply(request, components, page, content=_whole(request, components, page, outcome), outcome=outcome)


@router.post("/")
async def answer_form(
    request: Request, background: BackgroundTasks, components: InjectedComponents, page: InjectedPage
) -> HTMLResponse:
    """The page with the outcome, for browsers without a script."""
    outcome = await _outcome(request, background, components, page, script=False)
    return _reply(request, components, page, content=_whole(request, components, page, outcome), outcome=outcome)


@router.post("/result")
async def answer_script(
    request: Request, background: BackgroundTasks, components: InjectedComponents, page: InjectedPage
) -> HTMLResponse:
    """The outcome alone, in every language, so that another one needs no other analysis."""
    outcome = await _outcome(request, background, components, page, script=True)
    return _reply(request, components, page, content=page.partial(request, outcome), outcome=outcome)


@router.get("/examples/{name}")
async def show_example(name: str, page: InjectedPage) -> FileResponse:
    """An example image."""
    path = page.examples.path(name)
    if path is None:
        raise HTTPException(404)
    return FileResponse(path)


async def _outcome(
    request: Request, background: BackgroundTasks, components: Components, page: PageRenderer, *, script: bool
) -> Outcome:
    try:
        await components.access_policy.admit(request, Need.PAGE_SESSION)
        return Outcome(result=await _analyse(request, background, components, page, script=script))
    except ClientDisconnect:
        raise
    except Exception as error:
        if problems.problem_of(error) is problems.INTERNAL:
            log.exception("unhandled", extra={"request_id": request.state.request_id})
        return Outcome(problem=problems.describe(request, error))


async def _analyse(
    request: Request, background: BackgroundTasks, components: Components, page: PageRenderer, *, script: bool
) -> ResultView:
    """The result of the uploaded image or of an example. A script has the file itself and draws the maps."""
    example = request.query_params.get("example")
    original = not script or PICTURE in request.query_params

    async def read(upload: Upload) -> ImageRequest:
        nonlocal original
        if example is None:
            data = (await read_form(request, upload)).data
        else:
            upload.end()  # nothing arrives
            data = await to_thread.run_sync(page.examples.read, example)
        original = original or not is_shown_alike(data)
        return ImageRequest(data, view_count(request), DRAWN_MAPS if original else MAPS)

    answer = await components.analyzer.analyse(
        request,
        read=read,
        background=background,
        counted=example is None,  # an example is no user's image
    )
    analysis = answer.result
    pictures = await to_thread.run_sync(partial(draw_pictures, analysis, original=original, drawn=not script))
    return result_view(analysis, answer.served, pictures=pictures, request_id=request.state.request_id)


def _whole(request: Request, components: Components, page: PageRenderer, outcome: Outcome) -> str:
    try:
        model = components.model_manager.current().reply
    except errors.NoModel:
        model = None
    return page.page(request, outcome, model=model, docs=components.access_policy.is_open("/docs"))


def _reply(
    request: Request, components: Components, page: PageRenderer, *, content: str, outcome: Outcome
) -> HTMLResponse:
    problem = outcome.problem
    response = HTMLResponse(content, problem.status if problem else 200, dict(problem.headers) if problem else None)
    response.headers["Content-Language"] = page.locale_of(request).language
    # With every answer: after an expired session the second attempt succeeds.
    components.access_policy.start_page_session(request, response)
    return response
