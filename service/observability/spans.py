"""Requests and their steps as OpenTelemetry spans. This module is imported only if requests are traced."""

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

from service.observability.request_record import ANSWERED, RequestRecord

UNTRACED = ("/health/", "/static/", "/docs/assets/", "/metrics", "/ping")  # frequent requests without images
SHUTDOWN_S = 3.0
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Traced:
    """A request's span; `offset` converts time.perf_counter() in nanoseconds to nanoseconds since 1970."""

    span: Span
    offset: int

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits: the caller's, if the request continues a trace."""
        return format_trace_id(self.span.get_span_context().trace_id)

    def at(self, seconds: float) -> int:
        """A reading of time.perf_counter() as nanoseconds since 1970."""
        return int(seconds * _NS) + self.offset


class Spans:
    """Sends spans in the background. If the collector does not answer, spans are lost and requests are unaffected.

    Sampling, addresses, headers and names come from the standard's OTEL_* variables, which the SDK reads.
    """

    def __init__(self) -> None:
        resource = Resource.create({SERVICE_NAME: "lunar"}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._exporter = OTLPSpanExporter()
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("lunar")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, request: Request) -> Traced | None:
        """Start the span of a request, as a child of the `traceparent` header's; None for a path that is not traced."""
        if request.scope["path"].startswith(UNTRACED):
            return None
        offset = time.time_ns() - time.perf_counter_ns()
        context = self._propagator.extract(request.headers)
        return Traced(self._tracer.start_span("request", context, kind=SpanKind.SERVER), offset)

    def end(self, traced: Traced, record: RequestRecord, *, route: str, method: str, status: int) -> None:
        """End the span, with a child for every step. Attributes name version and outcome, no content."""
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
        """Send the remaining spans, for SHUTDOWN_S at most: the SDK (1.45) retries longer than `docker stop` waits."""
        deadline = threading.Timer(SHUTDOWN_S, self._exporter.shutdown)
        deadline.start()
        self._provider.shutdown()
        deadline.cancel()
