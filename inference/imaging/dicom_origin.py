"""Where a DICOM image comes from: what a document about it has to repeat. Never logged, never shown by itself."""

import re
from dataclasses import dataclass, field

UID = re.compile(r"(?=.{1,64}$)[0-2](\.(0|[1-9][0-9]*))+")


@dataclass(frozen=True, slots=True)
class DicomOrigin:
    """The source instance; `attributes` are of its patient and study, by keyword, checked and as short as DICOM allows.

    Nothing of it is in the representation, so that no message and no traceback shows a patient.
    """

    sop_class: str
    sop_instance: str = field(repr=False)
    series: str = field(repr=False)
    study: str = field(repr=False)
    rows: int
    columns: int
    attributes: tuple[tuple[str, str], ...] = field(repr=False)
