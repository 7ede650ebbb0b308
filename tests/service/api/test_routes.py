"""The contract of docs/api.md, on a fake runtime."""

import base64
import io
import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from inference.domain.taxonomy import CLASSES
from inference.prediction.classifier import Classifier
from inference.prediction.messages import DISCLAIMER
from service.http.security_headers import HEADERS
from tests.support.lesion_images import lesion
from tests.support.waiting import LIMIT_S

GOOD = lesion()


def post(client: TestClient, path: str = "/predict", data: bytes = GOOD, **options: object) -> dict:
    response = client.post(path, files={"file": ("lesion.jpg", data, "image/jpeg")}, **options)
    assert response.status_code == 200, response.text
    return response.json()


def picture(encoded: str) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(encoded)))
    image.load()
    return image


def test_predict_answers_as_documented(client: TestClient, fake_classifier: Classifier) -> None:
    answer = post(client)
    assert list(answer["probabilities"]) == list(CLASSES)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-9)
    prepared = fake_classifier.prepare(GOOD)
    expected = fake_classifier.predict(prepared, fake_classifier.run(prepared.batch))
    assert list(answer["probabilities"].values()) == pytest.approx(expected.probabilities.tolist(), abs=1e-6)
    assert answer["prediction"]["class"] == expected.code
    assert answer["prediction"]["probability"] == max(answer["probabilities"].values())
    malignant = sum(answer["probabilities"][code] for code in ("mel", "bcc", "akiec"))
    assert answer["risk"]["malignant_probability"] == pytest.approx(malignant)
    assert answer["model"] == {
        "name": "skin-lesion", "version": "1", "alias": "champion", "backbone": "fake", "input_size": 32,
    }  # fmt: skip
    assert [warning["code"] for warning in answer["warnings"]] == ["untrained_model"]
    assert answer["disclaimer"] == DISCLAIMER["es"]
    assert set(answer) == {
        "request_id", "model", "prediction", "risk", "probabilities", "prediction_set", "prevalence", "warnings",
        "disclaimer",
    }  # fmt: skip


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/whatever", "application/octet-stream"])
def test_the_raw_body_is_the_same_image(client: TestClient, content_type: str) -> None:
    response = client.post("/predict", content=GOOD, headers={"Content-Type": content_type})
    assert response.json()["probabilities"] == pytest.approx(post(client)["probabilities"], abs=1e-6)


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "BMP", "TIFF"])
def test_the_content_decides_not_the_name_or_the_type(client: TestClient, format_: str) -> None:
    assert post(client, data=lesion(format_))["prediction"]["class"] in CLASSES


def test_explain_adds_the_map_of_the_predicted_class(client: TestClient) -> None:
    answer = post(client, "/explain")
    (one,) = answer["explanations"]
    assert one["class"] == answer["prediction"]["class"]
    assert one["method"] == "gradcam++"
    assert one["peak"] > 0
    heatmap, overlay = picture(one["heatmap"]), picture(one["overlay"])
    assert (heatmap.mode, heatmap.size) == ("L", (60, 45))
    assert (overlay.mode, overlay.size) == ("RGB", (60, 45))
    assert answer["field_of_view"] == {"x": 7, "y": 0, "width": 45, "height": 45}
    assert answer["image"] == {"width": 60, "height": 45}
    assert answer["probabilities"] == pytest.approx(post(client)["probabilities"], abs=1e-6)


def test_explain_all_targets_and_methods(client: TestClient) -> None:
    answer = post(client, "/explain?target=all&method=all&render=heatmap")
    pairs = [(each["method"], each["class"]) for each in answer["explanations"]]
    assert pairs == [(method, code) for method in ("gradcam++", "gradcam") for code in CLASSES]
    assert all("heatmap" in each and "overlay" not in each for each in answer["explanations"])


