"""What the MLflow model takes and gives: its columns and parameters, with MLflow's names of their types."""

from inference.taxonomy import CLASSES

IMAGE = "image"  # the bytes of one image file; base64 in JSON

INPUTS = {IMAGE: "binary"}

PARAMETERS: dict[str, tuple[str, int | bool]] = {
    "tta": ("integer", 1),  # views averaged
    "heatmap": ("boolean", False),  # whether to draw Grad-CAM++ of the predicted class
}

# One flat row an image. A text is empty where there is nothing to say, and a number null, because spark_udf of
# MLflow 3.17 turns a missing text into "None" and refuses binary columns: hence a heat map in base64.
OUTPUTS = {
    "class": "string",
    "malignant_probability": "double",
    "risk": "string",
    **{f"probability_{code}": "double" for code in CLASSES},
    "heatmap": "string",  # 8-bit grey PNG in base64, if it was asked for
    "error": "string",  # why this image has no answer
}
