"""What Prometheus is told, and GET /metrics."""

from collections.abc import Callable, Iterable
from typing import get_args

from fastapi import FastAPI
from fastapi.responses import Response
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from inference.classifier import Prediction
from inference.registry import Version
from inference.risk import RiskLevel
from inference.taxonomy import CLASSES
from inference.wording import WARNINGS
from service.audit import ANSWERED, CLIENT_LEFT, Record
from service.drift import Drift
from service.errors import HTTP, INTERNAL, PROBLEMS

_DISTANCES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_CAUSES = (*(each.slug for each in PROBLEMS.values()), INTERNAL.slug, HTTP, CLIENT_LEFT)


class Metrics:
    """The metrics of one service; each application has its own, so that tests do not add up.

    Nothing here is personal, and every label has few values: docs/operations.md lists them.
    """

    def __init__(self) -> None:
        # No time beside every counter, which only another format than this one can use.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.drift = Drift()
        self.registry.register(self.drift)
        self.model = Info("lunar_model", "The model in service", registry=self.registry)
        self.looks = self._counter(
            "lunar_registry_looks",
            "Looks at the registry: unchanged, swapped, refused (the version may not serve), unavailable",
            ["alias", "outcome"],
        )
        self.in_flight = Gauge("lunar_http_requests_in_flight", "Requests being answered", registry=self.registry)
        self._requests = self._counter(
            "lunar_http_requests",
            "Requests by route (none: no route was reached), method, status, and the model's version, if it answered",
            ["route", "method", "status", "version"],
        )
        self._duration = Histogram(
            "lunar_http_request_duration_seconds",
            "From the request's head to the end of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._steps = {
            "decode": self._seconds("lunar_decode", "From a file's bytes to what the model sees"),
            "queue": self._seconds("lunar_queue", "Waiting for the model, of what it then answered"),
            "inference": self._seconds("lunar_inference", "The model's time for one image"),
            "explain": self._seconds("lunar_explanation", "From the model's outputs to drawn heat maps"),
        }
        self._refusals = self._counter(
            "lunar_refusals", "Requests without the answer that was asked for, by cause", ["cause"], _CAUSES
        )
        self._predictions = self._counter("lunar_predictions", "Answers by predicted class", ["class"], CLASSES)
        self._risks = self._counter("lunar_risk_levels", "Answers by risk level", ["level"], get_args(RiskLevel))
        self._warnings = self._counter("lunar_warnings", "Warnings that answers carried", ["code"], WARNINGS)
        self.shadow_requests = self._counter(
            "lunar_shadow_requests",
            "Requests offered to the shadow: agreed, differed (another class), skipped (busy), failed",
            ["outcome"],
        )
        self.shadow_distance = Histogram(
            "lunar_shadow_distance",
            "Total variation distance of the shadow's probabilities from the answer's: 0 equal, 1 disjoint",
            buckets=_DISTANCES,
            registry=self.registry,
        )
        self.shadow_seconds = self._seconds("lunar_shadow", "Time the shadow needed, from bytes to probabilities")

    def watch(self, name: str, words: str, value: Callable[[], float]) -> None:
        """A gauge that is asked whenever the metrics are."""
        Gauge(name, words, registry=self.registry).set_function(value)

    def answered(self, record: Record, *, route: str, method: str, status: int, seconds: float) -> None:
        """A request has ended. `route` and `method` are of a small set, never what the client wrote."""
        self._requests.labels(route, method, str(status), record.version or "").inc()
        self._duration.labels(route).observe(seconds)
        for step in tuple(record.steps.ended):
            self._steps[step.name].observe(step.ended - step.began)
        if record.outcome != ANSWERED:
            self._refusals.labels(record.outcome).inc()

    def found(self, version: Version, prediction: Prediction) -> None:
        """Somebody's image has been classified."""
        self._predictions.labels(prediction.code).inc()
        self._risks.labels(prediction.risk).inc()
        for code in prediction.warnings:
            self._warnings.labels(code).inc()
        self.drift.note(version, prediction)

    def _counter(self, name: str, words: str, labels: list[str], values: Iterable[str] = ()) -> Counter:
        """With every value of its only label from the start: of what begins with 1 no increase can be seen."""
        counter = Counter(name, words, labels, registry=self.registry)
        for value in values:
            counter.labels(value)
        return counter

    def _seconds(self, name: str, words: str) -> Histogram:
        return Histogram(f"{name}_seconds", words, buckets=_SECONDS, registry=self.registry)


def add_metrics(app: FastAPI, metrics: Metrics) -> None:
    """Add GET /metrics."""

    @app.get("/metrics", tags=["operation"], response_class=Response)
    async def show_metrics() -> Response:
        """The service's metrics, in Prometheus's text format."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
