"""A Comprehensive 3D SR (TID 1500) with the probabilities, the level of risk, warnings, and the model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inference import __version__
from inference.domain.taxonomy import DIAGNOSES
from inference.imaging.preprocessing import allowed_reduction
from inference.prediction.classifier import Prediction
from service.representations.dicom_source import (
    MANUFACTURER,
    device_uid,
    document_uid,
    lesion_uid,
    origin_of,
    source_dataset,
)
from service.representations.representation import Answered

if TYPE_CHECKING:
    from highdicom.sr import CodedConcept, Measurement, MeasurementReport, QualitativeEvaluation
    from pydicom import Dataset

SERIES_NUMBER = 9002
_PASSING = frozenset({"stale_model"})  # a warning that does not follow from the image
SCHEME = "99LUNAR"  # a private coding scheme (PS3.16, 8.2): no published one has these probabilities


def report(answered: Answered) -> "Dataset":
    """The report on the source. Raises NotAcceptable without one."""
    from highdicom.sr import Comprehensive3DSR

    source = source_dataset(origin_of(answered))
    passing = [each for each in _warnings(answered) if each in _PASSING]
    document = Comprehensive3DSR(
        evidence=[source],
        content=_content(answered)[0],
        series_instance_uid=document_uid(answered, "series of reports"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=document_uid(answered, "report", _reduction(answered), *passing),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
    )
    document.SeriesDescription = "Lunar: probabilities"
    document.ManufacturerModelName = answered.served.reply.name[:64]
    document.SoftwareVersions = __version__
    document.PreliminaryFlag = "PRELIMINARY"
    return document


def _reduction(answered: Answered) -> int:
    """How much a large photo was reduced: less if a map is drawn on it, and then its probabilities are others."""
    spec, analysis = answered.served.classifier.bundle.manifest.preprocessing, answered.analysis
    side = answered.explanation.side if answered.explanation else 0
    return allowed_reduction(spec, side=side)(analysis.width, analysis.height)


def _content(answered: Answered) -> "MeasurementReport":
    from highdicom import sr

    origin, model = origin_of(answered), answered.served.reply
    prediction, digest = answered.analysis.prediction, answered.served.classifier.bundle.manifest.digest
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=device_uid(answered),
        name="Lunar",
        manufacturer_name=MANUFACTURER,
        model_name=model.name,
        serial_number=digest,
    )
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=lesion_uid(answered), identifier="Lesion"),
        algorithm_id=sr.AlgorithmIdentification(
            name=model.name,
            version=model.version,
            parameters=[f"Lunar {__version__}", f"bundle sha256:{digest}", "Not a medical device"],
        ),
        measurements=_measurements(prediction),
        qualitative_evaluations=_evaluations(prediction, _warnings(answered)),
        source_images=[sr.SourceImageForMeasurementGroup(origin.sop_class, origin.sop_instance)],
    )
    observer = sr.ObserverContext(observer_type=_standard("121007", "Device"), observer_identifying_attributes=device)
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=_code("dermoscopy-ai", "Classification of a dermoscopic image"),
        imaging_measurements=[group],
        title=_standard("126000", "Imaging Measurement Report"),
    )


def _measurements(prediction: Prediction) -> "list[Measurement]":
    from highdicom.sr import CodedConcept, Measurement

    unit = CodedConcept("1", "UCUM", "no units")
    values = {_class_concept(index): float(p) for index, p in enumerate(prediction.probabilities)}
    values[_code("prob-malignant", "Malignant probability (mel, bcc, akiec)")] = prediction.malignant_probability
    # DICOM's decimal strings have at most 16 characters.
    return [Measurement(name=name, value=round(value, 6), unit=unit) for name, value in values.items()]


def _class_concept(index: int) -> "CodedConcept":
    diagnosis = DIAGNOSES[index]
    return _code(f"prob-{diagnosis.code}", f"Probability of {diagnosis.en.lower()}")


def _evaluations(prediction: Prediction, warnings: Sequence[str]) -> "list[QualitativeEvaluation]":
    from highdicom.sr import QualitativeEvaluation

    level = prediction.risk if prediction.reliable else "unreliable"
    found = [(_code("risk", "Level of risk"), _code(f"risk-{level}", level))]
    found += [(_code("warning", "Warning"), _code(each, each.replace("_", " "))) for each in warnings]
    return [QualitativeEvaluation(name=name, value=value) for name, value in found]


def _warnings(answered: Answered) -> tuple[str, ...]:
    """Without that of a map: the report has none, and is the same with and without them."""
    return tuple(each for each in answered.analysis.prediction.warnings if each != "no_positive_evidence")


def _code(value: str, meaning: str) -> "CodedConcept":
    from highdicom.sr import CodedConcept

    return CodedConcept(value, SCHEME, meaning[:64])


def _standard(value: str, meaning: str) -> "CodedConcept":
    from highdicom.sr import CodedConcept

    return CodedConcept(value, "DCM", meaning)
