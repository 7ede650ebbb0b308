"""DICOM uploads to the real service: every way in reads them, and nothing that they say of a patient is left behind."""

import base64
from pathlib import Path

from tests.support import http
from tests.support.dicom_files import PATIENT, STUDY, dicom_file

SOURCE = dicom_file()
ODD = dicom_file(PatientName="SECRETONE", PatientBirthDate="19440000", StudyDate="20261301", StudyTime="99887766")
SECRETS = [each.encode() for each in (*PATIENT.values(), "SECRET-ACC", "SECRET-NAME", "SECRET-KIND", STUDY)]
SECRETS = [b"SECRETONE", b"19440000", b"20261301", b"99887766", *SECRETS]


def test_a_dicom_upload_leaves_nothing_of_the_patient(starter_service: str, starter_home: Path) -> None:
    coded = base64.b64encode(SOURCE).decode()
    broken = SOURCE[: len(SOURCE) // 2]
    with http.Client(base_url=starter_service) as client:
        answers = [
            client.post("/predict", content=SOURCE, headers={"Content-Type": "application/dicom"}),
            client.post("/explain?target=all", files={"file": ("SECRET-NAME.dcm", SOURCE)}),
            client.post("/", files={"file": ("a.dcm", SOURCE)}),
            client.post("/invocations", json={"inputs": [coded]}),
            client.post("/predict", content=dicom_file(frames=2)),
        ]
        assert [each.status_code for each in answers] == [200] * 5, [each.text[:300] for each in answers]
        assert answers[3].json()["predictions"][0]["error"] == ""
        assert "first_frame_only" in answers[4].text
        refused = [
            client.post("/predict", content=broken),
            client.post("/predict", content=dicom_file(Rows=0)),
            client.post("/predict", content=dicom_file(PhotometricInterpretation="SECRET-KIND")),
            client.post("/explain", content=broken, headers={"Accept": "application/dicom"}),
        ]
        assert [each.status_code for each in refused] == [422] * 4, [each.text for each in refused]
        said = [each.content for each in (*answers, *refused, client.get("/metrics"))]
        fhir = client.post("/predict", content=SOURCE, headers={"Accept": "application/fhir+json"})
        documents = [
            client.post(path, content=data, headers={"Accept": "application/dicom"})
            for path in ("/predict", "/explain")
            for data in (SOURCE, ODD)
        ]
    assert [each.status_code for each in documents] == [200] * 4, [each.text[:300] for each in documents]
    assert f"urn:oid:{STUDY}" in fhir.text, "the study is what FHIR refers to"
    assert not any(each.encode() in fhir.content for each in PATIENT.values())
    said += [path.read_bytes() for path in starter_home.rglob("*") if path.is_file()]
    assert b'"path": "/explain"' in b"".join(said), "the log is among what was looked through"
    for secret in SECRETS:
        assert [each[:200] for each in said if secret in each] == []
