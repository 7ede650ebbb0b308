"""application/dicom: valid documents in the source's patient and study, which two programs of others can read."""

import io
import shutil
import subprocess
from email.parser import BytesParser
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pydicom import Dataset, dcmread, uid

from inference.domain.taxonomy import CLASSES
from inference.prediction.classifier import Analysis, Classifier, WarningCode
from tests.support.dicom_files import PATIENT, STUDY, dicom_file
from tests.support.fakes import FakeRuntime
from tests.support.lesion_images import lesion
from tests.support.waiting import LIMIT_S
from training.data.synthetic_lesions import draw_lesion

SOURCE = dicom_file()
ONE, BOTH = {"Accept": "application/dicom"}, {"Accept": 'multipart/related; type="application/dicom"'}


def ask(client: TestClient, path: str, data: bytes = SOURCE) -> Dataset:
    answer = client.post(path, content=data, headers=ONE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dicom"), answer.text
    return dcmread(io.BytesIO(answer.content))


def items(content: Dataset) -> list[Dataset]:
    found = [content]
    for each in content.get("ContentSequence", []):
        found += items(each)
    return found


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_a_document_belongs_to_its_source(client: TestClient, path: str) -> None:
    found, source = ask(client, path), dcmread(io.BytesIO(SOURCE))
    for name in (*PATIENT, "StudyInstanceUID", "StudyID", "AccessionNumber", "StudyDate"):
        assert found[name].value == source[name].value, name
    assert found.SeriesInstanceUID != source.SeriesInstanceUID
    assert found.SOPInstanceUID == ask(client, path).SOPInstanceUID, "asked again, it is the same document"
    assert found.SOPInstanceUID != ask(client, f"{path}?tta=2").SOPInstanceUID
    other = dicom_file(SOPInstanceUID=f"{STUDY}.1.2")
    assert found.SOPInstanceUID != ask(client, path, other).SOPInstanceUID


def test_the_capture_shows_what_the_png_shows(client: TestClient) -> None:
    found = ask(client, "/explain?target=mel")
    png = client.post("/explain?target=mel", content=SOURCE, headers={"Accept": "image/png"}).content
    assert np.array_equal(found.pixel_array, np.asarray(Image.open(io.BytesIO(png))))
    assert found.SourceImageSequence[0].ReferencedSOPInstanceUID == f"{STUDY}.1.1"
    assert "mel" in found.SeriesDescription
    assert "BurnedInAnnotation" not in found, "the source does not say"
    assert ask(client, "/explain", dicom_file(BurnedInAnnotation="YES")).BurnedInAnnotation == "YES"


def test_the_report_has_the_answers_numbers(client: TestClient) -> None:
    found, expected = ask(client, "/predict"), client.post("/predict", content=SOURCE).json()
    numbers = {
        each.ConceptNameCodeSequence[0].CodeValue: float(each.MeasuredValueSequence[0].NumericValue)
        for each in items(found)
        if each.ValueType == "NUM"
    }
    assert [numbers[f"prob-{code}"] for code in CLASSES] == pytest.approx(
        [*expected["probabilities"].values()], abs=1e-6
    )
    assert numbers["prob-malignant"] == pytest.approx(expected["risk"]["malignant_probability"], abs=1e-6)
    codes = {each.ConceptCodeSequence[0].CodeValue for each in items(found) if each.ValueType == "CODE"}
    assert {"risk-unreliable", "untrained_model"} <= codes, "the fake model is untrained"
    texts = {each.TextValue for each in items(found) if each.ValueType == "TEXT"}
    assert {expected["model"]["name"], expected["model"]["version"], "Not a medical device"} <= texts
    images = [
        each.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for each in items(found) if each.ValueType == "IMAGE"
    ]
    assert images == [f"{STUDY}.1.1"]


def test_both_come_in_two_parts(client: TestClient) -> None:
    answer = client.post("/explain", content=SOURCE, headers=BOTH)
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + answer.content).get_payload()
    assert [part.get_content_type() for part in parts] == ["application/dicom"] * 2
    found = [dcmread(io.BytesIO(part.get_payload(decode=True))) for part in parts]
    assert [each.Modality for each in found] == ["SR", "OT"]
    assert len({each.SeriesInstanceUID for each in found}) == 2
    other = client.post("/explain?method=gradcam", content=SOURCE, headers=BOTH).content
    assert found[0].SOPInstanceUID.encode() in other, "the report does not depend on the explanation"
    assert found[1].SOPInstanceUID.encode() not in other
    assert found[0].SOPInstanceUID == ask(client, "/predict").SOPInstanceUID


