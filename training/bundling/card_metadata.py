"""The YAML header of a model card, as the Hugging Face Hub reads it: licence, tags and results (`model-index`)."""

from typing import Any

import yaml

from inference.bundle.manifest import Interval, ManifestDraft, Metrics
from inference.bundle.uncertainty import Uncertainty
from inference.domain.taxonomy import BY_CODE, CLASSES

# Licences by their identifier at the Hub; others are named in words.
_LICENCES = {"CC BY-NC 4.0": "cc-by-nc-4.0", "CC BY 4.0": "cc-by-4.0", "CC0 1.0": "cc0-1.0", "Apache-2.0": "apache-2.0"}
_TYPES = {"accuracy": "accuracy", "macro_f1": "f1", "weighted_f1": "f1", "malignant_auc": "roc_auc"}
_NAMES = {
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "macro_auc": "Macro AUC",
    "malignant_auc": "AUC of the malignant score",
    "calibration_error": "Expected calibration error (15 bins)",
}


def card_header(draft: ManifestDraft, uncertainty: Uncertainty | None) -> str:
    """The header between its two lines `---`; without results if the bundle is untrained."""
    header: dict[str, Any] = {
        "language": ["en"],
        **_licence(draft.data.licence if draft.data else "Apache-2.0"),
        "library_name": "openvino",
        "pipeline_tag": "image-classification",
        "tags": ["dermoscopy", "skin-lesions", "medical-imaging", "not-a-medical-device"],
    }
    if draft.metrics and draft.data:
        header["metrics"] = ["accuracy", "f1", "roc_auc"]
        header["model-index"] = [{"name": draft.name, "results": [_result(draft, draft.metrics, uncertainty)]}]
    return f"---\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=1000)}---\n"


def _licence(licence: str) -> dict[str, str]:
    known = _LICENCES.get(licence)
    return {"license": known} if known else {"license": "other", "license_name": licence}


def _result(draft: ManifestDraft, metrics: Metrics, uncertainty: Uncertainty | None) -> dict[str, Any]:
    values = [_metric(_TYPES.get(name, name), name, label, metrics.overall[name]) for name, label in _NAMES.items()]
    values += [
        _metric("recall", f"recall_{code}", f"Recall of {BY_CODE[code].en}", metrics.per_class[code]["recall"])
        for code in CLASSES
    ]
    if uncertainty and uncertainty.malignancy:
        brier = uncertainty.malignancy.brier
        values.append(_metric("brier_score", "brier", "Brier score of the probability of malignancy", brier))
    return {
        "task": {"type": "image-classification", "name": "Classification of dermoscopic images into seven classes"},
        "dataset": {
            "name": draft.data.name if draft.data else draft.name,
            "type": "image-folder",
            "split": metrics.evaluated_on or metrics.source,
        },
        "metrics": values,
    }


def _metric(kind: str, name: str, label: str, measured: Interval) -> dict[str, Any]:
    """One result; the Hub has no place for an interval, so its ends stand in the arguments."""
    interval = {"low": round(measured.low, 4), "high": round(measured.high, 4), "level": 0.95}
    return {
        "type": kind,
        "name": label,
        "value": round(measured.value, 4),
        "verified": False,
        "args": {"metric": name, "interval": interval},
    }
