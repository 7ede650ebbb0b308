"""POST /invocations and GET /ping: on a fake runtime, and the real service beside the real `mlflow models serve`."""

import base64
import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from pandas import DataFrame
from PIL import Image

from inference.bundle.storage import Bundle
from inference.domain.taxonomy import CLASSES
from inference.imaging.prepared_picture import Preparation, PreparedPicture
from inference.mlflow_model.signature import OUTPUTS
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from service.app import create_app
from service.scoring import MAX_IMAGES
from service.serving.decoders import DecoderPool
from service.serving.inference_scheduler import InferenceScheduler
from service.settings import Settings
from tests.support import http
from tests.support.fakes import FakeRuntime
from tests.support.lesion_images import lesion
from tests.support.paths import ROOT, STARTER
from tests.support.scoring_forms import FORMS
from tests.support.scoring_server import running_scoring_server
from tests.support.service_process import running_service
from tests.support.waiting import LIMIT_S, wait_for

GOOD = lesion()


def coded(*images: bytes) -> list[str]:
    return [base64.b64encode(each).decode() for each in images]


def predict(client: TestClient, data: bytes, **parameters: object) -> dict:
    return client.post("/predict", params=parameters, files={"file": data}).json()


def test_a_row_says_what_predict_says(client: TestClient) -> None:
    images = [lesion(width=60), lesion(width=90)]
    answer = client.post("/invocations", json={"inputs": coded(*images)})
    assert answer.status_code == 200, answer.text
    rows = answer.json()["predictions"]
    assert [list(row) for row in rows] == [list(OUTPUTS)] * 2
    for row, data in zip(rows, images, strict=True):
        expected = predict(client, data)
        assert {code: row[f"probability_{code}"] for code in CLASSES} == pytest.approx(expected["probabilities"])
        assert row["class"] == expected["prediction"]["class"]
        risk = expected["risk"]
        assert row["risk"] == risk["level"]
        assert row["malignant_probability"] == pytest.approx(risk["malignant_probability"])
    assert rows[0] != rows[1]


def test_the_parameters_are_those_of_explain(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake runtime's logits are the same for every view; that the views are computed shows in the batches."""
    batches, run = [], FakeRuntime.run
    monkeypatch.setattr(FakeRuntime, "run", lambda self, batch: (batches.append(len(batch)), run(self, batch))[1])
    body = {"inputs": coded(GOOD), "params": {"tta": 4, "heatmap": True, "unknown": "ignored, as MLflow does"}}
    (row,) = client.post("/invocations", json=body).json()["predictions"]
    assert sum(batches) == 4
    expected = client.post("/explain?tta=4&render=heatmap", files={"file": GOOD}).json()
    assert row["heatmap"] == expected["explanations"][0]["heatmap"]
    assert row["probability_mel"] == pytest.approx(expected["probabilities"]["mel"])
    assert row["warnings"] == ",".join(warning["code"] for warning in expected["warnings"]) != ""


def test_a_bad_image_has_a_row_that_says_why(client: TestClient) -> None:
    body = {"inputs": [*coded(GOOD, b"hello"), None, "\ud800", *coded(GOOD)]}
    rows = client.post("/invocations", content=json.dumps(body), headers={"Content-Type": "application/json"})
    first, *bad, last = rows.json()["predictions"]
    assert [row["error"].split(":")[0] for row in bad] == ["UnsupportedFormat", "UnreadableImage", "UnsupportedFormat"]
    assert all(row["class"] == "" and row["probability_mel"] is None for row in bad)
    assert first == last
    assert (first["class"] in CLASSES, first["error"]) == (True, "")


def test_another_form_is_refused_with_the_cause(client: TestClient) -> None:
    answer = client.post("/invocations", json={"inputs": [], "params": {"tta": 3}})
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (400, "urn:lunar:problem:invalid-frame")
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"] == "tta is 3; allowed: 1, 2, 4, 8."


def test_only_json_is_read(client: TestClient) -> None:
    answer = client.post("/invocations", content=b"image\n", headers={"Content-Type": "text/csv"})
    assert (answer.status_code, answer.json()["type"]) == (415, "urn:lunar:problem:not-json")


def test_a_call_is_bounded_in_images_and_bytes(open_client: Callable[..., TestClient]) -> None:
    client = open_client(max_body_bytes=20_000)
    many = client.post("/invocations", json={"inputs": [""] * (MAX_IMAGES + 1)})
    assert (many.status_code, many.json()["type"]) == (413, "urn:lunar:problem:too-many-images")
    large = client.post("/invocations", json={"inputs": ["A" * 20_000]})
    assert (large.status_code, large.json()["type"]) == (413, "urn:lunar:problem:body-too-large")
    assert client.post("/invocations", json={"inputs": [""] * MAX_IMAGES}).status_code == 200


def test_a_call_is_bounded_in_time(
    open_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch, fake_bundle: Bundle
) -> None:
    """All images of a call together, as one upload: one of them is enough to be late."""
    client = open_client(request_timeout_s=0.3)
    run, admitted = FakeRuntime(fake_bundle).run, InferenceScheduler.admitted
    calls, admissions, answered = [], [], threading.Event()

    def held(_: FakeRuntime, batch: object) -> object:
        calls.append(batch)
        if len(calls) == 3:
            answered.wait(LIMIT_S)
        return run(batch)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeRuntime, "run", held)
    monkeypatch.setattr(InferenceScheduler, "admitted", lambda self: (admissions.append(self), admitted(self))[1])
    late = client.post("/invocations", json={"inputs": coded(GOOD) * 10})
    answered.set()
    assert len(calls) <= 3
    assert len(admissions) == 1
    assert (late.status_code, late.json()["type"]) == (503, "urn:lunar:problem:deadline-exceeded")


