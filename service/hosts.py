"""The names the service answers to: another site that points its own name here (DNS rebinding) gets nothing."""

import ipaddress
from urllib.parse import urlsplit

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service import errors
from service.settings import Settings

_HERE = "localhost"  # always allowed, for health checks


class KnownHosts:
    """Middleware: refuses what was sent to another name.

    An address is none: no site can point it elsewhere, and Prometheus and the kubelet send nothing else.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._any = not settings.on_loopback and not settings.allowed_hosts
        self._known = {_HERE, settings.host.lower(), *(name.lower() for name in settings.allowed_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and not self._any:
            request = Request(scope)
            name = _name(request.headers.get("host", ""))
            if name not in self._known and not _is_address(name):
                error = errors.UnknownHost("The service does not answer to this name.")
                await errors.respond(request, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _name(host: str) -> str | None:
    """The header without its port, in lower case."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_address(name: str | None) -> bool:
    try:
        ipaddress.ip_address(name or "")
    except ValueError:
        return False
    return True
