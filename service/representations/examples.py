"""Examples of answers in the OpenAPI document. A test reads each with the model that it stands for."""

from pydantic.config import JsonDict

from service.http.problems import EXAMPLE_ID

_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="  # 1 x 1 pixel

PREDICTED: JsonDict = {
    "request_id": EXAMPLE_ID,
    "model": {
        "name": "skin-lesion",
        "version": "1",
        "alias": "champion",
        "backbone": "3 x efficientnet-lite2",
        "input_size": 224,
    },
    "prediction": {
        "class": "mel",
        "name": "Melanoma",
        "probability": 0.8123,
        "confidence": "high",
        "measured_accuracy": 0.79,
    },
    "risk": {"level": "high", "malignant_probability": 0.8611, "calibrated_probability": 0.7342, "reliable": True},
    "probabilities": {
        "akiec": 0.0312,
        "bcc": 0.0176,
        "bkl": 0.0721,
        "df": 0.0051,
        "mel": 0.8123,
        "nv": 0.0598,
        "vasc": 0.0019,
    },
    "prediction_set": {"coverage": 0.9, "classes": ["mel", "bkl"]},
    "prevalence": "model",
    "warnings": [{"code": "dark", "message": "The image is too dark: the answer is less reliable."}],
    "disclaimer": "Lunar is not a medical device. The result is an automatic estimate for research and teaching: it is "
    "no diagnosis and no substitute for a professional's assessment.",
}
EXPLAINED: JsonDict = PREDICTED | {
    "explanations": [
        {
            "class": "mel",
            "method": "gradcam++",
            "peak": 0.0123,
            "region": {
                "share": 0.12,
                "centroid": {"x": 290.8, "y": 217.0},
                "box": {"x": 177, "y": 83, "width": 235, "height": 274},
                "words": "centre, 12% of the image",
            },
            "heatmap": _PIXEL,
        }
    ],
    "image": {"width": 600, "height": 450},
    "field_of_view": {"x": 75, "y": 0, "width": 450, "height": 450},
}
PROBLEM: JsonDict = {
    "type": "urn:lunar:problem:unreadable-image",
    "title": "The image cannot be read",
    "status": 422,
    "detail": "The JPEG is damaged or truncated.",
    "request_id": EXAMPLE_ID,
}
