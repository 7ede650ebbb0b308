"""Prediction and Analysis -> the public JSON, as pydantic models. The service adds the request id and the model."""

from base64 import b64encode

from inference.bundle.manifest import Manifest
from inference.bundle.prediction_sets import COVERAGE
from inference.domain.model_version import ModelVersion
from inference.domain.prevalence import MODEL, PRESETS, Prevalence
from inference.domain.taxonomy import BY_CODE, CLASSES, Language
from inference.explainers.class_maps import ClassMap
from inference.explainers.evidence import Evidence
from inference.prediction.classifier import Analysis, Prediction
from inference.prediction.messages import DISCLAIMER, WARNINGS, describe_evidence
from inference.prediction.replies import (
    ClassMapReply,
    EvidenceReply,
    ExplanationReply,
    ModelName,
    Notice,
    Place,
    PredictedClass,
    PredictionReply,
    PredictionSet,
    Region,
    Risk,
    Size,
)


def prediction_reply(prediction: Prediction, language: Language, coverage: float = COVERAGE) -> PredictionReply:
    """The body of /predict; texts in the language, the prediction set of one of COVERAGES."""
    probabilities = {code: float(p) for code, p in zip(CLASSES, prediction.probabilities, strict=True)}
    predicted = PredictedClass(
        class_=prediction.code,
        name=BY_CODE[prediction.code].name(language),
        probability=probabilities[prediction.code],
        confidence=prediction.confidence,
        measured_accuracy=prediction.measured_accuracy,
    )
    return PredictionReply(
        prediction=predicted,
        risk=Risk(
            level=prediction.risk,
            malignant_probability=prediction.malignant_probability,
            calibrated_probability=prediction.calibrated_malignant,
            reliable=prediction.reliable,
        ),
        probabilities=probabilities,
        prediction_set=(
            PredictionSet(coverage=coverage, classes=list(prediction.sets[coverage])) if prediction.sets else None
        ),
        prevalence=prevalence_reply(prediction.prevalence),
        warnings=[Notice(code=code, message=WARNINGS[code][language]) for code in prediction.warnings],
        disclaimer=DISCLAIMER[language],
    )


def prevalence_reply(prevalence: Prevalence | None) -> str | dict[str, float]:
    """A preset's name, or the share of each class."""
    if prevalence is None:
        return MODEL
    return prevalence.name if prevalence.name in PRESETS else dict(zip(CLASSES, prevalence.shares, strict=True))


def explanation_reply(analysis: Analysis, language: Language, coverage: float = COVERAGE) -> ExplanationReply:
    """The body of /explain: that of /predict and the class maps."""
    view = analysis.field_of_view
    image = Size(width=analysis.width, height=analysis.height)
    return ExplanationReply(
        **dict(prediction_reply(analysis.prediction, language, coverage)),
        explanations=[_class_map_reply(class_map, image, language) for class_map in analysis.maps],
        image=image,
        field_of_view=Region(x=view.x, y=view.y, width=view.width, height=view.height),
    )


def _class_map_reply(class_map: ClassMap, image: Size, language: Language) -> ClassMapReply:
    return ClassMapReply(
        class_=class_map.code,
        method=class_map.method,
        peak=class_map.peak,
        region=_evidence_reply(class_map.evidence, image, language) if class_map.evidence else None,
        heatmap=_base64(class_map.heatmap),
        overlay=_base64(class_map.overlay),
    )


def _evidence_reply(evidence: Evidence, image: Size, language: Language) -> EvidenceReply:
    left, top = round(evidence.left * image.width), round(evidence.top * image.height)
    right = round((evidence.left + evidence.width) * image.width)
    bottom = round((evidence.top + evidence.height) * image.height)
    return EvidenceReply(
        share=evidence.share,
        centroid=Place(x=evidence.x * image.width, y=evidence.y * image.height),
        box=Region(x=left, y=top, width=max(1, right - left), height=max(1, bottom - top)),
        words=describe_evidence(evidence, language),
    )


def _base64(png: bytes | None) -> str | None:
    return None if png is None else b64encode(png).decode()


def model_reply(version: ModelVersion, manifest: Manifest) -> ModelName:
    """Which model answered."""
    return ModelName(
        name=version.name,
        version=version.version,
        alias=version.alias,
        backbone=manifest.backbone,
        input_size=manifest.preprocessing.size,
    )
