"""The model page, GET /model-card: the served model, its metrics on the test set, and its limits."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from inference.bundle.evaluation_curves import Curves
from inference.bundle.manifest import OF_A_CLASS, Metrics
from inference.bundle.manifest import OVERALL as NUMBERS
from inference.bundle.out_of_distribution import OodEvaluation
from inference.domain.taxonomy import CLASSES, DIAGNOSES, Language
from inference.prediction.messages import DISCLAIMER
from inference.prediction.serialization import prevalence_reply
from service import errors
from service.components import InjectedComponents
from service.http import problems
from service.page import charts
from service.page.natural_frequencies import MELANOMAS, frequencies, parse_melanomas
from service.page.renderer import InjectedPage
from service.serving.served_model import ServedModel

SHARES = {"balanced_accuracy", "accuracy", "accuracy_of_always_nv", "recall", "precision"}  # the rest are indices
# The manifest's metrics in their order; True if the metric is a share, False if it is an index.
OVERALL = {name: name in SHARES for name in NUMBERS}
PER_CLASS = {name: name in SHARES for name in OF_A_CLASS}


router = APIRouter(include_in_schema=False)


@router.get("/model-card")
def show_card(request: Request, components: InjectedComponents, page: InjectedPage) -> HTMLResponse:
    """The model page; 503 without a model."""
    locale = page.locale_of(request)
    shown: dict[str, Any] = {"manifest": None, "disclaimer": DISCLAIMER[locale.language]}
    shown["docs"], shown["raw"] = map(components.access_policy.is_open, ("/docs", "/model"))
    shown["ticks"] = [(quarter / 4, locale.percent(quarter / 4, digits=0)) for quarter in range(5)]
    headers: dict[str, str] = {"Content-Language": locale.language}
    status = 200
    try:
        served = components.model_manager.current()
        shown |= describe_card(served, locale.language)
        shown |= _typical(served, request.query_params.get("melanomas"))
    except errors.NoModel as error:
        problem = problems.problem_of(error)
        status, headers = problem.status, headers | {"Retry-After": str(problem.retry_after)}
    return HTMLResponse(page.render("model_card.html", request, **shown), status, headers)


def describe_card(served: ServedModel, language: Language) -> dict[str, Any]:
    """What the template shows of a bundle.

    An untrained bundle has no metrics; a bundle without curves has no charts of them; without an out-of-distribution
    evaluation the page says that the model does not recognise images for which it was not made.
    """
    bundle = served.classifier.bundle
    manifest, curves = bundle.manifest, bundle.curves
    described: dict[str, Any] = {"served": served, "manifest": manifest, "curves": curves}
    if manifest.metrics is None:
        return described
    ood_evaluation = bundle.ood_detector.evaluation if bundle.ood_detector else None
    described |= {
        "metrics": manifest.metrics,
        "uncertainty": bundle.uncertainty,
        "maps": bundle.maps,
        "prevalence": prevalence_reply(served.classifier.prevalence),
        "ood_evaluation": ood_evaluation,
        "far_panels": _far_panels(ood_evaluation),
        "names": {diagnosis.code: diagnosis.name(language) for diagnosis in DIAGNOSES},
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
            "pairs": [pair for pair in zip(after.bins, before.bins, strict=True) if pair[0].count or pair[1].count],
        }
    return described


def _typical(served: ServedModel, typed: str | None) -> dict[str, Any]:
    """Natural frequencies for the number of melanomas that the reader typed; none without measured alarms."""
    known, parsed = served.classifier.bundle.uncertainty, parse_melanomas(typed)
    melanomas = MELANOMAS if parsed is None else parsed
    alarms = {"moderate": known.alarms.moderate, "high": known.alarms.high} if known and known.alarms else {}
    counted = {level: frequencies(found, melanomas) for level, found in alarms.items()}
    return {
        "typical": {level: each for level, each in counted.items() if each},
        "melanomas": melanomas,
        "understood": parsed is not None,
    }


def _far_panels(evaluation: OodEvaluation | None) -> dict[str, charts.Panel]:
    """ROC panels of the images far from dermoscopy, by kind, with the threshold of the warning."""
    far = evaluation.far if evaluation else None
    if far is None:
        return {}
    return {
        name: charts.roc_panel(kind.roc, {"threshold": (far.false_flags.value, kind.flagged.value)})
        for name, kind in far.kinds.items()
        if kind.roc
    }


def _panels(curves: Curves, metrics: Metrics) -> dict[str, charts.Panel]:
    """ROC panels: the malignant probability with its two risk levels, then each class with the model's answers."""
    panels = {}
    if curves.malignant and curves.risk:
        levels = {"moderate": curves.risk.moderate, "high": curves.risk.high}
        marks = {name: (1 - level.specificity.value, level.sensitivity.value) for name, level in levels.items()}
        panels["malignant"] = charts.roc_panel(curves.malignant, marks)
    answers = charts.rates_of_answers(metrics.confusion)
    for code, roc in curves.roc.items():
        panels[code] = charts.roc_panel(roc, {"answer": answers[code]} if code in answers else {})
    return panels
