"""Text fields of a multipart body are parameters, as in the query."""

import pytest
from fastapi.testclient import TestClient

from inference.prediction.messages import DISCLAIMER
from tests.support.lesion_images import lesion

FILES = {"file": ("lesion.jpg", lesion(), "image/jpeg")}


def ask(client: TestClient, path: str, fields: dict[str, object]) -> dict:
    response = client.post(path, files=FILES, data=fields)
    assert response.status_code == 200, response.text
    return response.json()


def refusal(client: TestClient, path: str, fields: dict[str, object]) -> str:
    response = client.post(path, files=FILES, data=fields)
    assert response.status_code == 422, response.text
    assert response.json()["type"] == "urn:lunar:problem:invalid-parameter"
    return str(response.json()["detail"])


def test_documented_parameters_are_read_from_fields(client: TestClient) -> None:
    """The same answer as with the query, and another one than without."""
    assert ask(client, "/predict", {"lang": "en"})["disclaimer"] == DISCLAIMER["en"]
    by_field, by_query = ask(client, "/predict", {"tta": "8"}), ask(client, "/predict?tta=8", {})
    assert by_field["probabilities"] == pytest.approx(by_query["probabilities"], abs=1e-9)
    assert by_field["probabilities"] != pytest.approx(ask(client, "/predict", {})["probabilities"], abs=1e-9)
    fields = {"target": "mel", "render": "heatmap", "method": "gradcampp"}
    (one,) = ask(client, "/explain", fields)["explanations"]
    assert (one["class"], one["method"]) == ("mel", "gradcam++")
    assert sorted(one) == ["class", "heatmap", "method", "peak", "region"]


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        ("/predict", {"colour": "red"}, ["colour", "lang, tta"]),
        ("/predict", {"target": "mel"}, ["target", "lang, tta"]),
        ("/predict", {"tta": "3"}, ["tta"]),
        ("/explain", {"target": "wart"}, ["target", "'mel'"]),
        ("/predict", {"lang": ["en", "es"]}, ["lang", "en", "es"]),
        ("/predict?lang=es", {"lang": "en"}, ["lang", "en", "es"]),
        ("/explain?method=gradcam", {"method": "gradcam++"}, ["method", "gradcam++"]),
        ("/predict?tta=1&tta=8", {}, ["tta", "1", "8"]),
        ("/predict?subject=Patient/1&subject=Patient/2", {}, ["subject", "Patient/1", "Patient/2"]),
    ],
)
def test_what_is_unknown_or_contradicts_is_refused_by_name(
    client: TestClient, path: str, fields: dict[str, object], words: list[str]
) -> None:
    detail = refusal(client, path, fields)
    assert [word for word in words if word not in detail] == []


@pytest.mark.parametrize("charset", ["punycode", "undefined", "utf-7", "utf-16", "rot13", "none"])
def test_no_codec_of_the_client_reads_names_and_fields(client: TestClient, charset: str) -> None:
    """Punycode takes minutes for a long field, during which the service answered nobody."""
    head = '--b\r\nContent-Disposition: form-data; name="'
    text = "a" * 1000 + "-" + "a" * 1000
    body = f'{head}lang"\r\n\r\nen\r\n{head}file"; filename="a"\r\n\r\n'.encode() + lesion() + b"\r\n--b--\r\n"
    sent = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    answer = client.post("/predict", content=body, headers=sent)
    assert answer.status_code == 200, answer.text
    assert answer.json()["disclaimer"] == DISCLAIMER["en"]
    body = f'{head}lang"\r\n\r\n{text}\r\n'.encode() + body
    answer = client.post("/predict", content=body, headers=sent)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:lunar:problem:invalid-parameter")
    assert text in answer.json()["detail"] or "lang" in answer.json()["detail"]


def test_the_same_value_in_both_places_is_no_contradiction(client: TestClient) -> None:
    ask(client, "/predict?tta=2&tta=2", {})
    assert ask(client, "/predict?lang=en&tta=2", {"lang": "en", "tta": "2"})["disclaimer"] == DISCLAIMER["en"]


def test_the_openapi_document_names_the_fields(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    form = paths["/explain"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    common = {"file", "lang", "tta", "coverage", "subject", "study"}
    assert set(form["properties"]) == common | {"method", "target", "render"}
    assert form["properties"]["lang"]["enum"] == ["es", "en"]


def test_a_refusal_does_not_echo_what_it_refuses(client: TestClient) -> None:
    """Neither a long name nor a long value."""
    for response in (
        client.post("/predict", files=FILES, data={"x" * 100_000: "1"}),
        client.post("/invocations", json={"inputs": ["x"], "params": {"tta": "y" * 1_000_000}}),
        client.post("/invocations", json={"inputs": ["x"], "params": {"heatmap": ["y" * 1_000_000]}}),
    ):
        assert response.status_code in (400, 422)
        assert len(response.content) < 3000