@pytest.mark.parametrize(
    ("query", "side"), [("", 1024), ("?method=all", 1024), ("?target=all", 512), ("?target=all&method=all", 512)]
)
def test_many_maps_are_smaller(client: TestClient, query: str, side: int) -> None:
    """An answer has an upper bound: fourteen maps of 1024 pixels a side can be 59 MB."""
    answer = post(client, f"/explain{query}", lesion(width=1200, height=900))
    sizes = {picture(each[kind]).size for each in answer["explanations"] for kind in ("heatmap", "overlay")}
    assert sizes == {(side, side * 3 // 4)}


@pytest.mark.parametrize("written", ["gradcam%2B%2B", "gradcam++", "gradcampp"])
def test_a_plus_sign_may_arrive_as_a_space(client: TestClient, written: str) -> None:
    (one,) = post(client, f"/explain?method={written}&render=overlay&target=mel")["explanations"]
    assert (one["method"], one["class"]) == ("gradcam++", "mel")
    assert "heatmap" not in one


def test_views_are_averaged(client: TestClient, fake_classifier: Classifier) -> None:
    prepared = fake_classifier.prepare(GOOD, tta=8)
    expected = fake_classifier.predict(prepared, fake_classifier.run(prepared.batch)).probabilities
    assert list(post(client, "/predict?tta=8")["probabilities"].values()) == pytest.approx(expected.tolist())


@pytest.mark.parametrize(("query", "header", "language"), [
    ("", "", "es"), ("?lang=en", "", "en"), ("?lang=es", "en", "es"), ("", "en-GB,en;q=0.9", "en"),
    ("", "fr, en;q=0.5, es;q=0.7", "es"), ("", "de", "es"), ("", "en;q=0", "es"), ("", "en;q=x, ;;,", "es"),
])  # fmt: skip
def test_language(client: TestClient, query: str, header: str, language: str) -> None:
    answer = post(client, f"/predict{query}", headers={"Accept-Language": header})
    assert answer["disclaimer"] == DISCLAIMER[language]


def test_several_frames_warn(client: TestClient) -> None:
    frames = [Image.new("RGB", (20, 20), (level, 90, 80)) for level in (200, 10)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    warnings = post(client, "/predict?lang=en", data=buffer.getvalue())["warnings"]
    assert {
        "code": "first_frame_only",
        "message": "The file holds several images; only the first was analysed.",
    } in warnings


def test_an_inside_error_says_nothing_of_the_inside(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("secret path /etc/lunar")

    monkeypatch.setattr(Classifier, "predict", explode)
    with caplog.at_level(logging.INFO):
        response = client.post("/predict", content=GOOD)
    assert response.status_code == 500
    assert response.json() == {
        "type": "urn:lunar:problem:internal",
        "title": "Something went wrong inside the service",
        "status": 500,
        "request_id": response.headers["X-Request-ID"],
    }
    assert "secret path" in caplog.text  # the log has it
    assert {name: response.headers[name] for name in HEADERS} == HEADERS


def test_a_full_house_answers_at_once(open_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch) -> None:
    """LUNAR_MAX_WAITING=0: one request at a time, the second is refused."""
    started, gate, run = threading.Event(), threading.Event(), Classifier.run
    monkeypatch.setattr(Classifier, "run", lambda self, batch: (started.set(), gate.wait(LIMIT_S), run(self, batch))[2])
    client = open_client(max_waiting=0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/predict", content=GOOD)
        try:
            assert started.wait(LIMIT_S)
            response = client.post("/predict", content=GOOD)
        finally:
            gate.set()
        assert first.result().status_code == 200
    assert response.status_code == 503
    assert response.json()["type"] == "urn:lunar:problem:overloaded"
    assert int(response.headers["Retry-After"]) > 0


def test_a_late_answer_is_a_503(open_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch) -> None:
    answered, run = threading.Event(), Classifier.run
    monkeypatch.setattr(Classifier, "run", lambda self, batch: (answered.wait(LIMIT_S), run(self, batch))[1])
    response = open_client(request_timeout_s=0.1).post("/predict", content=GOOD)
    answered.set()
    assert response.status_code == 503
    assert response.json()["type"] == "urn:lunar:problem:deadline-exceeded"
    assert "0.1 s" in response.json()["detail"]


def test_request_ids_are_kept_if_harmless(client: TestClient) -> None:
    assert client.get("/health/live", headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == "abc-1"
    made = client.get("/health/live", headers={"X-Request-ID": 'x"\ny' * 40}).headers["X-Request-ID"]
    assert len(made) == 32


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for path in ("/health/live", "/nowhere", "/docs", "/openapi.json"):
        headers = client.get(path).headers
        assert {name: headers[name] for name in HEADERS} == HEADERS


def test_logs_are_json_without_anything_of_the_upload(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    from service.observability.logging_config import JsonFormatter

    exif = Image.Exif()
    exif[0x010E] = "patient Jane Doe"
    with caplog.at_level(logging.INFO):
        client.post("/predict?lang=en", files={"file": ("jane-doe.jpg", lesion(exif=exif))})
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    (line,) = [line for line in lines if line["message"] == "request" and line["path"] == "/predict"]
    assert line["status"] == 200
    assert line["milliseconds"] > 0
    assert "jane" not in json.dumps(lines).lower()


def test_answers_do_not_depend_on_who_else_asks(client: TestClient) -> None:
    images = [lesion(width=40 + 10 * i, height=45) for i in range(6)]
    alone = [post(client, data=image)["probabilities"] for image in images]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda image: post(client, data=image)["probabilities"], images * 3))
    for one, other in zip(together, alone * 3, strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert len({json.dumps(each) for each in alone}) == 6


def test_probabilities_are_not_rounded(client: TestClient) -> None:
    values = np.array(list(post(client)["probabilities"].values()))
    assert (values != values.round(6)).any()


@pytest.mark.parametrize(("side", "warned"), [(15, True), (16, False), (40, False)])
def test_an_image_that_must_grow_much_is_warned_about(client: TestClient, side: int, warned: bool) -> None:
    """The fake's input has 32 pixels."""
    answer = client.post("/predict", content=lesion("PNG", width=50, height=side)).json()
    assert ("low_resolution" in [each["code"] for each in answer["warnings"]]) is warned
