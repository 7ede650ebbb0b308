"""A request and its steps as OpenTelemetry spans. Loaded only if requests are traced."""

import threading
import time
from dataclasses import dataclass

from fastapi import Request
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.audit import ANSWERED, Record

UNTRACED = ("/health/", "/static/", "/docs/assets/", "/metrics", "/ping")  # asked for all the time
LEAVING_S = 3.0
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Traced:
    """A request's span, and what to add to seconds of time.perf_counter() for nanoseconds since 1970."""

    span: Span
    offset: int

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits: the caller's, if the request continues a trace."""
        return format_trace_id(self.span.get_span_context().trace_id)

    def at(self, seconds: float) -> int:
        """When a reading of time.perf_counter() was, in nanoseconds since 1970."""
        return int(seconds * _NS) + self.offset


class Spans:
    """Sends spans in the background; while the collector does not answer they are lost, and requests do not notice.

    Sampling, addresses, headers and names are set by the standard's OTEL_* variables, which the SDK reads.
    """

    def __init__(self) -> None:
        resource = Resource.create({SERVICE_NAME: "lunar"}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._exporter = OTLPSpanExporter()
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("lunar")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, request: Request) -> Traced | None:
        """The span of a request that has come, below the caller's if there is a traceparent; None if not traced."""
        if request.scope["path"].startswith(UNTRACED):
            return None
        offset = time.time_ns() - time.perf_counter_ns()
        context = self._propagator.extract(request.headers)
        return Traced(self._tracer.start_span("request", context, kind=SpanKind.SERVER), offset)

    def end(self, traced: Traced, record: Record, *, route: str, method: str, status: int) -> None:
        """The request has been answered. Of its content nothing is told but who answered, and how it ended."""
        span = traced.span
        if not span.is_recording():
            return
        context = set_span_in_context(span)
        for step in tuple(record.steps.ended):
            child = self._tracer.start_span(step.name, context, start_time=traced.at(step.began))
            child.end(traced.at(step.ended))
        span.update_name(f"{method} {route}")
        span.set_attribute("http.request.method", method)
        span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)
        if record.version is not None:
            span.set_attribute("lunar.model.version", record.version)
        if record.outcome != ANSWERED:
            span.set_attribute("error.type", record.outcome)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """Send what is left. The SDK (1.45) would try a collector that is away for longer than `docker stop` waits."""
        impatience = threading.Timer(LEAVING_S, self._exporter.shutdown)
        impatience.start()
        self._provider.shutdown()
        impatience.cancel()
