"""What DICOM documents repeat of their source, and the identifiers that follow from it."""

import io
from typing import TYPE_CHECKING

from inference import __version__
from inference.imaging.dicom_origin import DicomOrigin
from inference.imaging.file_format import identify
from service.errors import NotAcceptable
from service.representations.dicom_values import checked
from service.representations.representation import Answered

if TYPE_CHECKING:
    from pydicom import Dataset

MANUFACTURER = "Lunar (not a medical device)"
_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime"),
    *("AccessionNumber", "ReferringPhysicianName"),
)


def require_dicom(data: bytes) -> None:
    """Raises NotAcceptable for an upload that no DICOM document can refer to."""
    if identify(data) != "DICOM":
        raise NotAcceptable("A DICOM document refers to its source: send a DICOM instance, or accept another type.")


def origin_of(answered: Answered) -> DicomOrigin:
    """The source. Raises NotAcceptable if it has no valid identifiers."""
    if answered.analysis.origin is None:
        raise NotAcceptable("The DICOM instance has no valid identifiers, so that no document can refer to it.")
    return answered.analysis.origin


def source_dataset(origin: DicomOrigin) -> "Dataset":
    """The source without its pixels: patient, study and identifiers. What breaks DICOM's form is left empty."""
    from pydicom import Dataset

    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = origin.sop_class, origin.sop_instance
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = origin.series, origin.study
    dataset.Rows, dataset.Columns = origin.rows, origin.columns
    attributes = dict(origin.attributes)
    for name in _EMPTY:
        setattr(dataset, name, checked(name, attributes.get(name, "")))
    return dataset


def document_uid(answered: Answered, kind: str, *about: object) -> str:
    """The same for the same question about an instance to the same model, so that nothing is stored twice.

    `about`: what else the content depends on.
    """
    served, runtime = answered.served, answered.served.classifier.runtime
    model = (served.reply.name, served.reply.version, repr(served.classifier.prevalence))
    rounding = (runtime.name, runtime.graph, runtime.precision)  # decide the last digits
    return _uid(kind, origin_of(answered).sop_instance, _program(answered), *model, *rounding, answered.tta, *about)


def device_uid(answered: Answered) -> str:
    """The program with its model, whatever it looks at."""
    return _uid("device", _program(answered))


def lesion_uid(answered: Answered) -> str:
    """What the source shows, whoever looks at it."""
    return _uid("lesion", origin_of(answered).sop_instance)


def to_file(dataset: "Dataset") -> bytes:
    """The bytes of a DICOM file."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _program(answered: Answered) -> str:
    return f"Lunar {__version__} {answered.served.classifier.bundle.manifest.digest}"


def _uid(*about: object) -> str:
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=[str(each) for each in about]))
