"""The shadow: compared on live requests, seen by nobody, in nobody's way."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from inference.bundle.storage import Bundle
from inference.prediction.classifier import Classifier
from inference.registry.mlflow_registry import Registry
from service.observability.metrics import Metrics
from service.serving.shadow import Shadow
from service.settings import Settings
from tests.support.fakes import write_fake_bundle
from tests.support.lesion_images import lesion
from tests.support.settings import changed
from tests.support.waiting import LIMIT_S, wait_for


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


def open_shadowed(open_client: Callable[..., TestClient], settings: Settings) -> TestClient:
    client = open_client(**settings.model_dump())
    wait_for(lambda: client.get("/model").json()["shadow"] is not None, "the shadow is there")
    return client


@pytest.mark.parametrize("path", ["/predict", "/explain", "/result"])
def test_agreement_distance_and_latency_are_counted(
    path: str, shadowed: Settings, open_client: Callable[..., TestClient], fake_classifier: Classifier
) -> None:
    client = open_shadowed(open_client, shadowed)
    assert client.get("/model").json()["shadow"]["version"] == "2"
    answer = client.post(path, content=lesion(), headers={"content-type": "image/jpeg"})
    assert answer.status_code == 200
    wait_for(lambda: outcome(client, "agreed") == 1, "one comparison")
    found = counts(client)
    prepared = fake_classifier.prepare(lesion())
    logits = fake_classifier.run(prepared.batch).logits
    from inference.domain.probability import softmax

    expected = abs(softmax(logits, 1.5) - softmax(logits, 3.0)).sum() / 2
    assert found["lunar_shadow_distance_sum"] == pytest.approx(expected, abs=1e-6)
    assert expected > 0.01
    assert found["lunar_shadow_seconds_count"] == 1
    if path == "/predict":
        assert answer.json()["model"]["version"] == "1"


def test_nobody_waits_for_the_shadow(
    shadowed: Settings, open_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_shadowed(open_client, shadowed)
    predict, answered = Classifier.predict, threading.Event()

    def slow(self: Classifier, *args: object) -> object:
        if self.bundle.manifest.temperature == 3.0:
            answered.wait(LIMIT_S)
        return predict(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Classifier, "predict", slow)
    for _ in range(3):
        assert client.post("/predict", content=lesion()).status_code == 200
    assert (outcome(client, "agreed"), outcome(client, "skipped")) == (0, 2)
    answered.set()
    wait_for(lambda: outcome(client, "agreed") == 1, "one comparison")


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
    wait_for(lambda: outcome(client, "failed") == 1, "the failure is counted")


def test_closing_drops_a_comparison_that_waits_for_its_picture(fake_classifier: Classifier) -> None:
    async def run() -> None:
        metrics, waits = Metrics(), asyncio.Event()
        version = SimpleNamespace(version="2")
        manager: Any = SimpleNamespace(shadow=lambda: SimpleNamespace(classifier=fake_classifier, version=version))

        async def prepare(*_: object) -> None:
            waits.set()
            await asyncio.Event().wait()

        decoder: Any = SimpleNamespace(prepare=prepare)
        prediction: Any = None
        shadow = Shadow(manager, Settings(shadow_share=1.0), metrics, decoder)
        await shadow.offer(lesion(), prediction, 1)
        await waits.wait()
        await shadow.close()
        assert shadow._comparing
        assert shadow._comparing.cancelled()
        assert not metrics.registry.get_sample_value("lunar_shadow_requests_total", {"outcome": "failed"})

    asyncio.run(run())


def test_only_a_share_is_sampled(shadowed: Settings, open_client: Callable[..., TestClient]) -> None:
    client = open_shadowed(open_client, changed(shadowed, shadow_share=0.0))
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
    wait_for(lambda: client.get("/model").json()["shadow"] is None, "the shadow has gone")
