"""The page: GET / shows it, POST / answers a plain form with it, POST /result answers with the result alone."""

import json
import logging
from pathlib import Path
from typing import Any

from anyio import to_thread
from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from inference import colormap, risk
from inference.classifier import Explanation
from inference.explanation import Question
from inference.image import FORMATS
from inference.report import report_model
from inference.taxonomy import DIAGNOSES, LANGUAGES
from inference.wording import DISCLAIMER
from service import card, errors
from service.champion import Champion
from service.examination import Examiner
from service.language import negotiate
from service.locale import Locale, load_locales
from service.result import describe
from service.settings import Settings
from service.shadow import Shadow
from service.upload import FIELD, read_image

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "templates"

log = logging.getLogger(__name__)


def add_page(app: FastAPI, settings: Settings, champion: Champion, examiner: Examiner, shadow: Shadow) -> None:
    """Add the page and its files."""
    locales = load_locales(TEMPLATES / "locales")
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "diagnoses": DIAGNOSES,
        "languages": {code: each.texts["page"]["name"] for code, each in locales.items()},
        "field": FIELD,
        "limit": settings.max_body_bytes,
        "confident": {"high": risk.HIGH_CONFIDENCE, "medium": risk.MEDIUM_CONFIDENCE},
        "scale": ["#" + bytes(colour).hex() for colour in colormap.table()[::17]],
    }

    limits = {"megabytes": f"{settings.max_body_bytes / 1e6:g}", "megapixels": f"{settings.max_pixels / 1e6:g}"}

    def locale_of(request: Request) -> Locale:
        asked = next((each for each in LANGUAGES if each == request.query_params.get("lang")), None)
        return locales[negotiate(asked, request.headers.get("accept-language", ""))]

    def render(template: str, locale: Locale, outcome: dict[str, Any]) -> str:
        facts = limits | {"formats": locale.together(FORMATS)}
        return environment.get_template(template).render(locale=locale, t=locale.texts, facts=facts, **outcome)

    def whole(locale: Locale, outcome: dict[str, Any]) -> str:
        try:
            serving = champion.current()
        except errors.NoModel:
            model = None
        else:
            model = report_model(serving.version, serving.classifier.bundle.manifest)
        shown = {"result": None, "problem": None, "model": model, "disclaimer": DISCLAIMER[locale.language]}
        return render("page.html", locale, shown | outcome)

    async def examine(
        request: Request, locale: Locale, afterwards: BackgroundTasks
    ) -> tuple[dict[str, Any], Response | None]:
        """The outcome for the templates; with a problem, the response that the API would give."""
        try:
            with examiner.admitted():
                data = await read_image(request, limit=settings.max_body_bytes)
                serving = champion.current()
                found = await examiner.examine(serving, data, tta=1, question=Question(render="overlay"))
            assert isinstance(found, Explanation)
            afterwards.add_task(shadow.offer, data, found, 1)
            shown = await to_thread.run_sync(describe, found, serving, locale.language)
        except ClientDisconnect:
            raise
        except Exception as error:
            if errors.problem_of(error) is errors.INTERNAL:
                log.exception("unhandled", extra={"request_id": request.state.request_id})
            response = errors.respond(request, error)
            return {"problem": _describe_problem(response)}, response
        return {"result": shown}, None

    def reply(content: str, locale: Locale, problem: Response | None) -> HTMLResponse:
        headers: dict[str, str] = {"Content-Language": locale.language}
        if problem is None:
            return HTMLResponse(content, headers=headers)
        if "Retry-After" in problem.headers:
            headers["Retry-After"] = problem.headers["Retry-After"]
        return HTMLResponse(content, problem.status_code, headers)

    @app.get("/", include_in_schema=False)
    async def show(request: Request) -> HTMLResponse:
        locale = locale_of(request)
        return reply(whole(locale, {}), locale, None)

    @app.post("/", include_in_schema=False)
    async def answer_form(request: Request, afterwards: BackgroundTasks) -> HTMLResponse:
        locale = locale_of(request)
        outcome, problem = await examine(request, locale, afterwards)
        return reply(whole(locale, outcome), locale, problem)

    @app.post("/result", include_in_schema=False)
    async def answer_script(request: Request, afterwards: BackgroundTasks) -> HTMLResponse:
        locale = locale_of(request)
        outcome, problem = await examine(request, locale, afterwards)
        return reply(render("problem.html" if problem else "result.html", locale, outcome), locale, problem)

    card.add_card(app, champion, environment=environment, locale_of=locale_of)
    app.mount("/static", _Files(directory=ROOT / "static"))


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
