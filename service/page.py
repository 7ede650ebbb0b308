"""The page: GET / shows it, POST / answers a plain form with it, POST /result answers with the result alone."""

import json
import logging
from pathlib import Path
from typing import Any, get_args

from anyio import to_thread
from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from inference import colormap, risk
from inference.classifier import Explanation
from inference.explainers import EXPLAINERS
from inference.explanation import Question
from inference.image import FORMATS
from inference.report import report_model
from inference.taxonomy import CLASSES, DIAGNOSES, LANGUAGES, Language
from inference.views import Views
from inference.wording import DISCLAIMER
from service import card, errors
from service.access import Access, Need
from service.champion import Champion
from service.examination import Examiner
from service.examples import Examples, add_examples
from service.language import negotiate
from service.locale import Locale, load_locales
from service.presence import while_present
from service.result import describe
from service.settings import Settings
from service.shadow import Shadow
from service.upload import FIELD, read_image

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "templates"
# All maps in one answer; the browser colours and enlarges them, and a network's last features are coarse anyway.
MAPS = Question(methods=tuple(EXPLAINERS), targets=CLASSES, render="heatmap", side=320)

log = logging.getLogger(__name__)


def add_page(
    app: FastAPI, settings: Settings, *, access: Access, champion: Champion, examiner: Examiner, shadow: Shadow
) -> None:
    """Add the page and its files."""
    locales = load_locales(TEMPLATES / "locales")
    examples = Examples(settings.examples_dir)
    environment = _environment(settings, locales)
    limits = {"megabytes": f"{settings.max_body_bytes / 1e6:g}", "megapixels": f"{settings.max_pixels / 1e6:g}"}

    def locale_of(request: Request) -> Locale:
        asked = next((each for each in LANGUAGES if each == request.query_params.get("lang")), None)
        return locales[negotiate(asked, request.headers.get("accept-language", ""))]

    def render(template: str, request: Request, outcome: dict[str, Any]) -> str:
        locale = locale_of(request)
        facts = limits | {"formats": locale.together(FORMATS)}
        shown = {"locale": locale, "t": locale.texts, "facts": facts, "views": _views(request)}
        return environment.get_template(template).render(shown | outcome)

    def whole(request: Request, outcome: dict[str, Any]) -> str:
        try:
            serving = champion.current()
        except errors.NoModel:
            model = None
        else:
            model = report_model(serving.version, serving.classifier.bundle.manifest)
        shown = {"result": None, "problem": None, "model": model, "examples": examples, "docs": access.is_open("/docs")}
        return render("page.html", request, shown | outcome)

    async def examine(request: Request, afterwards: BackgroundTasks) -> tuple[dict[str, Any], Response | None]:
        """The outcome for the templates; with a problem, the response that the API would give."""
        views, example = _views(request), request.query_params.get("example")
        try:
            await access.admit(request, Need.VISIT)
            with examiner.admitted():
                if example is None:
                    data = await read_image(request, limit=settings.max_body_bytes)
                else:
                    data = await to_thread.run_sync(examples.read, example)
                serving = champion.current()
                work = examiner.examine(
                    serving,
                    data,
                    tta=views,
                    question=MAPS,
                    record=request.state.record,
                    counted=example is None,  # a drawn lesion is nobody's
                )
                found = await while_present(request, work)
            assert isinstance(found, Explanation)  # for the type checker  # nosec B101
            afterwards.add_task(shadow.offer, data, found, views)
            shown = await to_thread.run_sync(describe, found, serving, locale_of(request).language)
        except ClientDisconnect:
            raise
        except Exception as error:
            if errors.problem_of(error) is errors.INTERNAL:
                log.exception("unhandled", extra={"request_id": request.state.request_id})
            response = errors.respond(request, error)
            return {"problem": _describe_problem(response)}, response
        return {"result": shown | {"request_id": request.state.request_id}}, None

    def reply(content: str, request: Request, problem: Response | None) -> HTMLResponse:
        response = HTMLResponse(content, headers={"Content-Language": locale_of(request).language})
        access.begin_visit(request, response)  # anew with every answer: what has expired helps to a second try
        if problem is not None:
            response.status_code = problem.status_code
            for name in ("Retry-After", "WWW-Authenticate"):
                if name in problem.headers:
                    response.headers[name] = problem.headers[name]
        return response

    @app.get("/", include_in_schema=False)
    async def show(request: Request) -> HTMLResponse:
        return reply(whole(request, {}), request, None)

    @app.post("/", include_in_schema=False)
    async def answer_form(request: Request, afterwards: BackgroundTasks) -> HTMLResponse:
        outcome, problem = await examine(request, afterwards)
        return reply(whole(request, outcome), request, problem)

    @app.post("/result", include_in_schema=False)
    async def answer_script(request: Request, afterwards: BackgroundTasks) -> HTMLResponse:
        outcome, problem = await examine(request, afterwards)
        return reply(render("problem.html" if problem else "result.html", request, outcome), request, problem)

    add_examples(app, examples)
    card.add_card(app, champion, environment=environment, locale_of=locale_of)
    app.mount("/static", _Files(directory=ROOT / "static"))


def _environment(settings: Settings, locales: dict[Language, Locale]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["problem_titles"] = lambda problems: {slug: each["title"] for slug, each in problems.items()}
    environment.globals |= {
        "diagnoses": DIAGNOSES,
        "disclaimers": DISCLAIMER,
        "languages": {code: each.texts["page"]["name"] for code, each in locales.items()},
        "field": FIELD,
        "limit": settings.max_body_bytes,
        "confident": {"high": risk.HIGH_CONFIDENCE, "medium": risk.MEDIUM_CONFIDENCE},
        "scale": ["#" + bytes(colour).hex() for colour in colormap.table()[::17]],
        "methods": tuple(EXPLAINERS),
        "numbers_of_views": get_args(Views),
    }
    return environment


def _views(request: Request) -> Views:
    """The parameter tta, as the API calls it; the page takes anything unknown for 1."""
    asked = request.query_params.get("tta")
    return next((views for views in get_args(Views) if str(views) == asked), 1)


class _Files(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The page's files may be kept, but are asked for again (ETag): a new release must show at once."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def _describe_problem(response: Response) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(bytes(response.body))
    retry_after = response.headers.get("Retry-After")
    return {"slug": document["type"].rpartition(":")[2], "detail": None, "retry_after": retry_after} | document
