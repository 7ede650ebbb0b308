"""Prediction | Explanation -> the public JSON (the service adds request_id and model)."""

from base64 import b64encode
from typing import Any

from inference.classifier import Explanation, Prediction
from inference.explanation import ClassMap
from inference.manifest import Manifest
from inference.registry import Version
from inference.taxonomy import BY_CODE, CLASSES, Language
from inference.wording import DISCLAIMER, WARNINGS


def report_prediction(prediction: Prediction, language: Language) -> dict[str, Any]:
    """The body of /predict."""
    probabilities = {code: float(p) for code, p in zip(CLASSES, prediction.probabilities, strict=True)}
    return {
        "prediction": {
            "class": prediction.code,
            "name": BY_CODE[prediction.code].name(language),
            "probability": probabilities[prediction.code],
            "confidence": prediction.confidence,
        },
        "risk": {"level": prediction.risk, "malignant_probability": prediction.malignant_probability},
        "probabilities": probabilities,
        "warnings": [{"code": code, "message": WARNINGS[code][language]} for code in prediction.warnings],
        "disclaimer": DISCLAIMER[language],
    }


def report_explanation(explanation: Explanation, language: Language) -> dict[str, Any]:
    """The body of /explain: that of /predict and the class maps."""
    view = explanation.field_of_view
    return report_prediction(explanation.prediction, language) | {
        "explanations": [_report_map(each) for each in explanation.maps],
        "image": {"width": explanation.width, "height": explanation.height},
        "field_of_view": {"x": view.x, "y": view.y, "width": view.width, "height": view.height},
    }


def _report_map(each: ClassMap) -> dict[str, Any]:
    pictures = {"heatmap": each.heatmap, "overlay": each.overlay}
    encoded = {name: b64encode(png).decode() for name, png in pictures.items() if png is not None}
    return {"class": each.code, "method": each.method, "peak": each.peak} | encoded


def report_model(version: Version, manifest: Manifest) -> dict[str, Any]:
    """Which model answered."""
    return {
        "name": version.name,
        "version": version.version,
        "alias": version.alias,
        "backbone": manifest.backbone,
        "input_size": manifest.preprocessing.size,
    }
