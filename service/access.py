"""Who may ask what: one table by path, and the guard that stands before every route."""

from enum import Enum, auto
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service import errors
from service.errors import CrossSite, ExpiredVisit, Forbidden, MissingKey, UnknownKey
from service.keys import Keys
from service.rates import Rates, name_of
from service.schemas import ProblemReply
from service.settings import Settings
from service.visit import COOKIE, Visits

HEADER = "X-API-Key"
_READING = ("GET", "HEAD", "OPTIONS")
_REFUSALS = {str(errors.PROBLEMS[kind].status): errors.PROBLEMS[kind].title for kind in reversed(errors.ACCESS)}
_PROBLEM = {"application/problem+json": {"schema": ProblemReply.model_json_schema()}}


class Need(Enum):
    """What a path asks for, if there are keys at all."""

    NOTHING = auto()
    PAGE = auto()  # a visit, but the page itself asks for it, to refuse in its own words
    VISIT = auto()  # a visit of the page, or a key
    KEY = auto()
    ADMIN = auto()


# By the first part of the path. What is not here needs a key, so that a forgotten row closes and does not open.
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
    "predict": Need.VISIT,
    "result": Need.PAGE,
    "static": Need.NOTHING,
}


class Access:
    """Decides over requests by the settings' keys and rates, and notes in the request's record who asked."""

    def __init__(self, settings: Settings, keys: Keys, rates: Rates) -> None:
        self._keys, self._rates, self._visits = keys, rates, Visits(settings)
        opened = ("docs", "openapi.json") * settings.public_docs + ("metrics",) * settings.public_metrics
        self._needs = NEEDS | dict.fromkeys(opened, Need.NOTHING)

    def need(self, path: str) -> Need:
        """What a path asks for here."""
        first = path.removeprefix("/").partition("/")[0]
        return self._needs.get(first or path, Need.KEY)

    def is_open(self, path: str) -> bool:
        """Whether anybody may read this path, so that the page can link to it."""
        return not self._keys.required or self.need(path) is Need.NOTHING

    async def admit(self, request: Request, need: Need) -> None:
        """Let the request pass, or raise one of errors.ACCESS.

        Whoever has a key is counted under it, everybody else under their address: guessing keys is counted too.
        """
        given = request.headers.get(HEADER)
        key = self._keys.find(given) if given is not None else None
        if key is not None:
            request.state.record.key = key.id
            await self._rates.count(f"key:{key.id}")
            if need is Need.ADMIN and key.role != "admin":
                raise Forbidden("This key does not open /admin.")
            return
        await self._rates.count(name_of(request.client.host if request.client else ""))
        if self._keys.required:
            self._check_visit(request, need, given)
        if request.method not in _READING and is_cross_site(request):
            raise CrossSite("The request was caused by another site.")

    def describe(self, document: dict[str, Any]) -> None:
        """Say in an OpenAPI document which operations need a key, and how they refuse."""
        scheme = {"type": "apiKey", "in": "header", "name": HEADER}
        document.setdefault("components", {})["securitySchemes"] = {"key": scheme}
        for path, operations in document["paths"].items():
            if self.is_open(path):
                continue
            for operation in operations.values():
                operation["security"] = [{"key": []}]
                for status, words in _REFUSALS.items():
                    operation["responses"].setdefault(status, {"description": words, "content": _PROBLEM})

    def begin_visit(self, request: Request, response: Response) -> None:
        """Let who is shown the page ask from it; needless without keys."""
        if self._keys.required:
            self._visits.begin(request, response)

    def _check_visit(self, request: Request, need: Need, given: str | None) -> None:
        if given is not None:
            raise UnknownKey(f"Nobody has this {HEADER}.")
        cookie = request.cookies.get(COOKIE)
        if need is not Need.VISIT or cookie is None:
            raise MissingKey(f"Send a key as {HEADER}.")
        if not self._visits.holds(cookie):
            raise ExpiredVisit("The page was opened too long ago.")
        request.state.record.key = "page"


def is_cross_site(request: Request) -> bool:
    """Whether a browser says that another site's page caused the request. Programs say nothing, and need not."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")  # plain HTTP: browsers tell Sec-Fetch-Site only to HTTPS and localhost
    return origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()


class Guard:
    """Middleware: refuses before anything of the body is read."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            request, need = Request(scope), self._access.need(scope["path"])
            try:
                if need not in (Need.NOTHING, Need.PAGE):
                    await self._access.admit(request, need)
            except errors.ACCESS as error:
                await errors.respond(request, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)
