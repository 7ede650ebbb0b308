"""A request's id and its line in the log; the log as JSON lines on stderr, and of requests in a file too."""

import json
import logging
import re
import time
import uuid
import warnings
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.audit import CLIENT_LEFT, Fingerprint, Record
from service.audit_file import AuditFile
from service.errors import respond
from service.metrics import Metrics
from service.settings import Settings

if TYPE_CHECKING:
    from service.spans import Spans, Traced

HEADER = "X-Request-ID"
CLIENT_CLOSED_REQUEST = 499  # as nginx logs it; nobody is left to receive it
NO_ROUTE = "none"  # an unknown path, or refused before any route
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # a client may invent others
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)

log = logging.getLogger("service.request")


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what was passed as `extra` becomes keys."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        content: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        content |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if traced := trace_id.get():
            content["trace_id"] = traced
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content, ensure_ascii=False, default=str)


def configure_logging(settings: Settings) -> None:
    """JSON lines on stderr for everything, Python's warnings included. Raises OSError if there is no audit file."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    handler.setLevel(settings.log_level.upper())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    # What Pillow says of a damaged file may quote its metadata, and what matters of it is in the answer.
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    if settings.audit_file:
        log.setLevel(logging.INFO)  # the file has every request, however little stderr is told
        audit = AuditFile(settings.audit_file, days=settings.audit_days)
        audit.setFormatter(JsonFormatter())
        log.addHandler(audit)
    logging.getLogger("uvicorn.access").disabled = True  # every request has its own line here
    for chatty in ("alembic", "mlflow"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class RequestLog:
    """Middleware: gives the request its id, turns what nobody caught into a 500, and tells log, metrics and trace."""

    def __init__(self, app: ASGIApp, fingerprint: Fingerprint, metrics: Metrics, spans: "Spans | None") -> None:
        self._app, self._fingerprint, self._metrics, self._spans = app, fingerprint, metrics, spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        given = request.headers.get(HEADER, "")
        request.state.request_id = given if _ACCEPTABLE_ID.fullmatch(given) else uuid.uuid4().hex
        record = request.state.record = Record(self._fingerprint)
        traced = self._spans.begin(request) if self._spans else None
        token = trace_id.set(traced.trace_id if traced else None)
        started, status = time.perf_counter(), 0
        self._metrics.in_flight.inc()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request.state.request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            status, record.outcome = CLIENT_CLOSED_REQUEST, CLIENT_LEFT
        except Exception as error:
            log.exception("unhandled", extra={"request_id": request.state.request_id})
            if status:
                raise
            await respond(request, error)(scope, receive, send_with_id)
        finally:
            self._metrics.in_flight.dec()
            self._tell(request, record, status=status, seconds=time.perf_counter() - started, traced=traced)
            trace_id.reset(token)

    def _tell(self, request: Request, record: Record, *, status: int, seconds: float, traced: "Traced | None") -> None:
        scope = request.scope
        # The path without its query, and of the body only what Record has: an upload is a patient's.
        log.info(
            "request",
            extra={
                "request_id": request.state.request_id,
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "milliseconds": round(seconds * 1000, 1),
                **record.facts(),
            },
        )
        route = _route_of(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.answered(record, route=route, method=method, status=status, seconds=seconds)
        if self._spans and traced:
            self._spans.end(traced, record, route=route, method=method, status=status)


def _route_of(scope: Scope) -> str:
    """The template of the route that was reached, or where the folder is mounted that a file was looked for in."""
    if "route" in scope:
        return str(scope["route"].path)
    return str(scope["root_path"]) if "endpoint" in scope else NO_ROUTE
