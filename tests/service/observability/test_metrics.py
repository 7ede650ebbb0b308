"""What Prometheus is told of requests, steps and answers."""

import threading
import time
from base64 import b64encode
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from inference.domain.taxonomy import CLASSES
from inference.prediction.classifier import Classifier
from tests.support.lesion_images import lesion
from tests.support.scrape import Scrape
from tests.support.waiting import LIMIT_S, wait_for

STEPS = ("lunar_decode", "lunar_queue", "lunar_inference", "lunar_explanation")


def test_requests_are_counted_by_route_method_status_and_version(client: TestClient) -> None:
    client.post("/predict", content=lesion())
    client.post("/predict", content=b"GIF89a")
    client.get("/predict")
    client.get("/static/page.css")
    client.get("/static/none.css")
    client.post("/admin/reload")
    seen = Scrape(client)

    def count(**labels: str) -> float:
        return seen("lunar_http_requests_total", **labels)

    assert count(route="/predict", method="POST", status="200", version="1") == 1
    assert count(route="/predict", method="POST", status="415") == 1
    assert count(route="/predict", method="GET", status="405", version="") == 1
    assert count(route="/static", status="200") == 1
    assert count(route="/static", status="404") == 1
    assert count(route="/admin/reload", status="200") == 1
    assert count(route="/health/ready", status="200") >= 1
    assert seen("lunar_http_request_duration_seconds_count", route="/predict") == 3


def test_whatever_clients_invent_makes_no_new_series(client: TestClient) -> None:
    for number in range(5):
        client.get(f"/wp-admin/{number}")
        client.get(f"/static/{number}/../{number}.js")
        client.get(f"/examples/{number}")
        client.request(f"BREW{number}", "/predict")
        client.request(f"BREW{number}", f"/{number}")
        client.post(f"/predict?tta={number}99", content=lesion(), headers={"X-Request-ID": f"id-{number}"})
    seen = Scrape(client)
    named = seen.values("lunar_http_requests_total", "route")
    assert named == {"none", "/static", "/examples/{name}", "/predict", "/health/ready"}
    assert seen("lunar_http_requests_total", route="none", method="GET") == 5
    assert seen("lunar_http_requests_total", method="other") == 10
    assert seen.values("lunar_http_requests_total", "method") == {"GET", "POST", "other"}
    assert seen.values("lunar_http_requests_total", "version") == {""}, "nobody was answered by a model"


def test_who_is_refused_before_any_route_is_counted_by_cause(client: TestClient) -> None:
    assert client.get("/model", headers={"host": "evil.example"}).status_code == 400
    seen = Scrape(client)
    assert seen("lunar_refusals_total", cause="unknown-host") == 1
    assert seen("lunar_http_requests_total", route="none", status="400") == 1


@pytest.mark.parametrize(("path", "expected"), [
    ("/predict", (1, 1, 1, 0)), ("/explain", (1, 1, 1, 1)), ("/result", (1, 1, 1, 1)), ("/", (1, 1, 1, 1)),
])  # fmt: skip
def test_each_step_is_timed_once(client: TestClient, path: str, expected: tuple[int, ...]) -> None:
    assert client.post(path, content=lesion(), headers={"content-type": "image/jpeg"}).status_code == 200
    seen = Scrape(client)
    assert tuple(seen(f"{step}_seconds_count") for step in STEPS) == expected
    whole = seen("lunar_http_request_duration_seconds_sum", route=path)
    assert 0 < sum(seen(f"{step}_seconds_sum") for step in STEPS) <= whole


def test_an_image_that_cannot_be_read_has_only_been_decoded(client: TestClient) -> None:
    client.post("/predict", content=lesion()[:99])
    seen = Scrape(client)
    assert tuple(seen(f"{step}_seconds_count") for step in STEPS) == (1, 0, 0, 0)
    assert seen("lunar_refusals_total", cause="unreadable-image") == 1
    assert seen("lunar_predictions_total") == 0


