"""Signature of the MLflow model: input column, parameters and output columns, with MLflow's names of their types."""

from inference.domain.taxonomy import CLASSES

IMAGE = "image"  # the bytes of one image file; base64 in JSON

INPUTS = {IMAGE: "binary"}

PARAMETERS: dict[str, tuple[str, int | bool]] = {
    "tta": ("integer", 1),  # number of views to average
    "heatmap": ("boolean", False),  # whether to draw Grad-CAM++ of the predicted class
}

# One flat row an image. A missing number is null, but a missing text is empty, because spark_udf of MLflow 3.17 turns a
# missing text into "None". The heat map is base64, because spark_udf refuses binary columns.
OUTPUTS = {
    "class": "string",
    "malignant_probability": "double",
    "risk": "string",
    **{f"probability_{code}": "double" for code in CLASSES},
    "heatmap": "string",  # 8-bit grey PNG in base64, if the parameter `heatmap` is true
    "warnings": "string",  # codes, separated by commas
    "error": "string",  # why this image has no prediction
}
