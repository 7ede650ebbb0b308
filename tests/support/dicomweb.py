"""Asks an Orthanc by DICOMweb."""

from typing import Any

from tests.support import http


def found_by_qido(orthanc: str, study: str, **options: Any) -> list[dict[str, Any]]:
    """The instances of a study; none if there is no such study."""
    answer = http.get(
        f"{orthanc}/dicom-web/studies/{study}/instances", headers={"Accept": "application/dicom+json"}, **options
    )
    return list(answer.json()) if answer.status_code == 200 else []


def modalities(orthanc: str, study: str, **options: Any) -> list[str]:
    """Of every instance of a study, sorted."""
    return sorted(each["00080060"]["Value"][0] for each in found_by_qido(orthanc, study, **options))
