"""The shadow: compared on live requests, seen by nobody, in nobody's way."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from inference.bundle import Bundle
from inference.classifier import Classifier
from inference.registry import Registry
from service.settings import Settings
from tests.fakes import write_fake_bundle
from tests.service.conftest import lesion


@pytest.fixture
def shadowed(registry: Registry, fake_bundle: Bundle, tmp_path: Path) -> Settings:
    """Version 1 serves; version 2 is its shadow and gives other probabilities for the same classes."""
    registry.publish(fake_bundle, alias="champion", source="test")
    other = write_fake_bundle(tmp_path / "other", temperature=3.0)
    registry.publish(other, alias="challenger", source="test")
    return Settings(home=registry.home, shadow_alias="challenger", shadow_share=1.0)


def counts(client: TestClient) -> dict[str, float]:
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith("lunar_shadow_")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def outcome(client: TestClient, name: str) -> float:
    return counts(client).get(f'lunar_shadow_requests_total{{outcome="{name}"}}', 0)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def open_shadowed(open_client: Callable[..., TestClient], settings: Settings) -> TestClient:
    client = open_client(**settings.model_dump())
    wait_for(lambda: client.get("/model").json()["shadow"] is not None)
    return client


@pytest.mark.parametrize("path", ["/predict", "/explain", "/result"])
def test_agreement_distance_and_latency_are_counted(
    path: str, shadowed: Settings, open_client: Callable[..., TestClient], fake_classifier: Classifier
) -> None:
    client = open_shadowed(open_client, shadowed)
    assert client.get("/model").json()["shadow"]["version"] == "2"
    answer = client.post(path, content=lesion(), headers={"content-type": "image/jpeg"})
    assert answer.status_code == 200
    wait_for(lambda: outcome(client, "agreed") == 1)
    found = counts(client)
    prepared = fake_classifier.prepare(lesion())
    logits = fake_classifier.run(prepared.batch).logits
    from inference.probability import softmax

    expected = abs(softmax(logits, 1.5) - softmax(logits, 3.0)).sum() / 2
    assert found["lunar_shadow_distance_sum"] == pytest.approx(expected, abs=1e-9)
    assert expected > 0.01
    assert found["lunar_shadow_seconds_count"] == 1
    if path == "/predict":
        assert answer.json()["model"]["version"] == "1"


def test_nobody_waits_for_the_shadow(
    shadowed: Settings, open_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_shadowed(open_client, shadowed)
    predict = Classifier.predict

    def slow(self: Classifier, *args: object) -> object:
        if self.bundle.manifest.temperature == 3.0:
            time.sleep(1.0)
        return predict(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Classifier, "predict", slow)
    began = time.perf_counter()
    for _ in range(3):
        assert client.post("/predict", content=lesion()).status_code == 200
    assert time.perf_counter() - began < 0.9
    assert outcome(client, "skipped") == 2
    wait_for(lambda: outcome(client, "agreed") == 1)


def test_a_shadow_that_fails_is_counted_and_does_no_harm(
    shadowed: Settings, open_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_shadowed(open_client, shadowed)
    run = Classifier.run

    def broken(self: Classifier, batch: object) -> object:
        if self.bundle.manifest.temperature == 3.0:
            raise RuntimeError("no")
        return run(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(Classifier, "run", broken)
    assert client.post("/predict", content=lesion()).status_code == 200
    wait_for(lambda: outcome(client, "failed") == 1)


def test_only_a_share_is_sampled(shadowed: Settings, open_client: Callable[..., TestClient]) -> None:
    client = open_shadowed(open_client, shadowed.model_copy(update={"shadow_share": 0.0}))
    for _ in range(5):
        client.post("/predict", content=lesion())
    assert "lunar_shadow_requests_total" not in client.get("/metrics").text.replace("# ", "").split("TYPE")[0]
    assert all(outcome(client, name) == 0 for name in ("agreed", "differed", "skipped", "failed"))


def test_a_challenger_that_is_withdrawn_runs_no_more(
    shadowed: Settings, registry: Registry, open_client: Callable[..., TestClient]
) -> None:
    client = open_shadowed(open_client, shadowed)
    with registry._client() as mlflow:
        mlflow.delete_registered_model_alias(registry.name, "challenger")
    client.post("/admin/reload")
    wait_for(lambda: client.get("/model").json()["shadow"] is None)
