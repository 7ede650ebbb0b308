"""Path-based authorization: policy table and middleware."""

from enum import Enum, auto
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import CrossSite, ExpiredPageSession, Forbidden, MissingKey, RateLimited, UnknownKey
from service.http import problems
from service.security.key_store import KeyStore
from service.security.page_session import COOKIE, PageSessions
from service.security.rate_limit import RateLimiter, name_of
from service.settings import Settings

HEADER = "X-API-Key"
_READING = ("GET", "HEAD", "OPTIONS")


class Need(Enum):
    """What a path requires if the service has keys."""

    NOTHING = auto()
    PAGE = auto()  # a page session, which the page's routes check themselves, to show a refusal as a page
    PAGE_SESSION = auto()  # a page session or a key
    KEY = auto()
    ADMIN = auto()


_UNCHECKED = (Need.NOTHING, Need.PAGE)  # by the middleware

# By the first part of the path. A path without a row requires a key, so that a forgotten row denies access.
NEEDS: dict[str, Need] = {
    "/": Need.PAGE,
    "admin": Need.ADMIN,
    "examples": Need.NOTHING,
    "explain": Need.KEY,
    "health": Need.NOTHING,
    "invocations": Need.KEY,
    "metrics": Need.KEY,
    "model-card": Need.NOTHING,
    "docs": Need.KEY,
    "model": Need.KEY,
    "openapi.json": Need.KEY,
    "ping": Need.NOTHING,
    "predict": Need.PAGE_SESSION,
    "result": Need.PAGE,
    "static": Need.NOTHING,
    "v2": Need.KEY,
}


class AccessPolicy:
    """Checks requests against keys, page sessions and rate limits; notes the key's id in the request's record."""

    def __init__(self, settings: Settings, keys: KeyStore, rates: RateLimiter) -> None:
        self._keys, self._rates, self._page_sessions = keys, rates, PageSessions(settings)
        opened = ("docs", "openapi.json") * settings.public_docs + ("metrics",) * settings.public_metrics
        self._needs = NEEDS | dict.fromkeys(opened, Need.NOTHING)
        # Scripts of these origins send a key, if there are keys; a session of the page is for the page alone.
        self._trusted = () if keys.required else settings.cors_origins

    def need(self, path: str) -> Need:
        """What a path requires under these settings."""
        first = path.removeprefix("/").partition("/")[0]
        return self._needs.get(first or path, Need.KEY)

    def is_open(self, path: str) -> bool:
        """Whether this path needs no key, so that the page can link to it."""
        return not self._keys.required or self.need(path) is Need.NOTHING

    async def admit(self, request: Request, need: Need) -> None:
        """Return if the request is allowed; otherwise raise one of problems.ACCESS. Sets `client_name` in its state.

        A request with a valid key counts towards the key's rate limit, every other towards that of its address, so
        that guessing keys is limited too.
        """
        sent = request.headers.get(HEADER)
        key = self._keys.find(sent) if sent is not None else None
        if key is not None:
            request.state.record.key = key.id
            request.state.client_name = f"key:{key.id}"
            await self._rates.count(request.state.client_name)
            if need is Need.ADMIN and key.role != "admin":
                raise Forbidden("This key does not have the role admin.")
            return
        request.state.client_name = name_of(request.client.host if request.client else "")
        await self._rates.count(request.state.client_name)
        if self._keys.required:
            self._check_page_session(request, need, sent)
        trusted = request.headers.get("origin") in self._trusted
        if request.method not in _READING and is_cross_site(request) and not trusted:
            raise CrossSite("Another site caused the request; send it from Lunar's own page or with a key.")

    def describe(self, document: dict[str, Any]) -> None:
        """Add to an OpenAPI document which operations need a key, and their refusals."""
        scheme = {"type": "apiKey", "in": "header", "name": HEADER}
        document.setdefault("components", {})["securitySchemes"] = {"key": scheme}
        for path, operations in document["paths"].items():
            if self.need(path) in _UNCHECKED:
                continue
            for method, operation in operations.items():
                if self._keys.required:
                    operation["security"] = [{"key": []}]
                for refusal in problems.ACCESS if self._keys.required else (CrossSite, RateLimited):
                    if refusal is not CrossSite or method.upper() not in _READING:
                        problems.add_problems(operation, refusal)

    def start_page_session(self, request: Request, response: Response) -> None:
        """Set the session cookie with which the page may send requests; does nothing if no keys are required."""
        if self._keys.required:
            self._page_sessions.begin(request, response)

    def _check_page_session(self, request: Request, need: Need, sent: str | None) -> None:
        if sent is not None:
            raise UnknownKey(f"The key in {HEADER} is not known.")
        cookie = request.cookies.get(COOKIE)
        if need is not Need.PAGE_SESSION or cookie is None:
            raise MissingKey(f"Send a key as {HEADER}.")
        if not self._page_sessions.holds(cookie):
            raise ExpiredPageSession("The page was opened too long ago.")
        request.state.record.key = "page"


def is_cross_site(request: Request) -> bool:
    """Whether a browser reports that another site caused the request. Other clients send none of these headers."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")  # browsers send Sec-Fetch-Site only over HTTPS and to localhost
    try:
        return origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
    except ValueError:  # no address, as no browser sends
        return True


class AuthorizationMiddleware:
    """Middleware: applies the policy before the body is read."""

    def __init__(self, app: ASGIApp, access: AccessPolicy) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            request, need = Request(scope), self._access.need(scope["path"])
            try:
                if need not in _UNCHECKED:
                    await self._access.admit(request, need)
            except problems.ACCESS as error:
                await problems.respond(request, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)
