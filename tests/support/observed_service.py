"""A real service that has answered real requests, and a real Prometheus that watched it."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference.bundle.drift_reference import describe_answers
from inference.bundle.storage import Bundle
from inference.prediction.classifier import Classifier
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from service.observability.drift import FEWEST
from tests.support import http
from tests.support.lesion_images import lesion
from tests.support.prometheus_server import Prometheus, program, running_prometheus
from tests.support.service_process import running_service
from tests.support.variants import variant
from tests.support.waiting import wait_for

LAST = 'lunar_http_requests_total{route="/static"}'
SCRAPED = 'timestamp(up{job="lunar"}) and up{job="lunar"} == 1'  # when, if the last scrape succeeded


@dataclass(frozen=True, slots=True)
class Observed:
    """The service's address, the Prometheus that watches it, and a scrape as text."""

    address: str
    prometheus: Prometheus
    scrape: str


@contextmanager
def observed_service(starter: Bundle, folder: Path) -> Iterator[Observed]:
    """The starter with a reference, shadowed by itself, asked in every way and refused in some."""
    program("prometheus")  # before anything is started
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
        http.Client(base_url=address) as client,
    ):
        _ask(client)
        _wait_for(prometheus, f"{LAST} == 1")  # so that it has seen the counters before and after
        _ask(client)
        _wait_for(prometheus, f"lunar_drift_answers >= {FEWEST}")
        _wait_for(prometheus, f"{LAST} == 2")
        _wait_for(prometheus, "sum(increase(lunar_shadow_requests_total[1h])) > 0")
        prometheus.stop_the_clock(_wait_for(prometheus, SCRAPED))
        yield Observed(address, prometheus, client.get("/metrics").text)


def _ask(client: http.Client) -> None:
    image = lesion()
    for _ in range(FEWEST // 2):
        assert client.post("/predict", content=image).status_code == 200
    for path in ("/explain", "/result", "/"):
        assert client.post(path, content=image, headers={"content-type": "image/jpeg"}).status_code == 200
    assert client.post("/invocations", json={"inputs": [b64encode(image).decode()]}).status_code == 200
    assert client.post("/predict", content=image[:99]).status_code == 422
    assert client.get("/unknown").status_code == 404
    assert client.get("/static/page.css").status_code == 200  # LAST


def _wait_for(prometheus: Prometheus, condition: str) -> list[dict[str, Any]]:
    return wait_for(lambda: prometheus.query(condition), condition)
