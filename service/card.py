"""The model page: GET /model-card shows what is in service, how good it is and what it must not be used for."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from inference.curves import Curves
from inference.manifest import OF_A_CLASS, Metrics
from inference.manifest import OVERALL as NUMBERS
from inference.taxonomy import CLASSES, DIAGNOSES, Language
from inference.wording import DISCLAIMER
from service import charts, errors
from service.champion import Champion
from service.following import Serving
from service.locale import Locale

SHARES = {"balanced_accuracy", "accuracy", "accuracy_of_always_nv", "recall", "precision"}  # the rest are indices
# The manifest's numbers in their order; True where 1 is a share, not an index.
OVERALL = {name: name in SHARES for name in NUMBERS}
PER_CLASS = {name: name in SHARES for name in OF_A_CLASS}


def add_card(
    app: FastAPI, champion: Champion, *, environment: Environment, locale_of: Callable[[Request], Locale]
) -> None:
    """Add the route to the page's application; `environment` is the one of the page's templates."""
    environment.globals["charts"] = charts

    @app.get("/model-card", include_in_schema=False)
    def show_card(request: Request) -> HTMLResponse:
        locale = locale_of(request)
        headers: dict[str, str] = {"Content-Language": locale.language}
        shown: dict[str, Any] = {"manifest": None, "disclaimer": DISCLAIMER[locale.language]}
        shown["ticks"] = [(part / 4, locale.percent(part / 4, digits=0)) for part in range(5)]
        status = 200
        try:
            shown |= describe_card(champion.current(), locale.language)
        except errors.NoModel as error:
            problem = errors.problem_of(error)
            status = problem.status
            headers["Retry-After"] = str(problem.retry_after)
        html = environment.get_template("model_card.html").render(locale=locale, t=locale.texts, **shown)
        return HTMLResponse(html, status, headers)


def describe_card(serving: Serving, language: Language) -> dict[str, Any]:
    """What the template shows of a bundle; an untrained one has no numbers, one without curves no charts of them.

    Without a trial it says that the model cannot tell images that it was not made for.
    """
    bundle = serving.classifier.bundle
    manifest, curves = bundle.manifest, bundle.curves
    described: dict[str, Any] = {"serving": serving, "manifest": manifest, "curves": curves}
    if manifest.metrics is None:
        return described
    described |= {
        "metrics": manifest.metrics,
        "trial": bundle.novelty.trial if bundle.novelty else None,
        "names": {each.code: each.name(language) for each in DIAGNOSES},
        "overall": OVERALL,
        "per_class": PER_CLASS,
        "matrix": charts.matrix(manifest.metrics.confusion),
        "place": {code: number for number, code in enumerate(CLASSES)},
    }
    if curves is not None:
        before, after = charts.diagram(curves.uncalibrated), charts.diagram(curves.calibrated)
        described |= {
            "answers": charts.rates_of_answers(manifest.metrics.confusion),
            "panels": _panels(curves, manifest.metrics),
            "before": before,
            "after": after,
            "pairs": [each for each in zip(after.bins, before.bins, strict=True) if each[0].count or each[1].count],
        }
    return described


def _panels(curves: Curves, metrics: Metrics) -> dict[str, charts.Panel]:
    """The malignant probability with its two risk levels, then the classes with what the model answers."""
    panels = {}
    if curves.malignant and curves.risk:
        levels = {"moderate": curves.risk.moderate, "high": curves.risk.high}
        marks = {name: (1 - each.specificity.value, each.sensitivity.value) for name, each in levels.items()}
        panels["malignant"] = charts.roc_panel(curves.malignant, marks)
    answers = charts.rates_of_answers(metrics.confusion)
    for code, roc in curves.roc.items():
        panels[code] = charts.roc_panel(roc, {"answer": answers[code]} if code in answers else {})
    return panels
