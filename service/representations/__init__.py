"""The representations of one answer, a row each, and the choice among them by `Accept`. No route, no inference."""

from service.representations.representation import Representation

# In order of preference. The modules are imported when their representation is first asked for.
REPRESENTATIONS: tuple[Representation, ...] = (
    Representation("application/json", "service.representations.documents:JsonDocument", quick=("predict",)),
    Representation("image/png", "service.representations.picture:PngPicture", routes=("explain",)),
    Representation("application/fhir+json", "service.representations.fhir_bundle:FhirBundle"),
    Representation(
        "application/dicom",
        "service.representations.dicom_documents:DicomDocument",
        extra="dicom",
        package="highdicom",
        report=True,
    ),
    Representation(
        'multipart/related; type="application/dicom"',
        "service.representations.dicom_documents:DicomDocuments",
        routes=("explain",),
        extra="dicom",
        package="highdicom",
    ),
)
