"""Answers of the API as a test gives them to the page."""

from inference.domain.taxonomy import CLASSES


def reply(share: float, *, warnings: tuple[str, ...] = (), code: str = "nv") -> dict:
    """An answer of /predict."""
    reliable = "out_of_distribution" not in warnings
    return {
        "request_id": "one",
        "model": {"name": "skin-lesion", "version": "1"},
        "prediction": {
            "class": code,
            "name": "?",
            "probability": 0.5,
            "confidence": "medium",
            "measured_accuracy": 0.55,
        },
        "risk": {"level": "low", "malignant_probability": share, "reliable": reliable},
        "probabilities": dict.fromkeys(CLASSES, 0.1),
        "warnings": [{"code": warning, "message": warning} for warning in warnings],
    }
