"""/v2: with the real client of Triton against the real service, and its bad input on a fake runtime."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from fastapi.testclient import TestClient
from pydantic import SecretStr
from tritonclient.utils import InferenceServerException

from inference.domain.taxonomy import CLASSES
from service.open_inference.routes import JSON_SIZE
from service.open_inference.tensors import OUTPUTS
from service.scoring import score
from service.security.api_key import new_key
from tests.support import http
from tests.support.lesion_images import lesion
from tests.support.waiting import LIMIT_S

GOOD, NAME = lesion(), "skin-lesion"
INFER = f"/v2/models/{NAME}/infer"


def tensor(*images: str, **changes: object) -> dict[str, object]:
    return {"name": "image", "datatype": "BYTES", "shape": [len(images)], "data": [*images]} | changes


CODED = base64.b64encode(GOOD).decode()


def test_tritons_client_gets_what_predict_says(starter_service: str) -> None:
    files = [lesion(width=60), b"no image", lesion("PNG", width=90)]
    images = np.array(files, dtype=np.object_)
    address = starter_service.removeprefix("http://")
    with triton.InferenceServerClient(address, connection_timeout=LIMIT_S, network_timeout=LIMIT_S) as client:
        assert client.is_server_live() and client.is_server_ready()
        assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        described = client.get_model_metadata(NAME)
        (version,) = described["versions"]
        assert client.is_model_ready(NAME) and client.is_model_ready(NAME, version)
        assert not client.is_model_ready(NAME, "99") and not client.is_model_ready("another")
        image = triton.InferInput("image", [len(files)], "BYTES")
        image.set_data_from_numpy(images)
        found = client.infer(NAME, [image], request_id="7", parameters={"tta": 2})
        written = [triton.InferRequestedOutput("class", binary_data=False)]
        in_json = client.infer(NAME, [image], model_version=version, outputs=written, parameters={"tta": 2})
        with pytest.raises(InferenceServerException, match="There is no output 'logits'"):
            client.infer(NAME, [image], outputs=[triton.InferRequestedOutput("logits")])
    assert found.get_response()["id"] == "7"
    assert [each["name"] for each in found.get_response()["outputs"]] == [each["name"] for each in described["outputs"]]
    probabilities, errors = found.as_numpy("probabilities"), found.as_numpy("error").astype(str)
    assert probabilities.shape == (3, len(CLASSES)) and probabilities.dtype == np.float32
    assert np.isnan(probabilities[1]).all() and errors[1].startswith("UnsupportedFormat")
    for row in (0, 2):
        answer = http.post(f"{starter_service}/predict?tta=2", content=files[row]).json()
        assert probabilities[row] == pytest.approx([*answer["probabilities"].values()], abs=1e-5)
        assert found.as_numpy("malignant_probability")[row] == pytest.approx(
            answer["risk"]["malignant_probability"], abs=1e-5
        )
        assert found.as_numpy("risk")[row].decode() == answer["risk"]["level"]
        assert found.as_numpy("class")[row].decode() == answer["prediction"]["class"]
        assert errors[row] == ""
    assert [*in_json.as_numpy("class")] == [each.decode() for each in found.as_numpy("class")]


def test_images_in_json(client: TestClient) -> None:
    answer = client.post(INFER, json={"inputs": [tensor(CODED, "hello", shape=[2, 1], data=[[CODED], ["aGVsbG8="]])]})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["model_name"], answer.json()["model_version"]) == (NAME, "1")
    outputs = {each["name"]: each for each in answer.json()["outputs"]}
    assert {name: each["datatype"] for name, each in outputs.items()} == {name: row[0] for name, row in OUTPUTS.items()}
    expected = client.post("/predict", content=GOOD).json()
    assert outputs["probabilities"]["shape"] == [2, 7]
    assert outputs["probabilities"]["data"] == pytest.approx([*expected["probabilities"].values()] + [None] * 7)
    assert outputs["class"]["data"] == [expected["prediction"]["class"], ""]
    assert outputs["warnings"]["data"][0] == ",".join(each["code"] for each in expected["warnings"]) != ""
    assert outputs["error"]["data"][1].startswith("UnsupportedFormat")


BAD_CALLS = [
    ("no JSON", "{", 400), ("no inputs", "{}", 400), ("an unknown input", {"inputs": [tensor(CODED, name="x")]}, 400),
    ("two inputs", {"inputs": [tensor(CODED), tensor(CODED)]}, 400),
    ("another datatype", {"inputs": [tensor(CODED, datatype="FP32")]}, 400),
    ("a wrong shape", {"inputs": [tensor(CODED, shape=[1, 2])]}, 400),
    ("a negative shape", {"inputs": [tensor(CODED, shape=[-1])]}, 400),
    ("fewer images than the shape says", {"inputs": [tensor(CODED, shape=[2])]}, 400),
    ("no data", {"inputs": [tensor(shape=[1], data=None)]}, 400),
    ("three views", {"inputs": [tensor(CODED)], "parameters": {"tta": 3}}, 400),
    ("an unknown output", {"inputs": [tensor(CODED)], "outputs": [{"name": "logits"}]}, 400),
    ("many images", {"inputs": [tensor(*["x"] * 101)]}, 413),
    ("many values", {"inputs": [tensor()], "parameters": {"x": [0] * 10_001}}, 413),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status"), [row[1:] for row in BAD_CALLS], ids=[row[0] for row in BAD_CALLS])
def test_a_bad_call_names_its_cause_as_problem_and_as_the_protocol_does(
    client: TestClient, body: object, status: int
) -> None:
    answer = client.post(INFER, content=body if isinstance(body, str) else json.dumps(body))
    assert answer.status_code == status, answer.text
    slug = {400: "invalid-inference", 413: "too-many-images"}[status]
    assert answer.json()["type"] == f"urn:lunar:problem:{slug}"
    assert answer.json()["error"] == answer.json()["detail"] != ""


@pytest.mark.parametrize(("size", "binary"), [
    ("x", b""), ("9" * 20, b""), ("999999", b""), (None, b"\x09"), (None, b"\x09\0\0\0abc"), (None, b"\x03\0\0\0abc\1"),
])  # fmt: skip
def test_binary_data_is_bounded_by_what_is_there(client: TestClient, size: str | None, binary: bytes) -> None:
    image = tensor(shape=[1], data=None, parameters={"binary_data_size": len(binary)})
    text = json.dumps({"inputs": [image]}).encode()
    answer = client.post(INFER, content=text + binary, headers={JSON_SIZE: size or str(len(text))})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:lunar:problem:invalid-inference")


@pytest.mark.parametrize("path", ["/v2/models/other", f"/v2/models/{NAME}/versions/2/ready", "/v2/models/other/ready"])
def test_another_model_is_not_found(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:lunar:problem:unknown-model")
    assert answer.json()["error"] == f"The model in service is '{NAME}' in version 1."


def test_a_call_needs_a_key_and_is_counted(open_client: Callable[..., TestClient]) -> None:
    key, sent = new_key("somebody", "user")
    client = open_client(keys=SecretStr(key.line), max_body_bytes=5000)
    call = {"inputs": [tensor(CODED)]}
    refused = client.post(INFER, json=call)
    assert (refused.status_code, refused.json()["error"]) == (401, refused.json()["detail"])
    assert client.post(INFER, json=call, headers={"X-API-Key": sent}).status_code == 200
    large = client.post(INFER, json={"inputs": [tensor("A" * 5000)]}, headers={"X-API-Key": sent})
    assert (large.status_code, large.json()["type"]) == (413, "urn:lunar:problem:body-too-large")
    text = client.get("/metrics", headers={"X-API-Key": sent}).text
    assert 'route="/v2/models/{name}/infer"' in text


def test_the_size_of_the_binary_data_is_the_declared_one(client: TestClient) -> None:
    for declared, status in ((7, 200), (6, 400), (8, 400)):
        image = tensor(shape=[1], data=None, parameters={"binary_data_size": declared})
        text = json.dumps({"inputs": [image]}).encode()
        answer = client.post(INFER, content=text + b"\3\0\0\0abc", headers={JSON_SIZE: str(len(text))})
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize(("path", "status"), [(INFER, 200), (f"/v2/models/{NAME}/versions/1/infer", 404)])
def test_a_version_that_is_asked_for_is_the_one_that_answers(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str, status: int
) -> None:
    """Another version comes into service while the images arrive."""

    async def later(*args: Any, **words: Any) -> Any:
        answer = await score(*args, **words)
        version = replace(answer.served.version, version="2")
        return replace(answer, served=replace(answer.served, version=version))

    monkeypatch.setattr("service.open_inference.routes.score", later)
    answer = client.post(path, json={"inputs": [tensor(CODED)]})
    assert (answer.status_code, '"2"' in answer.text or "version 2" in answer.text) == (status, True), answer.text
