"""Request log: gives every request an id, and reports it to log, metrics and trace when it has ended."""

import re
import time
import uuid
from asyncio import CancelledError
from typing import TYPE_CHECKING

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.problems import respond
from service.observability.logging_config import log, trace_id
from service.observability.metrics import Metrics
from service.observability.request_record import CLIENT_LEFT, SHUT_DOWN, Fingerprint, RequestRecord

if TYPE_CHECKING:
    from service.observability.spans import Spans, Traced

HEADER = "X-Request-ID"
CLIENT_CLOSED_REQUEST = 499  # nginx's code; the client cannot receive it any more
SHUT_DOWN_STATUS = 503
NO_ROUTE = "none"  # an unknown path, or refused before routing
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # a client may invent others
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestLog:
    """Middleware: sets the request id, turns an uncaught exception into a 500, reports to log, metrics and trace."""

    def __init__(self, app: ASGIApp, fingerprint: Fingerprint | None, metrics: Metrics, spans: "Spans | None") -> None:
        self._app, self._fingerprint, self._metrics, self._spans = app, fingerprint, metrics.requests, spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        proposed = request.headers.get(HEADER, "")
        request.state.request_id = proposed if _ACCEPTABLE_ID.fullmatch(proposed) else uuid.uuid4().hex
        record = request.state.record = RequestRecord(self._fingerprint)
        traced = self._spans.begin(request) if self._spans else None
        token = trace_id.set(traced.trace_id if traced else None)
        started, status = time.perf_counter(), 0
        self._metrics.started()

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
        except CancelledError:  # by uvicorn, which has waited for the end of the answers and stops
            status, record.outcome = status or SHUT_DOWN_STATUS, SHUT_DOWN
            raise
        except Exception as error:
            log.exception("unhandled", extra={"request_id": request.state.request_id})
            if status:
                raise
            await respond(request, error)(scope, receive, send_with_id)
        finally:
            self._report(request, record, status=status, seconds=time.perf_counter() - started, traced=traced)
            trace_id.reset(token)

    def _report(
        self, request: Request, record: RequestRecord, *, status: int, seconds: float, traced: "Traced | None"
    ) -> None:
        scope = request.scope
        # The path without its query, and of the body only the fields of RequestRecord: an upload is patient data.
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
        self._metrics.ended(record, route=route, method=method, status=status, seconds=seconds)
        if self._spans and traced:
            self._spans.end(traced, record, route=route, method=method, status=status)


def _route_of(scope: Scope) -> str:
    """The path template of the matched route, or the mount point of a folder of static files."""
    if "route" in scope:
        return str(scope["route"].path)
    return str(scope["root_path"]) if "endpoint" in scope else NO_ROUTE