def test_a_report_of_other_numbers_has_another_identifier(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large photo is decoded with more pixels where a map is drawn on it; a graph of another precision rounds."""
    large = dicom_file(draw_lesion(width=1600, height=1200, seed=1), syntax=uid.JPEGBaseline8Bit)
    plain = ask(client, "/predict", large)
    beside_a_map = client.post("/explain", content=large, headers=BOTH).content
    assert plain.SOPInstanceUID.encode() not in beside_a_map
    assert plain.SOPInstanceUID == ask(client, "/explain?render=sr", large).SOPInstanceUID
    monkeypatch.setattr(FakeRuntime, "precision", "int8")
    assert plain.SOPInstanceUID != ask(client, "/predict", large).SOPInstanceUID


def test_explain_gives_the_report_instead_if_it_is_asked_for(client: TestClient) -> None:
    report = ask(client, "/predict")
    for query in ("render=sr", "render=sr&target=all&method=all"):  # several maps would be no picture
        found = ask(client, f"/explain?{query}")
        assert (found.Modality, found.SOPInstanceUID) == ("SR", report.SOPInstanceUID)
        assert len(items(found)) == len(items(report))
    form = client.post("/explain", files={"file": SOURCE}, data={"render": "sr"}, headers=ONE)
    assert dcmread(io.BytesIO(form.content)).SOPInstanceUID == report.SOPInstanceUID


def test_one_identifier_is_of_one_content(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning about a map is not the report's; one that comes and goes makes another report."""
    warned: list[WarningCode] = []
    analyse = Classifier.analyse

    def with_warnings(*args: Any, **options: Any) -> Analysis:
        analysis = analyse(*args, **options)
        return reduce(lambda so_far, code: so_far.with_warning(code), warned, analysis)

    monkeypatch.setattr(Classifier, "analyse", with_warnings)
    plain = ask(client, "/predict")
    warned.append("no_positive_evidence")
    found = ask(client, "/explain?render=sr")
    assert (found.SOPInstanceUID, len(items(found))) == (plain.SOPInstanceUID, len(items(plain)))
    warned.append("stale_model")
    stale = ask(client, "/predict")
    assert stale.SOPInstanceUID != plain.SOPInstanceUID
    assert len(items(stale)) == len(items(plain)) + 1


@pytest.mark.parametrize("accept", ["*/*", "image/png", "application/fhir+json", BOTH["Accept"]])
def test_no_other_representation_has_the_report_by_that_name(client: TestClient, accept: str) -> None:
    answer = client.post("/explain?render=sr", content=SOURCE, headers={"Accept": accept})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:lunar:problem:invalid-parameter")
    assert "needs Accept: application/dicom; allowed with " in answer.json()["detail"]
    assert "both, heatmap, overlay" in answer.json()["detail"]


def test_the_device_is_the_same_for_every_instance(client: TestClient) -> None:
    uids = [
        {each.UID for each in items(ask(client, "/predict", data)) if each.ValueType == "UIDREF"}
        for data in (SOURCE, dicom_file(SOPInstanceUID=f"{STUDY}.1.2"))
    ]
    assert len(uids[0] & uids[1]) == 1, "the device; the lesion is another"


@pytest.mark.parametrize(("data", "query", "words"), [
    (lesion(), "", "send a DICOM instance"), (lesion(), "?render=sr", "send a DICOM instance"),
    (SOURCE, "?target=all", "one target"),
    (dicom_file(SeriesInstanceUID="x"), "", "no valid identifiers"),
    (dicom_file(PatientID=["A1", "B2"]), "", "no valid identifiers"),
    (dicom_file(PatientID="7" * 65), "", "no valid identifiers"),
])  # fmt: skip
def test_what_cannot_be_had_is_not_acceptable(client: TestClient, data: bytes, query: str, words: str) -> None:
    answer = client.post(f"/explain{query}", content=data, headers=ONE)
    assert (answer.status_code, answer.json()["type"]) == (406, "urn:lunar:problem:not-acceptable")
    assert words in answer.json()["detail"]


def test_a_patient_with_an_odd_birthday_and_an_accent_has_documents_too(client: TestClient) -> None:
    odd = dicom_file(
        PatientBirthDate="unknown", PatientSex="?", PatientName="Núñez^Ana", SpecificCharacterSet="ISO_IR 100"
    )
    found = ask(client, "/predict", odd)
    assert (found.PatientName, found.PatientBirthDate) == ("Núñez^Ana", "")


@pytest.mark.parametrize("path", ["/predict", "/explain", "/explain?render=sr"])
@pytest.mark.parametrize("program", ["dciodvfy", "dcmdump"])
@pytest.mark.slow
def test_programs_of_others_find_no_error(client: TestClient, tmp_path: Path, program: str, path: str) -> None:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed (Debian: dicom3tools, dcmtk)")
    file = tmp_path / "document.dcm"
    file.write_bytes(client.post(path, content=SOURCE, headers=ONE).content)
    done = subprocess.run([found, str(file)], capture_output=True, text=True, errors="replace", timeout=LIMIT_S)
    errors = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("Error", "E:"))]
    assert errors == []
