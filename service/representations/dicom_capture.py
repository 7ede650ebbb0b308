"""A Secondary Capture of the overlay or the heat map, in the patient and study of its source."""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from service.representations.dicom_source import MANUFACTURER, document_uid, origin_of, source_dataset
from service.representations.representation import Answered

if TYPE_CHECKING:
    from pydicom import Dataset

SERIES_NUMBER = 9001


def capture(answered: Answered) -> "Dataset":
    """The picture of the only class map. Raises NotAcceptable without a source."""
    from highdicom.sc import SCImage
    from pydicom import Dataset

    origin = origin_of(answered)
    (class_map,) = answered.analysis.maps
    encoded = np.frombuffer(class_map.overlay or class_map.heatmap or b"", np.uint8)
    pixels = cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    image = SCImage.from_ref_dataset(
        source_dataset(origin),
        np.asarray(pixels, np.uint8),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),  # highdicom 0.28 asks for one; the source's is not known here
        series_instance_uid=document_uid(answered, "series of captures", answered.explanation),
        series_number=SERIES_NUMBER,
        sop_instance_uid=document_uid(answered, "capture", answered.explanation),
        instance_number=1,
        manufacturer=MANUFACTURER,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )
    for unknown in ("PatientOrientation", "Laterality"):
        setattr(image, unknown, None)
    model = answered.served.reply
    image.SeriesDescription = f"Lunar: evidence for {class_map.code} ({class_map.method})"[:64]
    image.DerivationDescription = f"{class_map.method} of {model.name} {model.version}; not a medical device"
    image.ManufacturerModelName, image.SoftwareVersions = model.name[:64], model.version[:64]
    image.ImageType = ["DERIVED", "SECONDARY"]
    if annotated := dict(origin.attributes).get("BurnedInAnnotation"):
        image.BurnedInAnnotation = annotated
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = origin.sop_class, origin.sop_instance
    image.SourceImageSequence = [source]
    return image