def test_answers_are_counted_by_class_risk_and_warning(client: TestClient, fake_classifier: Classifier) -> None:
    prepared = fake_classifier.prepare(lesion())
    expected = fake_classifier.predict(prepared, fake_classifier.run(prepared.batch))
    client.post("/predict", content=lesion())
    client.post("/explain", content=lesion())
    client.post("/invocations", json={"inputs": [b64encode(lesion()).decode(), b64encode(b"no").decode()]})
    client.post("/result", content=lesion(), headers={"content-type": "image/jpeg"})
    seen = Scrape(client)
    assert seen("lunar_predictions_total", **{"class": expected.code}) == seen("lunar_predictions_total") == 4
    assert seen("lunar_risk_levels_total", level=expected.risk) == seen("lunar_risk_levels_total") == 4
    assert expected.warnings[0] == "untrained_model"
    assert seen("lunar_warnings_total", code="untrained_model") == 4
    assert seen("lunar_drift_answers") == 4


def test_the_pages_examples_are_nobodys_answers(client: TestClient) -> None:
    name = client.get("/").text.partition("example=")[2].partition('"')[0].partition("&")[0]
    assert client.post(f"/result?example={name}").status_code == 200
    seen = Scrape(client)
    assert seen("lunar_inference_seconds_count") == 1
    assert seen("lunar_predictions_total") == seen("lunar_drift_answers") == 0


def test_every_value_of_a_label_is_there_from_the_start(client: TestClient) -> None:
    """Prometheus sees no increase in a counter that begins with 1."""
    seen = Scrape(client)

    def values(name: str, label: str) -> set[str]:
        return {each.labels[label] for each in seen.samples if each.name == name}

    assert values("lunar_predictions_total", "class") == set(CLASSES)
    assert values("lunar_risk_levels_total", "level") == {"low", "moderate", "high"}
    assert values("lunar_warnings_total", "code") >= {"blurred", "dark", "out_of_distribution", "stale_model"}
    assert values("lunar_refusals_total", "cause") >= {"overloaded", "deadline-exceeded", "rate-limited", "internal"}
    looks = {"unchanged", "swapped", "refused", "unavailable", "superseded"}
    assert values("lunar_registry_looks_total", "outcome") == looks


def test_the_queue_and_the_places_are_seen_from_outside(
    open_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, run = threading.Event(), Classifier.run
    monkeypatch.setattr(Classifier, "run", lambda self, batch: (gate.wait(LIMIT_S), run(self, batch))[1])
    client = open_client(max_waiting=2)
    asking = [threading.Thread(target=client.post, args=["/predict"], kwargs={"content": lesion()}) for _ in range(3)]
    for thread in asking:
        thread.start()
    wait_for(lambda: Scrape(client)("lunar_queue_depth") == 2, "two wait for the model")
    waiting = time.perf_counter()
    seen = Scrape(client)
    assert seen("lunar_places_taken") == seen("lunar_places") == 3
    assert seen("lunar_http_requests_in_flight") == 4, "this scrape too"
    assert client.post("/predict", content=lesion()).status_code == 503
    waited = time.perf_counter() - waiting
    gate.set()
    for thread in asking:
        thread.join()
    seen = Scrape(client)
    assert (seen("lunar_queue_depth"), seen("lunar_places_taken"), seen("lunar_http_requests_in_flight")) == (0, 0, 1)
    assert seen("lunar_refusals_total", cause="overloaded") == 1
    assert seen("lunar_http_requests_total", route="/predict", status="503") == 1
    assert seen("lunar_queue_seconds_sum") >= 2 * waited, "two did, at least as long as that"


def test_who_gives_up_leaves_no_place_in_the_queue(
    open_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, run = threading.Event(), Classifier.run
    monkeypatch.setattr(Classifier, "run", lambda self, batch: (gate.wait(LIMIT_S), run(self, batch))[1])
    client = open_client(request_timeout_s=0.3)
    asking = [threading.Thread(target=client.post, args=["/predict"], kwargs={"content": lesion()}) for _ in range(2)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    seen = Scrape(client)
    gate.set()
    assert seen("lunar_queue_depth") == seen("lunar_places_taken") == 0
    assert seen("lunar_refusals_total", cause="deadline-exceeded") == 2
    assert seen("lunar_predictions_total") == 0


def test_failures_inside_are_counted(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Classifier, "predict", lambda *_: 1 / 0)
    assert client.post("/predict", content=lesion()).status_code == 500
    seen = Scrape(client)
    assert seen("lunar_http_requests_total", route="/predict", status="500") == 1
    assert seen("lunar_refusals_total", cause="internal") == 1
