"""Tracing with OpenTelemetry, if the extra `tracing` is installed and the environment names a collector."""

import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.observability.spans import Spans

# The standard variables of the SDK, so that one environment configures every service of an operator.
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HTTP = "http/protobuf"

log = logging.getLogger(__name__)


def open_tracing() -> "Spans | None":
    """Start tracing; None, without importing OpenTelemetry, if it is off. The log names a missing requirement."""
    if not _first(_ENDPOINTS) or os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return None
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if (protocol := _first(_PROTOCOLS) or HTTP) != HTTP:
        log.warning("requests are not traced", extra={"reason": f"OTLP over {protocol}; allowed: {HTTP}"})
        return None
    try:
        from service.observability.spans import Spans
    except ImportError as error:
        reason = f"the extra `tracing` is not installed: no {error.name}"
        log.warning("requests are not traced", extra={"reason": reason})
        return None
    return Spans()


def _first(names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := os.environ.get(name, "").strip())), "")
