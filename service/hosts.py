"""The names the service answers to: another site that points its own name here (DNS rebinding) gets nothing."""

from urllib.parse import urlsplit

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service import errors
from service.settings import Settings

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})  # always allowed, for health checks


class KnownHosts:
    """Middleware: refuses what was sent to another name."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._any = not settings.on_loopback and not settings.allowed_hosts
        self._known = _HERE | {settings.host.lower()} | {name.lower() for name in settings.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and not self._any:
            request = Request(scope)
            if _name(request.headers.get("host", "")) not in self._known | {_reached(scope)}:
                error = errors.UnknownHost("The service does not answer to this name.")
                await errors.respond(request, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _reached(scope: Scope) -> str | None:
    """The address of this machine that the request came to: health checks and Prometheus know no other name of a
    replica, and another site cannot point its name here and have the browser send an address."""
    server = scope.get("server")
    return server[0] if server else None


def _name(host: str) -> str | None:
    """The header without its port, in lower case."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
