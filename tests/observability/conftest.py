"""A real service that has answered real requests, and a real Prometheus that watched it."""

import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import numpy as np
import pytest

from inference.bundle import Bundle
from inference.classifier import Classifier
from inference.reference import describe_answers
from inference.registry import Registry
from inference.settings import RegistrySettings
from service.drift import FEWEST
from tests.prometheus_server import Prometheus, program, running_prometheus
from tests.running import running_service
from tests.service.conftest import lesion
from tests.variants import variant


@dataclass(frozen=True, slots=True)
class Observed:
    """The service's address, the Prometheus that watches it, and a scrape as text."""

    address: str
    prometheus: Prometheus
    scrape: str


@pytest.fixture(scope="session")
def observed(starter: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """The starter with a reference, shadowed by itself, asked in every way and refused in some."""
    program("prometheus")  # before anything is started
    folder = tmp_path_factory.mktemp("observed")
    registry = Registry(RegistrySettings(home=folder / "home"))
    classifier = Classifier.open(starter)
    prepared = classifier.prepare(lesion())
    answer = classifier.predict(prepared, classifier.run(prepared.batch))
    reference = describe_answers(np.tile(answer.probabilities, (500, 1)))
    bundle = variant(starter, folder / "bundle", temperature=starter.manifest.temperature, reference=reference)
    registry.publish(bundle, alias="champion", source="test")
    registry.publish(bundle, alias="challenger", source="test")
    settings = {"shadow_alias": "challenger", "shadow_share": "1", "registry_poll_s": "0.5"}
    with (
        running_service(registry.home, **settings) as address,
        running_prometheus(address, folder) as prometheus,
        httpx2.Client(base_url=address, timeout=30) as client,
    ):
        _ask(client)
        time.sleep(1.5)  # so that Prometheus has seen the counters before and after
        _ask(client)
        _wait_for(prometheus, f"lunar_drift_answers >= {FEWEST}")
        _wait_for(prometheus, 'lunar_http_requests_total{route="/static"} == 2')  # the last that was asked
        _wait_for(prometheus, "sum(increase(lunar_shadow_requests_total[1m])) > 0")
        yield Observed(address, prometheus, client.get("/metrics").text)


def _ask(client: httpx2.Client) -> None:
    image = lesion()
    for _ in range(FEWEST // 2):
        assert client.post("/predict", content=image).status_code == 200
    for path in ("/explain", "/result", "/"):
        assert client.post(path, content=image, headers={"content-type": "image/jpeg"}).status_code == 200
    assert client.post("/invocations", json={"inputs": [b64encode(image).decode()]}).status_code == 200
    assert client.post("/predict", content=image[:99]).status_code == 422
    assert client.get("/unknown").status_code == 404
    assert client.get("/static/page.css").status_code == 200


def _wait_for(prometheus: Prometheus, condition: str) -> None:
    deadline = time.monotonic() + 20
    while not prometheus.query(condition):
        assert time.monotonic() < deadline, condition
        time.sleep(0.1)
