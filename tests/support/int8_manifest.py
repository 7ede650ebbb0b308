"""Parts of a manifest that describe an int8 graph beside a fake one of float32, and the latter in bfloat16."""

FP32 = {"path": "graphs/fake.xml", "precision": "fp32", "tolerance": 1e-4}
NUMBERS = {"balanced_accuracy": 0.71, "melanoma_recall": 0.7, "macro_auc": 0.9, "calibration_error": 0.02}
COMPARISON = {
    "source": "validation images",
    "images": 9,
    "graphs": {"openvino-fp32": NUMBERS, "openvino-int8": NUMBERS | {"balanced_accuracy": 0.68}},
    "same_class": 1.0,
    "heat_maps": {"images": 9, "rank_correlation": 1, "rank_correlation_of_95_percent": 1, "peak_moved": 0},
}
QUANTISATION = {"method": "a way", "calibration": "9 images", "gated": True, "comparison": COMPARISON, "bytes": {}}
BFLOAT16 = {
    "tolerance": 0.01,
    "gated": True,
    "comparison": COMPARISON | {"graphs": {"openvino-fp32": NUMBERS, "openvino-bf16": NUMBERS}},
}