def test_ping_waits_for_a_model(client: TestClient, home: Path) -> None:
    answer = client.get("/ping")
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "\n", "application/json")
    with TestClient(create_app(Settings(home=home)), base_url="http://localhost") as early:
        for waiting in (early.get("/ping"), early.post("/invocations", json={"inputs": []})):
            assert (waiting.status_code, waiting.json()["type"]) == (503, "urn:lunar:problem:no-model")


@pytest.mark.parametrize(("name", "header"), [
    ("lunar-starter", "lunar-starter"),
    ("lunar ärzte", "lunar %C3%A4rzte"),
    ("50 % skin", "50 % skin"),
])  # fmt: skip
def test_a_header_names_the_model(
    name: str, header: str, open_client: Callable[..., TestClient], fake_bundle: Bundle, home: Path
) -> None:
    Registry(RegistrySettings(home=home, model_name=name)).publish(fake_bundle, alias="champion", source="test")
    client = open_client(home=home, model_name=name)
    answer = client.post("/invocations", json={"inputs": coded(GOOD)})
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-Lunar-Model"] == f"{header}/1"


def test_openapi_describes_both(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    post = paths["/invocations"]["post"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    assert {*schema["properties"]} == {"dataframe_split", "dataframe_records", "instances", "inputs", "params"}
    reply = post["responses"]["200"]["content"]["application/json"]["schema"]
    assert list(reply["properties"]["predictions"]["items"]["properties"]) == list(OUTPUTS)
    assert {*post["responses"]} == {"200", "400", "403", "408", "413", "415", "429", "503"}
    assert {*paths["/ping"]["get"]["responses"]} >= {"200", "503"}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The service and `mlflow models serve`, on the starter as `make serve` publishes it: without pandas."""
    home = tmp_path_factory.mktemp("scored")
    code = "import sys; sys.modules['pandas'] = None; from inference.registry.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "starter", str(STARTER)]
    subprocess.run(command, cwd=ROOT, env={"LUNAR_HOME": str(home), "PATH": ""}, check=True)
    assert Registry(RegistrySettings(home=home)).resolve("champion").source == "starter"
    with running_service(home) as service, running_scoring_server(home) as scorer:
        yield service, scorer


def ask(address: str, body: object) -> list[dict]:
    answer = http.post(f"{address}/invocations", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def check_equal(ours: list[dict], theirs: list[dict]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        numbers = [name for name, value in other.items() if isinstance(value, float)]
        assert list(one) == list(other)
        assert {name: one[name] for name in numbers} == pytest.approx({name: other[name] for name in numbers}, abs=1e-5)
        assert {k: v for k, v in one.items() if k not in numbers} == {
            k: v for k, v in other.items() if k not in numbers
        }


@pytest.mark.parametrize("form", FORMS)
def test_mlflow_models_serve_gives_the_services_answers(both: tuple[str, str], form: str) -> None:
    service, scorer = both
    images = [lesion(width=600, height=450), lesion("PNG", width=300, height=400)]
    theirs = ask(scorer, FORMS[form](coded(*images)))
    check_equal(ask(service, FORMS[form](coded(*images))), theirs)
    for row, data in zip(theirs, images, strict=True):
        shown = http.post(f"{service}/predict", files={"file": data}).json()["probabilities"]
        assert {code: row[f"probability_{code}"] for code in CLASSES} == pytest.approx(shown, abs=1e-5)


def test_with_parameters_and_bad_images_too(both: tuple[str, str]) -> None:
    body = {"inputs": coded(lesion(width=600, height=450), b"hello"), "params": {"tta": 8, "heatmap": True}}
    ours, theirs = (ask(address, body) for address in both)
    check_equal(ours, theirs)
    assert theirs[0]["heatmap"] and theirs[1]["error"]


def test_mlflows_own_client_can_be_pointed_at_either(both: tuple[str, str]) -> None:
    answers = []
    for address in both:
        client = ScoringServerClient(*address.removeprefix("http://").split(":"))
        table = client.invoke(DataFrame({"image": coded(lesion(width=600, height=450))}), {"tta": 2})
        answers.append(table.get_predictions().to_dict("records"))
    check_equal(*answers)
    assert [http.get(f"{address}/ping").content for address in both] == [b"\n", b"\n"]


@pytest.mark.slow
def test_a_hundred_large_images_meet_the_deadline(
    open_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """50 megapixels in a few kilobytes each. When the answer is there, no more of them are decoded."""
    buffer = io.BytesIO()
    Image.new("1", (7071, 7071)).save(buffer, "PNG")
    begun, prepare = [], DecoderPool.prepare

    async def noted(self: DecoderPool, data: bytes, preparation: Preparation) -> PreparedPicture:
        begun.append(len(data))
        return await prepare(self, data, preparation)

    monkeypatch.setattr(DecoderPool, "prepare", noted)
    client = open_client(decoders=2, request_timeout_s=2.0)
    large = buffer.getvalue()
    answer = client.post("/invocations", json={"inputs": coded(*[large] * MAX_IMAGES)})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:lunar:problem:deadline-exceeded")
    assert 0 < begun.count(len(large)) < MAX_IMAGES
    begun.clear()
    wait_for(lambda: client.post("/predict", content=GOOD).status_code == 200, "others are served afterwards")
    assert len(large) not in begun
