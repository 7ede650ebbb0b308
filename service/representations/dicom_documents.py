"""application/dicom: the report of /predict, the picture of /explain, and both as multipart/related (PS3.18, 8.6)."""

from inference.explainers.class_maps import ExplanationRequest
from service.representations.dicom_capture import capture
from service.representations.dicom_report import report
from service.representations.dicom_source import require_dicom, to_file
from service.representations.picture import one_picture
from service.representations.representation import Answered, Document

MEDIA_TYPE = "application/dicom"
RELATED = f'multipart/related; type="{MEDIA_TYPE}"'


class DicomDocument:
    """One instance: the picture if there is one, else the report."""

    def narrow(self, explanation: ExplanationRequest | None, data: bytes) -> ExplanationRequest | None:
        """For a DICOM upload: one target, one method, or no map for a report. Raises NotAcceptable."""
        require_dicom(data)
        return one_picture(explanation, MEDIA_TYPE) if explanation and explanation.render else None

    def render(self, answered: Answered) -> Document:
        """The file. Raises NotAcceptable if the source has no identifiers."""
        dataset = capture(answered) if answered.explanation else report(answered)
        return Document(to_file(dataset), MEDIA_TYPE)


class DicomDocuments(DicomDocument):
    """The report and the picture in one answer."""

    def render(self, answered: Answered) -> Document:
        """Two parts. Raises NotAcceptable if the source has no identifiers."""
        boundary = f"lunar-{answered.request_id}"
        parts = [to_file(each) for each in (report(answered), capture(answered))]
        body = b"".join(
            f"--{boundary}\r\nContent-Type: {MEDIA_TYPE}\r\n\r\n".encode() + each + b"\r\n" for each in parts
        )
        return Document(body + f"--{boundary}--\r\n".encode(), f"{RELATED}; boundary={boundary}")
