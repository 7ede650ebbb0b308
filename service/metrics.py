"""What Prometheus is told, and GET /metrics."""

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

_DISTANCES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Metrics:
    """The metrics of one service; each application has its own, so that tests do not add up."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.model = Info("lunar_model", "The model in service", registry=self.registry)
        self.looks = Counter(
            "lunar_registry_looks",
            "Looks at the registry: unchanged, swapped, refused (the version may not serve), unavailable",
            ["alias", "outcome"],
            registry=self.registry,
        )
        self.shadow_requests = Counter(
            "lunar_shadow_requests",
            "Requests offered to the shadow: agreed, differed (another class), skipped (busy), failed",
            ["outcome"],
            registry=self.registry,
        )
        self.shadow_distance = Histogram(
            "lunar_shadow_distance",
            "Total variation distance of the shadow's probabilities from the answer's: 0 equal, 1 disjoint",
            buckets=_DISTANCES,
            registry=self.registry,
        )
        self.shadow_seconds = Histogram(
            "lunar_shadow_seconds", "Time the shadow needed, from bytes to probabilities", registry=self.registry
        )

    def watch(self, name: str, words: str, value: Callable[[], float]) -> None:
        """A gauge that is asked whenever the metrics are."""
        Gauge(name, words, registry=self.registry).set_function(value)


def add_metrics(app: FastAPI, metrics: Metrics) -> None:
    """Add GET /metrics."""

    @app.get("/metrics", tags=["operation"], response_class=Response)
    async def show_metrics() -> Response:
        """The service's metrics, in Prometheus's text format."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
