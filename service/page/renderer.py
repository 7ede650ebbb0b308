"""Renders the page's templates in the language of a request."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

from fastapi import Depends, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from inference import __version__
from inference.bundle.prediction_sets import fewest_images
from inference.domain import risk
from inference.domain.taxonomy import DIAGNOSES, LANGUAGES, Language
from inference.explainers import EXPLAINERS, colormap
from inference.imaging.file_format import accepted_formats
from inference.imaging.test_time_augmentation import ViewCount
from inference.prediction.classifier import UNRELIABLE
from inference.prediction.messages import DISCLAIMER, WARNINGS
from inference.prediction.replies import ModelName
from service.http.content_language import negotiate
from service.http.image_form import FIELD
from service.http.problems import Occurrence
from service.page import charts
from service.page.example_images import Examples
from service.page.localization import Locale, load_locales
from service.page.result_view import ResultView, answer_values
from service.page.static_files import FOLDER as STATIC
from service.page.static_files import static_address
from service.settings import Settings

# Warnings under which a level of risk stands, but is worth less.
LESS_RELIABLE = ("low_resolution", "blurred", "dark", "no_positive_evidence")
TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a form brought: a result, a problem, or neither if nothing was sent."""

    result: ResultView | None = None
    problem: Occurrence | None = None


class PageRenderer:
    """The templates with their texts; `app.state.page` holds one for each application."""

    def __init__(self, settings: Settings) -> None:
        self.examples = Examples(settings.examples_dir)
        self._locales = load_locales(TEMPLATES / "locales")
        self._environment = _environment(settings, self._locales)
        self._limits = {"megabytes": settings.max_body_bytes / 1e6, "megapixels": settings.max_pixels / 1e6}

    def locale_of(self, request: Request) -> Locale:
        """The language of the parameter `lang`, else of Accept-Language."""
        requested = request.query_params.get("lang")
        parameter = next((language for language in LANGUAGES if language == requested), None)
        return self._locales[negotiate(parameter, request.headers.get("accept-language", ""))]

    def page(self, request: Request, outcome: Outcome, *, model: ModelName | None, docs: bool) -> str:
        """The whole page; `docs` says whether it links to the API's documentation."""
        return self.render("page.html", request, outcome=outcome, model=model, examples=self.examples, docs=docs)

    def partial(self, request: Request, outcome: Outcome) -> str:
        """The result or the problem alone, in every language; the page's script inserts one of them."""
        rendered = (
            self._render("outcome.html", request, locale, outcome=outcome, script=True)
            for locale in self._locales.values()
        )
        return "".join(rendered)

    def render(self, template: str, request: Request, **values: Any) -> str:
        """Any template of the page."""
        return self._render(template, request, self.locale_of(request), **values)

    def _render(self, template: str, request: Request, locale: Locale, **values: Any) -> str:
        if outcome := values.pop("outcome", None):
            values |= {"result": outcome.result, "problem": outcome.problem}
        limits = {name: locale.fact(limit) for name, limit in self._limits.items()}
        facts = limits | {"formats": locale.together(accepted_formats())}
        shared = {"locale": locale, "t": locale.texts, "facts": facts, "views": view_count(request), "script": False}
        return self._environment.get_template(template).render(shared | values)


async def _page(request: Request) -> PageRenderer:
    page: PageRenderer = request.app.state.page
    return page


InjectedPage = Annotated[PageRenderer, Depends(_page)]


def of_ten(share: float) -> int:
    """0.957 -> 9. A share that is not 0 or 1 is never written as if it were."""
    return int(share * 10) if share in (0, 1) else min(9, max(1, round(share * 10)))


def view_count(request: Request) -> ViewCount:
    """The parameter `tta` of the API; the page reads an unknown value as 1."""
    value = request.query_params.get("tta")
    return next((views for views in get_args(ViewCount) if str(views) == value), 1)


def _environment(settings: Settings, locales: dict[Language, Locale]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}  # and the order of the API
    environment.filters["of_ten"] = of_ten
    environment.filters["fewest_images"] = fewest_images
    environment.filters["problem_titles"] = lambda problems: {slug: words["title"] for slug, words in problems.items()}
    environment.filters["answer_values"] = answer_values
    environment.globals |= {
        "version": __version__,
        "charts": charts,
        "diagnoses": DIAGNOSES,
        "disclaimers": DISCLAIMER,
        "class_names": {language: {each.code: each.name(language) for each in DIAGNOSES} for language in LANGUAGES},
        "warning_messages": {
            language: {code: messages[language] for code, messages in WARNINGS.items()} for language in LANGUAGES
        },
        "languages": {code: locale.texts["page"]["name"] for code, locale in locales.items()},
        "field": FIELD,
        "limit": settings.max_body_bytes,
        "confident": {"high": risk.HIGH_CONFIDENCE, "medium": risk.MEDIUM_CONFIDENCE},
        "static": static_address(),
        "scale": ["#" + bytes(colour).hex() for colour in colormap.table()[::17]],
        "methods": tuple(EXPLAINERS),
        "modules": sorted(path.name for path in STATIC.glob("*.js") if path.name not in ("docs.js", "page.js")),
        "unreliable": UNRELIABLE,
        "less_reliable": LESS_RELIABLE,
        "warning_codes": tuple(WARNINGS),
        "numbers_of_views": get_args(ViewCount),
    }
    return environment
