"""An explanation -> what the result's template shows."""

import io
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.classifier import Explanation
from inference.heatmap import overlay
from inference.report import report_explanation, report_model
from inference.taxonomy import BY_CODE, Language
from service.following import Serving

QUALITY = 90  # a JPEG for the eye is a tenth of a PNG


def describe(found: Explanation, serving: Serving, language: Language) -> dict[str, Any]:
    """The body of /explain, and beside it the classes by falling probability, the thresholds and the pictures.

    `found` holds the heat maps of every class and method.
    """
    manifest = serving.classifier.bundle.manifest
    answer = report_explanation(found, language)
    ranked = sorted(answer["probabilities"].items(), key=lambda each: -each[1])
    first = next(each for each in answer["explanations"] if each["class"] == found.prediction.code)
    # That some class has no evidence is usual; the reader needs to know it of the class that is shown.
    needless = () if first["peak"] <= 0 else ("no_positive_evidence",)
    return answer | {
        "warnings": [each for each in answer["warnings"] if each["code"] not in needless],
        "predicted": BY_CODE[found.prediction.code],
        "ranking": [(BY_CODE[code], probability) for code, probability in ranked],
        "thresholds": manifest.thresholds,
        "model": report_model(serving.version, manifest),
        "analysed": datetime.now(UTC),
        "original": _jpeg(found.picture),
        "overlay": _jpeg(draw_overlay(found)),
    }


def draw_overlay(found: Explanation) -> NDArray[np.uint8]:
    """The predicted class's first map on the picture, for browsers without a script: uint8 RGB [h, w, 3]."""
    one = next(each for each in found.maps if each.code == found.prediction.code)
    grey = cv2.imdecode(np.frombuffer(one.heatmap or b"", np.uint8), cv2.IMREAD_GRAYSCALE)
    height, width = found.picture.shape[:2]
    return overlay(found.picture, np.asarray(cv2.resize(grey, (width, height)), np.uint8))


def _jpeg(pixels: NDArray[np.uint8]) -> str:
    """A JPEG without metadata as a data URL: what browsers that cannot draw the upload's format (TIFF) see too."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{b64encode(buffer.getvalue()).decode()}"
