"""The Prometheus metrics of the service. Other modules report events; only this one knows the metrics' names."""

from collections.abc import Callable, Iterable
from typing import Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

from inference.bundle.drift_reference import DriftReference
from inference.domain.model_version import ModelVersion
from inference.domain.risk import RiskLevel
from inference.domain.taxonomy import CLASSES
from inference.prediction.classifier import Prediction
from inference.prediction.messages import WARNINGS
from service.observability.drift import Drift
from service.observability.request_record import ANSWERED, CLIENT_LEFT, SHUT_DOWN, RequestRecord

DecoderEnd = Literal["crash", "cpu", "deadline"]
_DISTANCES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The metrics of one service. Each application has its own registry, so that tests do not share counts.

    `causes` are the values of the label `cause`: the reasons for which a request may be refused. No metric is
    personal, and every label has few values: docs/operations.md lists them.
    """

    def __init__(self, causes: Iterable[str] = ()) -> None:
        # No creation time beside every counter: only another format than this one can use it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        drift = Drift()
        self.registry.register(drift)
        self.model = ModelMetrics(self.registry, drift)
        self.requests = RequestMetrics(self.registry, causes)
        self.queue = QueueMetrics(self.registry)
        self.decoders = DecoderMetrics(self.registry)
        self.answers = AnswerMetrics(self.registry, drift)
        self.shadow = ShadowMetrics(self.registry)


class ModelMetrics:
    """The served model and the refreshes from the registry."""

    def __init__(self, registry: CollectorRegistry, drift: Drift) -> None:
        self._registry, self._drift = registry, drift
        self._model = Info("lunar_model", "The model in service", registry=registry)
        self._refreshes = _counter(
            registry,
            "lunar_registry_looks",
            "Looks at the registry: unchanged, swapped, refused (the version may not serve), unavailable, superseded",
            ["alias", "outcome"],
        )

    def watch(self, *, loaded: Callable[[], float], stale: Callable[[], float]) -> None:
        """Read these two states whenever the metrics are read."""
        _gauge(self._registry, "lunar_model_stale", "1 if the registry has not confirmed the model in service", stale)
        words = "1 if a verified model is in service, else 0: not ready"
        _gauge(self._registry, "lunar_model_loaded", words, loaded)

    def follows(self, alias: str, outcomes: Iterable[str]) -> None:
        """An alias is followed from now on: create its counters with 0."""
        for outcome in outcomes:
            self._refreshes.labels(alias, outcome)

    def refreshed(self, alias: str, outcome: str) -> None:
        """The registry was asked about an alias."""
        self._refreshes.labels(alias, outcome).inc()

    def swapped(self, version: ModelVersion, *, runtime: str, graph: str, reference: DriftReference | None) -> None:
        """Another version serves from now on; drift is measured against its reference."""
        facts = {"name": version.name, "version": version.version, "alias": version.alias or ""}
        self._model.info(facts | {"digest": version.digest, "runtime": runtime, "graph": graph})
        self._drift.follow(version, reference)


class RequestMetrics:
    """HTTP requests, the steps they took, and why some got no answer."""

    def __init__(self, registry: CollectorRegistry, causes: Iterable[str]) -> None:
        self._in_flight = Gauge("lunar_http_requests_in_flight", "Requests being answered", registry=registry)
        self._requests = _counter(
            registry,
            "lunar_http_requests",
            "Requests by route (none: no route was reached), method, status, and the model's version, if it answered",
            ["route", "method", "status", "version"],
        )
        self._duration = Histogram(
            "lunar_http_request_duration_seconds",
            "From the request's head to the end of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._steps = {
            "decode": _seconds(
                registry, "lunar_decode", "From a file's bytes to what the model sees, with the wait for a decoder"
            ),
            "queue": _seconds(registry, "lunar_queue", "Waiting for the model, of what it then answered"),
            "inference": _seconds(registry, "lunar_inference", "The model's time for one image"),
            "explain": _seconds(registry, "lunar_explanation", "From the model's outputs to drawn heat maps"),
        }
        words = "Requests without the answer that was asked for, by cause"
        self._refusals = _counter(registry, "lunar_refusals", words, ["cause"], (*causes, CLIENT_LEFT, SHUT_DOWN))

    def started(self) -> None:
        """A request has arrived."""
        self._in_flight.inc()

    def ended(self, record: RequestRecord, *, route: str, method: str, status: int, seconds: float) -> None:
        """A request has ended. `route` and `method` come from a small set, never from the client's text."""
        self._in_flight.dec()
        self._requests.labels(route, method, str(status), record.version or "").inc()
        self._duration.labels(route).observe(seconds)
        for step in tuple(record.steps.ended):
            self._steps[step.name].observe(step.ended - step.began)
        if record.outcome != ANSWERED:
            self._refusals.labels(record.outcome).inc()


