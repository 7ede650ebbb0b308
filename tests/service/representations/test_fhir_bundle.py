"""application/fhir+json: valid by fhir.resources (R4B), marked as made by a program, and with the answer's numbers."""

import base64

import pytest
from fastapi.testclient import TestClient
from fhir.resources.R4B.bundle import Bundle

from inference.bundle.manifest import Manifest
from inference.domain.taxonomy import CLASSES, DIAGNOSES
from service.representations import fhir_codes
from tests.support.lesion_images import lesion

GOOD = lesion()
FHIR = {"Accept": "application/fhir+json"}
CONTEXT = {"subject": "Patient/7", "study": "urn:oid:1.2.3"}
ASSERTED = {"DiagnosticReport", "Observation", "RiskAssessment", "Media"}
# Verhoeff's multiplication in the dihedral group of five, and his permutation; the last digit of a SNOMED CT id.
_PRODUCT = [[(i + j) % 5 + 5 * (j >= 5) if i < 5 else (i - j) % 5 + 5 * (j < 5) for j in range(10)] for i in range(10)]
_PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def verhoeff(digits: str) -> int:
    check, permuted = 0, list(range(10))
    for digit in reversed(digits):
        check = _PRODUCT[check][permuted[int(digit)]]
        permuted = [_PERMUTATION[each] for each in permuted]
    return check


def resources(bundle: dict, kind: str) -> list[dict]:
    return [each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == kind]


@pytest.mark.parametrize(("path", "query"), [
    ("/predict", {}), ("/predict", CONTEXT), ("/explain", CONTEXT),
    ("/explain", {"target": "all", "render": "heatmap"}),
])  # fmt: skip
def test_a_bundle_is_valid_and_whole(client: TestClient, path: str, query: dict[str, str]) -> None:
    answer = client.post(path, params=query, content=GOOD, headers=FHIR)
    assert answer.headers["content-type"] == "application/fhir+json"
    bundle = answer.json()
    assert Bundle.model_validate_json(answer.text).type == "collection"
    addresses = [each["fullUrl"] for each in bundle["entry"]]
    assert len(set(addresses)) == len(addresses)
    (report,), (provenance,) = resources(bundle, "DiagnosticReport"), resources(bundle, "Provenance")
    links = [each["reference"] for each in (*report["result"], *provenance["target"])]
    assert set(links) <= set(addresses)
    for each in bundle["entry"]:
        marked = each["resource"].get("meta", {}).get("security", [])
        codes = [label["code"] for label in marked]
        assert codes == (["AIAST"] if each["resource"]["resourceType"] in ASSERTED else [])
    assert (report["status"], report["category"][0]["coding"][0]["code"]) == ("preliminary", "IMG")
    assert report.get("subject", {}).get("reference") == query.get("subject")
    assert [each["identifier"]["value"] for each in report.get("imagingStudy", [])] == (
        [query["study"]] if "study" in query else []
    )
    assert "medical device" in report["conclusion"] or "producto sanitario" in report["conclusion"]


def test_its_numbers_are_those_of_the_json(client: TestClient, fake_classifier: object) -> None:
    expected = client.post("/explain?lang=en", content=GOOD).json()
    bundle = client.post("/explain?lang=en", content=GOOD, headers=FHIR).json()
    observations = resources(bundle, "Observation")
    assert [each["valueQuantity"]["value"] for each in observations] == [*expected["probabilities"].values()]
    (risk,), (media,), (device,) = (resources(bundle, kind) for kind in ("RiskAssessment", "Media", "Device"))
    malignant, *outcomes = risk["prediction"]
    assert malignant["probabilityDecimal"] == expected["risk"]["malignant_probability"]
    assert all("fraction" in each["rationale"] for each in risk["prediction"])
    assert "qualitativeRisk" not in malignant, "the fake model is untrained: its level means nothing"
    assert [each["outcome"]["text"] for each in outcomes] == [each.en for each in DIAGNOSES]
    assert [each["message"] for each in expected["warnings"]] == [each["text"] for each in risk["note"]][:-1]
    assert media["content"]["data"] == expected["explanations"][0]["overlay"]
    assert base64.b64decode(media["content"]["data"]).startswith(b"\x89PNG")
    manifest: Manifest = fake_classifier.bundle.manifest  # type: ignore[attr-defined]
    assert device["identifier"][0]["value"] == manifest.digest
    assert [each["value"] for each in device["version"]][1] == expected["model"]["version"]


def test_the_codes_are_right_by_their_check_digit() -> None:
    codes = [each.snomed_ct for each in DIAGNOSES if each.snomed_ct]
    assert codes == ["201101007", "254701007", "372244006", "400096001"]
    assert all(verhoeff(code) == 0 for code in codes)
    assert verhoeff("372244007") != 0 != verhoeff("327244006")
    for diagnosis in DIAGNOSES:
        coding = fhir_codes.diagnosis_concept(diagnosis, "en").get("coding", [])
        system = fhir_codes.SNOMED_CT if diagnosis.snomed_ct else fhir_codes.ICD10
        assert [each["system"] for each in coding] == ([] if diagnosis.code == "bkl" else [system])
    assert len(DIAGNOSES) == len(CLASSES)


@pytest.mark.parametrize(("field", "reference"), [
    ("subject", "7"), ("subject", "patient/7"), ("subject", "Patient/a b"), ("subject", "javascript:alert(1)"),
    ("subject", "Patient/" + "7" * 65), ("subject", "Device/7"), ("subject", "https://x/fhir/Observation/7"),
    ("subject", "urn:oid:1.2"), ("study", "Patient/7"), ("study", "urn:oid:1.02"), ("study", "https://x/7"),
])  # fmt: skip
def test_a_reference_has_fhirs_form(client: TestClient, field: str, reference: str) -> None:
    answer = client.post("/predict", params={field: reference}, content=GOOD, headers=FHIR)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:lunar:problem:invalid-parameter")
    assert field in answer.json()["detail"]


def test_references_may_name_a_server_and_bundles_share_no_address(client: TestClient) -> None:
    query = {"subject": "https://x/fhir/Group/7", "study": "https://x/fhir/ImagingStudy/7"}
    headers = FHIR | {"X-Request-ID": "7"}
    first, second = (client.post("/predict", params=query, content=GOOD, headers=headers).json() for _ in range(2))
    (report,) = resources(first, "DiagnosticReport")
    assert (report["subject"]["reference"], report["imagingStudy"][0]["reference"]) == tuple(query.values())
    assert not {each["fullUrl"] for each in first["entry"]} & {each["fullUrl"] for each in second["entry"]}
