"""Allowed host names: protection against DNS rebinding, where another site points its own name to this machine."""

from urllib.parse import urlsplit

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service import errors
from service.http import problems
from service.settings import Settings

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})  # always allowed, for health checks


class AllowedHosts:
    """Middleware: refuses requests whose Host header is not allowed."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._any = not settings.on_loopback and not settings.allowed_hosts
        self._known = _HERE | {settings.host.lower()} | {name.lower() for name in settings.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and not self._any:
            request = Request(scope)
            if _name(request.headers.get("host", "")) not in self._known | {_local_address(scope)}:
                error = errors.UnknownHost("The Host header is not in LUNAR_ALLOWED_HOSTS.")
                await problems.respond(request, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _local_address(scope: Scope) -> str | None:
    """The address of this machine at which the request arrived.

    Health checks and Prometheus address a replica by it; a browser that was misled by DNS rebinding sends a name.
    """
    server = scope.get("server")
    return server[0] if server else None


def _name(host: str) -> str | None:
    """The Host header without its port, in lower case; None if it cannot be parsed."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
