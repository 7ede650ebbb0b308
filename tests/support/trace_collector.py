"""A real OTLP/HTTP receiver: takes what an OpenTelemetry exporter sends, and keeps the spans."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.waiting import wait_for


class Collector:
    """`spans` as they came: dicts of name, trace and parent ids in hex, nanoseconds and attributes."""

    def __init__(self, *, status: int = 200) -> None:
        self.status = status
        self.spans: list[dict[str, Any]] = []
        self.services: set[str] = set()
        self.bodies: list[bytes] = []

    @contextmanager
    def running(self) -> Iterator[str]:
        """Yields its address."""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.receive(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                self.send_response(collector.status if self.path == "/v1/traces" else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Write no log."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def receive(self, body: bytes) -> None:
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = (each for each in resource.resource.attributes if each.key == "service.name")
            self.services |= {each.value.string_value for each in named}
            for scope in resource.scope_spans:
                self.spans += [_describe(span) for span in scope.spans]

    def wait_for(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """The spans of this name, once there are as many."""

        def found() -> list[dict[str, Any]]:
            return [span for span in self.spans if span["name"] == name]

        wait_for(lambda: len(found()) >= count, lambda: f"{count} spans {name!r} among {self.spans}")
        return found()

    def children(self, span: dict[str, Any]) -> list[dict[str, Any]]:
        return sorted((each for each in self.spans if each["parent"] == span["id"]), key=lambda each: each["start"])


def _describe(span: Any) -> dict[str, Any]:
    values = {each.key: each.value for each in span.attributes}
    return {
        "name": span.name,
        "trace": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "kind": span.kind,
        "error": span.status.code == 2,
        "attributes": {key: value.string_value or value.int_value for key, value in values.items()},
    }
