"""An explanation -> what the result's template shows."""

import io
from base64 import b64encode
from typing import Any

from PIL import Image

from inference.classifier import Explanation
from inference.report import report_explanation, report_model
from inference.taxonomy import BY_CODE, Language
from service.following import Serving

QUALITY = 90  # a JPEG for the eye is a tenth of a PNG


def describe(found: Explanation, serving: Serving, language: Language) -> dict[str, Any]:
    """The body of /explain, and beside it the classes by falling probability, the thresholds and the pictures."""
    manifest = serving.classifier.bundle.manifest
    answer = report_explanation(found, language)
    ranked = sorted(answer["probabilities"].items(), key=lambda each: -each[1])
    return answer | {
        "predicted": BY_CODE[found.prediction.code],
        "ranking": [(BY_CODE[code], probability) for code, probability in ranked],
        "thresholds": manifest.thresholds,
        "model": report_model(serving.version, manifest),
        "original": f"data:image/jpeg;base64,{b64encode(copy_original(found)).decode()}",
        "overlay": f"data:image/png;base64,{answer['explanations'][0]['overlay']}",
    }


def copy_original(found: Explanation) -> bytes:
    """The upright original, as large as its overlay, as a JPEG without metadata.

    The page shows it where no script can, and where a browser cannot draw the format itself (TIFF).
    """
    buffer = io.BytesIO()
    Image.fromarray(found.picture).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