class QueueMetrics:
    """Requests with images that are present, and those that wait for the model."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def watch(self, *, places: Callable[[], float], taken: Callable[[], float], waiting: Callable[[], float]) -> None:
        """Read these three numbers whenever the metrics are read."""
        _gauge(self._registry, "lunar_places", "Requests with images that may be present at once", places)
        _gauge(self._registry, "lunar_places_taken", "Requests with images that are present", taken)
        _gauge(self._registry, "lunar_queue_depth", "Requests that wait for the model", waiting)


class DecoderMetrics:
    """Processes that decode images."""

    def __init__(self, registry: CollectorRegistry) -> None:
        words = "Decoders that were killed and replaced: crash, cpu (too much processor time), deadline"
        self._killed = _counter(registry, "lunar_decoders_killed", words, ["cause"], get_args(DecoderEnd))

    def killed(self, cause: DecoderEnd) -> None:
        """A decoder was killed and replaced."""
        self._killed.labels(cause).inc()


class AnswerMetrics:
    """What the model answered."""

    def __init__(self, registry: CollectorRegistry, drift: Drift) -> None:
        self._drift = drift
        self._predictions = _counter(registry, "lunar_predictions", "Answers by predicted class", ["class"], CLASSES)
        self._risks = _counter(registry, "lunar_risk_levels", "Answers by risk level", ["level"], get_args(RiskLevel))
        self._warnings = _counter(registry, "lunar_warnings", "Warnings that answers carried", ["code"], WARNINGS)

    def noted(self, version: ModelVersion, prediction: Prediction) -> None:
        """A user's image has been classified."""
        self._predictions.labels(prediction.code).inc()
        self._risks.labels(prediction.risk).inc()
        for code in prediction.warnings:
            self._warnings.labels(code).inc()
        self._drift.note(version, prediction)


class ShadowMetrics:
    """Comparisons of the shadow's answers with the served model's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = _counter(
            registry,
            "lunar_shadow_requests",
            "Requests offered to the shadow: agreed, differed (another class), skipped (busy), failed",
            ["outcome"],
        )
        self._distance = Histogram(
            "lunar_shadow_distance",
            "Total variation distance of the shadow's probabilities from the answer's: 0 equal, 1 disjoint",
            buckets=_DISTANCES,
            registry=registry,
        )
        self._seconds = _seconds(registry, "lunar_shadow", "Time the shadow needed, from bytes to probabilities")

    def compared(self, *, agreed: bool, distance: float, seconds: float) -> None:
        """The shadow has answered a request too."""
        self._requests.labels("agreed" if agreed else "differed").inc()
        self._distance.observe(distance)
        self._seconds.observe(seconds)

    def skipped(self) -> None:
        """A request was not compared, because the shadow was busy."""
        self._requests.labels("skipped").inc()

    def failed(self) -> None:
        """The shadow failed on a request."""
        self._requests.labels("failed").inc()


def _counter(
    registry: CollectorRegistry, name: str, words: str, labels: list[str], values: Iterable[str] = ()
) -> Counter:
    """Create every value of the only label with 0: Prometheus sees no increase in a series that starts with 1."""
    counter = Counter(name, words, labels, registry=registry)
    for value in values:
        counter.labels(value)
    return counter


def _gauge(registry: CollectorRegistry, name: str, words: str, value: Callable[[], float]) -> None:
    Gauge(name, words, registry=registry).set_function(value)


def _seconds(registry: CollectorRegistry, name: str, words: str) -> Histogram:
    return Histogram(f"{name}_seconds", words, buckets=_SECONDS, registry=registry)
